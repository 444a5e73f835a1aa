"""What the bench costs: a `leyden run` against a hand-written PyTorch loop, in turn, in one process.

Both train the same networks with the same losses on the same images for the same number of steps; only training steps
count (no validation, no start-up). Leyden runs with everything that it has on by default: loggers, progress, seeding
per step, the guard against NaN, checkpoints. The plain script has a standard DataLoader and a loop of `by_hand`. `make
bench`, or this file with the names of some comparisons.
"""

import contextlib
import io
import os
import random
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import by_hand  # beside this file
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from leyden.bench.compose import compose
from leyden.bench.run import assemble
from leyden.data.module import ImageData
from leyden.gan.srgan_data import SuperResolution

HERE = Path(__file__).parent

ROUNDS = 5


class Stopwatch(Callback):
    """Milliseconds per training step, from the first batch of each epoch to the end of its last."""

    def __init__(self) -> None:
        self.seconds, self.steps = 0.0, 0

    def on_train_epoch_start(self, trainer: Trainer, module: LightningModule) -> None:
        self.began = time.perf_counter()

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, i: int) -> None:
        self.steps += 1
        if trainer.is_last_batch or trainer.global_step == trainer.max_steps:
            self.seconds += time.perf_counter() - self.began


def with_leyden(words: list[str]) -> float:
    config = compose([*words, "+callbacks.stopwatch._target_=steps.Stopwatch"]).config
    # First in the list, so that its last look at the clock comes before other callbacks write a checkpoint.
    config["callbacks"] = {"stopwatch": config["callbacks"].pop("stopwatch"), **config["callbacks"]}
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        data, model, trainer = assemble(config, Path(folder))
        trainer.fit(model, data)
    watch = next(c for c in trainer.callbacks if type(c).__name__ == "Stopwatch")
    return watch.seconds / watch.steps * 1e3


def with_lightning(words: list[str]) -> float:
    """The least that Lightning's loop can cost: the same data and module, no logger and no callback but the watch."""
    config = compose(words).config
    data, model, ours = assemble({**config, "logger": {}, "callbacks": {}}, Path(tempfile.mkdtemp()))
    watch = Stopwatch()
    off = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    limits: dict[str, Any] = {"max_steps": ours.max_steps, "max_epochs": -1, "limit_val_batches": 0}
    Trainer(accelerator="cpu", precision=ours.precision, callbacks=[watch], **limits, **off).fit(model, data)
    return watch.seconds / watch.steps * 1e3


def with_a_loop(words: list[str], make: Callable[[Any], by_hand.Step]) -> float:
    config = compose(words).config
    folder = Path(tempfile.mkdtemp())
    data, model, trainer = assemble({**config, "logger": {}, "callbacks": {}}, folder)
    step = make(model.train())
    batches, total = batches_of(data), trainer.max_steps
    mixed = trainer.precision == "bf16-mixed"
    began = time.perf_counter()
    for _ in range(total):
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            step(*next(batches))
    return (time.perf_counter() - began) / total * 1e3


class Crops(Dataset):
    """Random crops of whole pictures, turned and mirrored."""

    def __init__(self, data: SuperResolution) -> None:
        self.pictures, self.side, self.count = data.split("train").pictures, data.image_size, data.epoch_size

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        picture = self.pictures[index % len(self.pictures)]
        top, left = (random.randrange(length - self.side + 1) for length in picture.shape[1:])
        crop = picture[:, top : top + self.side, left : left + self.side]
        crop = crop.flip(2) if random.random() < 0.5 else crop
        return torch.rot90(crop, random.randrange(4), (1, 2)), 0


def batches_of(data: ImageData) -> Iterator[tuple[Tensor, Any]]:
    """What everybody writes: a shuffling DataLoader over single examples, and the technique's own augmentation."""
    split = Crops(data) if isinstance(data, SuperResolution) else data.split("train")

    def collate(pairs: list) -> tuple[Tensor, Any]:
        images, targets = zip(*pairs, strict=True)
        return torch.stack(images), torch.tensor(targets) if isinstance(targets[0], int) else list(targets)

    loader = DataLoader(split, data.batch_size, shuffle=True, drop_last=True, collate_fn=collate)  # type: ignore[arg-type]
    while True:
        for images, targets in loader:
            if data.augment is not None:
                images, targets = data.augment(images, targets, torch.rand(len(images), data.augment.draws))
            yield images, targets


PHOTOGRAPHS = ["experiment=gan_srgan", "trainer.check_val_every_n_epoch=1", "trainer.val_check_interval=1.0"]
COMPARISONS = {
    "MLP, 128 digits": (
        [f"hydra.searchpath=[file://{HERE}/conf]", "model=mlp", "~experiment", "data=transfer/images",
         "data.batch_size=128", "data.epoch_size=51200", "trainer.max_steps=400"],
        by_hand.classifier,
    ),
    "gan_vanilla": (["experiment=gan_vanilla", "trainer.max_steps=320"], by_hand.gan),
    "gan_conditional": (["experiment=gan_conditional", "trainer.max_steps=160"], by_hand.conditional),
    "gan_dcgan": (["experiment=gan_dcgan", "trainer.max_steps=160"], by_hand.gan),
    "gan_lapgan": (["experiment=gan_lapgan", "trainer.max_steps=160"], by_hand.lapgan),
    "gan_srgan, MSE": ([*PHOTOGRAPHS, "trainer.max_steps=60", "model.mse_steps=null"], by_hand.srresnet),
    "gan_srgan, game": ([*PHOTOGRAPHS, "trainer.max_steps=60", "model.mse_steps=0"], by_hand.srgan),
    "detection_ssd": (["experiment=detection_ssd", "trainer.max_steps=30", "data.source.train=960"], by_hand.detector),
}  # fmt: skip
QUIET = ["trainer.limit_val_batches=0", "trainer.max_epochs=-1"]


def main() -> None:
    warnings.filterwarnings("ignore")
    print(f"ms per training step, medians of {ROUNDS} rounds, {torch.get_num_threads()} threads")
    for name in sys.argv[1:] or COMPARISONS:
        words, plain = COMPARISONS[name]
        words = words + QUIET
        rounds = [(with_leyden(words), with_a_loop(words, plain), with_lightning(words)) for _ in range(ROUNDS)]
        ours, theirs, least = (median(side) for side in zip(*rounds, strict=True))
        ratio, floor = median(a / b for a, b, _ in rounds), median(c / b for _, b, c in rounds)
        print(
            f"{name:16}  leyden {ours:7.2f}  plain {theirs:7.2f}  ratio {ratio:.2f}"
            f"   Lightning alone {least:7.2f}  ratio {floor:.2f}",
            flush=True,
        )


if __name__ == "__main__":
    os.environ.setdefault("PYTHONHASHSEED", "0")
    main()
