"""What a step of CycleGAN costs: against a plain loop, and against the order of operations of the authors' code.

Both on the lab's networks and batches, the second also on the paper's networks at 64 pixels, in batches of one. The
authors' order: both translations and both ways back, then, with the discriminators frozen, two more passes for the
identity; G and F step together; then real and translated images pass each discriminator one after the other, with a
backward pass for each and one step for both, with torch's plain Adam. Ours passes all images that a network takes at
once, and has the fused Adam. `make bench`, or this file; names of cases as arguments choose among them.
"""

import random
import sys
import warnings
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import by_hand  # beside this file
import steps
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim import Adam

ROUNDS = 3
LAB = ["experiment=gan_print_handwriting", "model.schedule=constant", *steps.QUIET]
PAPER = [
    *LAB, "data.image_size=64", "data.batch_size=1", "model.base_channels=64", "model.blocks=9",
    "model.discriminator_channels=64", "model.discriminator_layers=3",
]  # fmt: skip


class Pool:
    """Earlier translations, as everybody keeps them."""

    def __init__(self) -> None:
        self.images: list[Tensor] = []

    def query(self, images: Tensor) -> Tensor:
        returned = []
        for image in images.detach():
            if len(self.images) < 50:
                self.images.append(image)
            elif random.random() < 0.5:
                place = random.randrange(50)
                image, self.images[place] = self.images[place].clone(), image
            returned.append(image)
        return torch.stack(returned)


def loop(model: Any, fused: bool) -> by_hand.Step:
    """The authors' order, by their plain Adam or by the fused one."""
    g, f, d_a, d_b = (model.generator["ab"], model.generator["ba"], *(model.discriminator[d] for d in "ab"))
    adam_g, adam_d = (
        Adam(network.parameters(), 2e-4, (0.5, 0.999), fused=fused)
        for network in (model.generator, model.discriminator)
    )
    pools = {"a": Pool(), "b": Pool()}

    def against(logits: Tensor, target: float) -> Tensor:
        return F.mse_loss(logits, torch.tensor(target).expand_as(logits))

    def step(a: Any, b: Any) -> None:
        a, b = (domain.images.float() / 127.5 - 1 for domain in (a, b))
        fake_b, fake_a = g(a), f(b)
        back_a, back_b = f(fake_b), g(fake_a)
        model.discriminator.requires_grad_(False)
        adam_g.zero_grad()
        loss = 5.0 * (F.l1_loss(g(b), b) + F.l1_loss(f(a), a))
        loss = loss + against(d_b(fake_b), 1.0) + against(d_a(fake_a), 1.0)
        (loss + 10.0 * (F.l1_loss(back_a, a) + F.l1_loss(back_b, b))).backward()
        adam_g.step()
        model.discriminator.requires_grad_(True)
        adam_d.zero_grad()
        for d, real, fake in ((d_b, b, pools["b"].query(fake_b)), (d_a, a, pools["a"].query(fake_a))):
            ((against(d(real), 1.0) + against(d(fake), 0.0)) * 0.5).backward()
        adam_d.step()

    return step


plain, authors = partial(loop, fused=True), partial(loop, fused=False)
CASES: dict[str, tuple[list[str], Callable[[Any], by_hand.Step], int, int]] = {
    "lab, against a plain loop": (LAB, plain, 40, 20),
    "lab, against the authors' order": (LAB, authors, 40, 20),
    "64 px, against the authors' order": (PAPER, authors, 4, 2),
}
"""Overrides, the other side, steps, and how many of them one takes before the other does."""


def main() -> None:
    warnings.filterwarnings("ignore")
    print(f"ms per training step, medians of {ROUNDS} rounds, {torch.get_num_threads()} threads")
    for name in sys.argv[1:] or CASES:
        words, make, count, steps.TURN = CASES[name]
        other = by_a_loop(words, make)
        rounds = [steps.with_leyden(words, count, other) for _ in range(ROUNDS)]
        ours, theirs = (median(side) for side in zip(*rounds, strict=True))
        ratio = median(b / a for a, b in rounds)
        print(f"{name:34}  leyden {ours:8.2f}  other {theirs:8.2f}  images per second, ours to theirs {ratio:.2f}")


def by_a_loop(words: list[str], make: Callable[[Any], by_hand.Step]) -> Callable[[], None]:
    """A step of the other side, on batches of both domains out of the same loader."""
    data, model, _ = steps.bare(words)
    step = make(model.train())

    def batches() -> Any:
        while True:
            yield from data.train_dataloader()

    source = batches()
    return lambda: step(*next(source))


if __name__ == "__main__":
    main()
