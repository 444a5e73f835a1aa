"""What a step of pix2pix costs: against a plain loop, and against the order of operations of the authors' code.

The first is the lab's step, small. The second is the paper's: 256 pixels, batches of one, U-Net and PatchGAN of 64
channels, in their code's order: D's losses averaged and stepped on, then G's, with torch's plain Adam on maps that lie
in memory as PyTorch makes them. Ours has the maps channels last and the fused Adam. `make bench`, or this file; the
names of the two as arguments run one of them.
"""

import sys
import warnings
from collections.abc import Callable
from statistics import median
from typing import Any

import by_hand  # beside this file
import steps
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim import Adam

ROUNDS = 3
LAB = ["experiment=gan_sunglasses", "model.direction=A2B", *steps.QUIET]
PAPER = [
    *LAB, "data.image_size=256", "data.batch_size=1", "data.jitter=1", "data.flip=false", "model.base_channels=64",
    "model.downs=8", "model.norm=batch", "model.discriminator_channels=64", "model.discriminator_layers=3",
    "model.schedule=constant",
]  # fmt: skip
CASES: dict[str, tuple[list[str], list[str], int, int]] = {
    "lab, against a plain loop": (LAB, [], 80, 20),
    "paper, against the authors' order": (PAPER, ["model.memory_format=channels_last"], 4, 2),
}
"""Overrides of both sides, of ours alone, steps, and how many of them one takes before the other does."""


def plain(model: Any) -> by_hand.Step:
    """What everybody writes."""
    g, d = model.generator["ab"], model.discriminator["ab"]
    adams, schedules = by_hand.adams_of(model)

    def step(a: Tensor, b: Tensor) -> None:
        a, b = a.float() / 127.5 - 1, b.float() / 127.5 - 1
        fake = g(a)
        on_real, on_fake = d(torch.cat([a, b], 1)), d(torch.cat([a, fake.detach()], 1))
        by_hand.descend(adams[1], F.softplus(-on_real).mean() + F.softplus(on_fake).mean())
        d.requires_grad_(False)
        by_hand.descend(adams[0], F.softplus(-d(torch.cat([a, fake], 1))).mean() + 100 * F.l1_loss(fake, b))
        d.requires_grad_(True)
        by_hand.advance(schedules)

    return step


def authors(model: Any) -> by_hand.Step:
    """The order of operations of the authors' code, with its losses on targets as large as D's map."""
    g, d = model.generator["ab"], model.discriminator["ab"]
    adam_g, adam_d = (Adam(network.parameters(), 2e-4, (0.5, 0.999)) for network in (g, d))

    def against(logits: Tensor, target: float) -> Tensor:
        return F.binary_cross_entropy_with_logits(logits, torch.tensor(target).expand_as(logits))

    def step(a: Tensor, b: Tensor) -> None:
        a, b = a.float() / 127.5 - 1, b.float() / 127.5 - 1
        fake = g(a)
        d.requires_grad_(True)
        adam_d.zero_grad()
        on_fake, on_real = d(torch.cat([a, fake], 1).detach()), d(torch.cat([a, b], 1))
        ((against(on_fake, 0.0) + against(on_real, 1.0)) * 0.5).backward()
        adam_d.step()
        d.requires_grad_(False)
        adam_g.zero_grad()
        (against(d(torch.cat([a, fake], 1)), 1.0) + F.l1_loss(fake, b) * 100.0).backward()
        adam_g.step()

    return step


def main() -> None:
    warnings.filterwarnings("ignore")
    print(f"ms per training step, medians of {ROUNDS} rounds, {torch.get_num_threads()} threads")
    makers: dict[str, Callable[[Any], by_hand.Step]] = dict(zip(CASES, (plain, authors), strict=True))
    for name in sys.argv[1:] or CASES:
        words, ours_alone, count, steps.TURN = CASES[name]
        other = steps.by_a_loop(words, makers[name])
        rounds = [steps.with_leyden([*words, *ours_alone], count, other) for _ in range(ROUNDS)]
        ours, theirs = (median(side) for side in zip(*rounds, strict=True))
        ratio = median(b / a for a, b in rounds)
        print(f"{name:34}  leyden {ours:8.2f}  other {theirs:8.2f}  images per second, ours to theirs {ratio:.2f}")


if __name__ == "__main__":
    main()
