"""SimCLR: steps of `leyden run` against a plain loop, and images per second against lightly with its own transforms.

The plain loop (`steps.py`) has the same network, loss and views on tensors; both take turns in one process. lightly
(`pip install lightly`) trains the same network on the same images by its `SimCLRTransform` and `NTXentLoss`, as its
examples show: PIL images, one at a time, in a DataLoader, without worker processes and with as many as there are cores;
the faster one counts. Views of both are as strong: area 0.08 to 1, flip, colour, grey, blur. `make bench` runs it.
"""

import logging
import os
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
LABS = {
    "digits, 20 px": ["experiment=transfer_selfsup_digits"],
    "photographs, 32 px": [
        "experiment=transfer_selfsup_digits", "data/source=image_patches", "~data.source.crop",
        "data.source.image_size=32", "data.source.train=1024",
        "data.image_size=32", "data.scale=[0.08,1.0]", "data.flip=true", "data.jitter=1",
        "data.grey=0.2", "data.blur=0.5", "data.noise=0", "data.degrees=0", "data.shear=0", "data.batch_size=128",
        "model.widths=[16,32,64]",
    ],
}  # fmt: skip


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


def with_lightly(words: list[str], workers: int) -> float:
    """Images per second."""
    from lightly.loss import NTXentLoss
    from lightly.transforms import SimCLRTransform

    data, model, _ = bare(words)
    model.train()
    size = data.spec["image_size"]
    pictures = Pictures(data, SimCLRTransform(input_size=size))
    loader = DataLoader(
        pictures, data.batch_size, shuffle=True, drop_last=True, num_workers=workers, persistent_workers=workers > 0
    )
    adam, criterion = AdamW(model.parameters(), 1e-3), NTXentLoss(model.tau)

    def endless() -> Iterator[list[Tensor]]:
        while True:
            yield from loader

    batches, began = endless(), 0.0
    for step in range(1 + MOST):
        first, second = next(batches)
        z = [model.projection(model.backbone.run(view).mean((2, 3))) for view in (first, second)]
        loss = criterion(*z)
        adam.zero_grad()
        loss.backward()
        adam.step()
        if step == 0:  # workers are up
            began = time.perf_counter()
    return MOST * data.batch_size / (time.perf_counter() - began)


def main() -> None:
    warnings.filterwarnings("ignore")
    logging.disable()
    print(f"SimCLR, medians of {ROUNDS} rounds, {torch.get_num_threads()} threads")
    for name, lab in LABS.items():
        words = [*lab, *QUIET]
        rounds = [with_leyden(words, STEPS, plain_step(words)) for _ in range(ROUNDS)]
        ours, theirs = (median(side) for side in zip(*rounds, strict=True))
        ratio = median(a / b for a, b in rounds)
        print(f"{name:20} leyden {ours:7.2f}  plain {theirs:7.2f} ms per step  ratio {ratio:.2f}", flush=True)
    if find_spec("lightly") is None:
        print("lightly is not installed, so it is left out: pip install --no-deps lightly")
        return
    count = bare(words)[0].batch_size
    peers = {
        workers: median(with_lightly(words, workers) for _ in range(ROUNDS)) for workers in (0, os.cpu_count() or 1)
    }
    best = max(peers, key=lambda workers: peers[workers])
    speed = count / ours * 1e3
    print(f"{name:20} leyden {speed:.0f}, lightly {peers[best]:.0f} images per second ({best} workers)"
          f"  ratio {speed / peers[best]:.1f}")  # fmt: skip


if __name__ == "__main__":
    os.environ.setdefault("PYTHONHASHSEED", "0")
    main()
