"""Fine-tuning of a text classifier: sentences per second against transformers' `Trainer`, steps against a plain loop.

All three train the same network by AdamW with the gradient clipped at 1, on the same labelled sentences of data/source=
film_reviews, 16 a step, in turns in one process. Leyden runs as `leyden run` does, with everything that is on by
default; its batches hold sentences of like lengths (`data.bucket`), transformers' are shuffled and padded to the
longest of each, its default. `make bench`, or this file; needs the extra `text` and the package accelerate.
"""

import logging
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import torch
from steps import QUIET, bare, with_leyden
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import AdamW

from leyden.data.columns import LabelledTokens
from leyden.data.text.sentences import Sentences

ROUNDS = 3
LABELS = 1600
"""Sentences of an epoch."""
SIZES = {"0.9 million parameters": [4, 128], "8 million": [6, 320]}
"""Layers and channels."""


def words_of(layers: int, width: int, bucket: bool) -> list[str]:
    """The lab, from random weights."""
    return [
        "experiment=text_sentiment", "model.weights=none", f"model.layers={layers}", f"model.width={width}",
        "model.heads=4", f"data.labels={LABELS}", "data.batch_size=16", f"data.bucket={str(bucket).lower()}",
        "trainer.gradient_clip_val=1.0", "trainer.accelerator=cpu", "model.embedding=0",
    ]  # fmt: skip


def plain_step(words: list[str]) -> Callable[[], None]:
    """What everybody writes, on the same batches."""
    data, model, _ = bare(words)
    optimizer = AdamW(model.parameters(), 1e-3, fused=True)
    model.train()

    def batches() -> Iterator[LabelledTokens]:
        loader = data.loader("train")
        while True:
            yield from loader

    endless = batches()

    def step() -> None:
        batch = next(endless)
        loss = F.cross_entropy(model(batch.tokens, batch.lengths), batch.labels)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step


class WithLoss(nn.Module):
    """The same network as transformers' `Trainer` wants it: it returns the loss."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor) -> dict[str, Tensor]:
        logits = self.net(input_ids, attention_mask.sum(1))
        return {"loss": F.cross_entropy(logits, labels), "logits": logits}


def by_transformers(words: list[str]) -> Callable[[], float]:
    """What trains an epoch by transformers, and returns its sentences per second."""
    from transformers import PrinterCallback, Trainer, TrainingArguments

    data, model, _ = bare(words)
    assert isinstance(data, Sentences)
    split, pad = data.split("train"), data.tokenizer.pad
    rows = [{"input_ids": split[i].tokens.tolist(), "labels": int(split[i].labels)} for i in range(len(split))]

    def collate(examples: list[dict[str, Any]]) -> dict[str, Tensor]:
        longest = max(len(example["input_ids"]) for example in examples)
        padded = [e["input_ids"] + [pad] * (longest - len(e["input_ids"])) for e in examples]
        real = [[1] * len(e["input_ids"]) + [0] * (longest - len(e["input_ids"])) for e in examples]
        labels = torch.tensor([example["labels"] for example in examples])
        return {"input_ids": torch.tensor(padded), "attention_mask": torch.tensor(real), "labels": labels}

    arguments = TrainingArguments(
        output_dir=tempfile.mkdtemp(), per_device_train_batch_size=data.batch_size, num_train_epochs=1, use_cpu=True,
        report_to=[], save_strategy="no", disable_tqdm=True, learning_rate=1e-3, dataloader_drop_last=True,
    )  # fmt: skip

    def epoch() -> float:
        trainer = Trainer(WithLoss(model.net), arguments, data_collator=collate, train_dataset=rows)  # type: ignore[arg-type]
        trainer.remove_callback(PrinterCallback)
        began = time.perf_counter()
        trainer.train()
        return len(split) // data.batch_size * data.batch_size / (time.perf_counter() - began)

    return epoch


def main() -> None:
    warnings.filterwarnings("ignore")
    logging.disable()
    print(f"sentences per second of training, medians of {ROUNDS} rounds, {torch.get_num_threads()} threads")
    for name, (layers, width) in SIZES.items():
        words, steps = words_of(layers, width, True), LABELS // 16
        theirs, rates, ratios, costs = by_transformers(words), [], [], []
        for _ in range(ROUNDS):
            ours, plain = with_leyden([*words, *QUIET], steps, plain_step(words))  # ms per step
            rates.append((16e3 / ours, theirs()))
            ratios.append(rates[-1][0] / rates[-1][1])
            costs.append(ours / plain)
        rate, other = (median(side) for side in zip(*rates, strict=True))
        print(
            f"{name:22}  leyden {rate:7.1f}  transformers {other:7.1f}  ratio {median(ratios):.2f}"
            f"   a step against a plain loop's {median(costs):.2f}",
            flush=True,
        )


if __name__ == "__main__":
    os.environ.setdefault("PYTHONHASHSEED", "0")
    main()
