"""What a step of AdaIN and of MUNIT costs, on the lab's networks and batches, against a plain loop.

The loops do what the papers' algorithms ask for and nothing else: the same networks, losses and fused Adams, on batches
out of the same loader. `make bench`, or this file; names of cases as arguments choose among them.
"""

import sys
import warnings
from collections.abc import Callable
from statistics import median
from typing import Any

import by_hand  # beside this file
import steps
import torch
from torch.nn import functional as F
from torch.optim import Adam

from leyden.gan.pixels import to_signed

ROUNDS = 3
LAB = ["experiment=gan_disentangle_faces", "model.schedule=constant", *steps.QUIET]


def adain(model: Any) -> by_hand.Step:
    """Equations 8 and 11 to 13 of AdaIN."""
    adam = Adam(model.decoder.parameters(), 1e-3, fused=True)

    def moments(maps: Any) -> tuple[Any, Any]:
        return maps.mean((2, 3), keepdim=True), (maps.var((2, 3), keepdim=True) + 1e-5).sqrt()

    def step(a: Any, b: Any) -> None:
        with torch.no_grad():
            styles, content = model.encoder(to_signed(b.images)), model.encoder(to_signed(a.images))[-1]
            (mean, deviation), (own_mean, own_deviation) = moments(styles[-1]), moments(content)
            target = (content - own_mean) / own_deviation * deviation + mean
        made = model.encoder(model.decoder(target))
        loss = F.mse_loss(made[-1], target)
        for maps, wanted in zip(made, styles, strict=True):
            for x, y in zip(moments(maps), moments(wanted), strict=True):
                loss = loss + 10 * F.mse_loss(x, y)
        by_hand.descend(adam, loss)

    return step


def munit(model: Any) -> by_hand.Step:
    """Equations 1 to 5 of MUNIT, with the lab's styles from images."""
    nets, looks = model.generator, model.discriminator
    adam = Adam(nets.parameters(), 1e-3, (0.5, 0.999), fused=True)
    adams = {domain: Adam(looks[domain].parameters(), 1e-3, (0.5, 0.999), fused=True) for domain in "ab"}
    scales = range(len(looks["a"]))

    def step(a: Any, b: Any) -> None:
        real = {"a": to_signed(a.images), "b": to_signed(b.images)}
        content = {domain: nets[domain].content(real[domain]) for domain in "ab"}
        style = {domain: nets[domain].style(real[domain]) for domain in "ab"}
        wanted = {domain: style[domain].detach() for domain in "ab"}
        fake = {"b": nets["b"].decode(content["a"], wanted["b"]), "a": nets["a"].decode(content["b"], wanted["a"])}
        for domain in "ab":
            loss = torch.zeros(())
            for scale in scales:
                on_real = looks[domain].look(real[domain], scale)
                on_fake = looks[domain].look(fake[domain].detach(), scale)
                loss = loss + ((on_real - 1).square().mean() + on_fake.square().mean()) / 2
            by_hand.descend(adams[domain], loss)
        looks.requires_grad_(False)
        loss = torch.zeros(())
        for own, other in ("ab", "ba"):
            again = nets[other].content(fake[other])
            loss = loss + model.image_weight * F.l1_loss(nets[own].decode(content[own], style[own]), real[own])
            loss = loss + F.l1_loss(again, content[own]) + F.l1_loss(nets[other].style(fake[other]), wanted[other])
            if model.cycle_weight:
                loss = loss + model.cycle_weight * F.l1_loss(nets[own].decode(again, style[own]), real[own])
            for scale in scales:
                loss = loss + (looks[other].look(fake[other], scale) - 1).square().mean()
        by_hand.descend(adam, loss)
        looks.requires_grad_(True)

    return step


CASES: dict[str, tuple[list[str], Callable[[Any], by_hand.Step], int, int]] = {
    "MUNIT": (LAB, munit, 20, 10),
    "AdaIN": ([*LAB, "lab.variant=AdaIN"], adain, 40, 20),
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
        ratio = median(a / b for a, b in rounds)
        print(f"{name:10}  leyden {ours:8.2f}  plain loop {theirs:8.2f}  ratio {ratio:.3f}")


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
