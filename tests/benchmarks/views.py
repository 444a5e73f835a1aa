"""SimCLR: steps of `leyden run` against a plain loop, and images per second against lightly with its own transforms.

The plain loop (`steps.py`) has the same network, loss and views on tensors; both take turns in one process. lightly
(`pip install lightly`) trains the same network on the same images by its `SimCLRTransform` and `NTXentLoss`, as its
examples show: PIL images, one at a time, in a DataLoader, without worker processes and with as many as there are cores;
the faster one counts. Views of both are as strong: area 0.08 to 1, flip, colour, grey, blur. Both also make
views alone, without a network: `python tests/benchmarks/views.py views` prints only that. `make bench` runs all.
"""

import logging
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from statistics import median
from typing import Any

import torch
from steps import QUIET, bare, batches_of, with_leyden  # beside this file
from torch import Tensor
from torch.nn import functional as F
from torch.optim import AdamW
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms.v2.functional import to_pil_image

from leyden.data.module import DataModule

ROUNDS, STEPS, MOST = 3, 40, 16
WORKERS = (0, os.cpu_count() or 1)
DIGITS = ["experiment=transfer_selfsup_digits", *QUIET]
PHOTOGRAPHS = [
    *DIGITS, "data/source=image_patches", "~data.source.crop", "data.source.image_size=32", "data.source.train=1024",
    "data.image_size=32", "data.scale=[0.08,1.0]", "data.flip=true", "data.jitter=1", "data.grey=0.2", "data.blur=0.5",
    "data.noise=0", "data.degrees=0", "data.shear=0", "data.batch_size=128", "model.widths=[16,32,64]",
]  # fmt: skip
LABS = {"digits, 20 px": DIGITS, "photographs, 32 px": PHOTOGRAPHS}


def contrast(first: Tensor, second: Tensor, tau: float) -> Tensor:
    z = F.normalize(torch.cat([first, second]))
    logits = z @ z.T / tau
    logits.fill_diagonal_(-torch.inf)
    count = len(first)
    partners = torch.arange(2 * count).roll(count)
    return F.cross_entropy(logits, partners)


def plain_step(words: list[str]) -> Callable[[], None]:
    """What everybody writes, a step of it."""
    data, model, _ = bare(words)
    model.train()
    adam, batches = AdamW(model.parameters(), 1e-3), batches_of(data)

    def step() -> None:
        first, second = next(batches)
        loss = contrast(*model.embeddings(torch.cat([first, second])).chunk(2), model.tau)
        adam.zero_grad()
        loss.backward()
        adam.step()

    return step


class Pictures(Dataset):
    """What lightly's users have: PIL images and a transform."""

    def __init__(self, data: DataModule, transform: Callable[[Any], list[Tensor]]) -> None:
        split = data.split("train")
        self.images = [to_pil_image(split[i].images) for i in range(len(split))]
        self.transform = transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> list[Tensor]:
        return self.transform(self.images[index])


def lightly_batches(data: DataModule, workers: int) -> Iterator[list[Tensor]]:
    """Its two views of a batch, again and again."""
    from lightly.transforms import SimCLRTransform

    pictures = Pictures(data, SimCLRTransform(input_size=data.spec["image_size"]))
    loader = DataLoader(
        pictures, data.batch_size, shuffle=True, drop_last=True, num_workers=workers, persistent_workers=workers > 0
    )
    while True:
        yield from loader


def leyden_batches(data: DataModule) -> Iterator[Any]:
    loader = data.train_dataloader()
    while True:
        yield from loader


def rate(
    data: DataModule, batches: Iterator[Any], step: Callable[[Any], None] = lambda batch: None, count: int = MOST
) -> float:
    """Images per second, the first batch left out: by then workers are up."""
    step(next(batches))
    began = time.perf_counter()
    for _ in range(count):
        step(next(batches))
    return count * data.batch_size / (time.perf_counter() - began)


def with_lightly(words: list[str], workers: int) -> float:
    """Images per second of its views, its loss and the lab's network."""
    from lightly.loss import NTXentLoss

    data, model, _ = bare(words)
    model.train()
    adam, criterion = AdamW(model.parameters(), 1e-3), NTXentLoss(model.tau)

    def step(batch: list[Tensor]) -> None:
        loss = criterion(*(model.projection(model.backbone.run(view).mean((2, 3))) for view in batch))
        adam.zero_grad()
        loss.backward()
        adam.step()

    return rate(data, lightly_batches(data, workers), step)


def compare_steps() -> None:
    for name, words in LABS.items():
        rounds = [with_leyden(words, STEPS, plain_step(words)) for _ in range(ROUNDS)]
        ours, theirs = (median(side) for side in zip(*rounds, strict=True))
        ratio = median(a / b for a, b in rounds)
        print(f"{name:20} leyden {ours:7.2f}  plain {theirs:7.2f} ms per step  ratio {ratio:.2f}", flush=True)
        if words is PHOTOGRAPHS and find_spec("lightly"):
            count = bare(words)[0].batch_size
            peers = [max(with_lightly(words, workers) for workers in WORKERS) for _ in range(ROUNDS)]
            print_rates("with the network", [count / mine * 1e3 for mine, _ in rounds], peers)


def compare_views() -> None:
    data = bare(PHOTOGRAPHS)[0]
    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours.append(rate(data, leyden_batches(data), count=10 * MOST))
        theirs.append(max(rate(data, lightly_batches(data, workers)) for workers in WORKERS))
    print_rates("views alone", ours, theirs)


def print_rates(what: str, ours: list[float], theirs: list[float]) -> None:
    ratio = median(a / b for a, b in zip(ours, theirs, strict=True))
    print(
        f"{what:20} leyden {median(ours):.0f}, lightly {median(theirs):.0f} images per second  ratio {ratio:.1f}",
        flush=True,
    )


def main() -> None:
    warnings.filterwarnings("ignore")
    logging.disable()
    print(f"SimCLR, medians of {ROUNDS} rounds, {torch.get_num_threads()} threads")
    if find_spec("lightly"):
        compare_views()
    else:
        print("lightly is not installed, so it is left out: pip install --no-deps lightly")
    if sys.argv[1:] != ["views"]:
        compare_steps()


if __name__ == "__main__":
    os.environ.setdefault("PYTHONHASHSEED", "0")
    main()
