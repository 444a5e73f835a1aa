"""What a step of beta-VAE and of InfoGAN costs, against plain loops with the same networks.

`make bench`, or this file; the names of labs as arguments run one of them.
"""

import logging
import sys
import warnings
from collections.abc import Callable
from copy import deepcopy
from statistics import median
from typing import Any

import by_hand  # beside this file
import steps
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim import Adam

from leyden.gan.disentangled.agreement import agreement_loss, random_view

ROUNDS = 3


def beta_vae(model: Any) -> by_hand.Step:
    """Encode, draw, decode, two sums."""
    adam = Adam(model.parameters(), 1e-3)

    def step(images: Tensor, _: Any) -> None:
        images = images.float() / 255
        mean, log_variance = model.encoder(images).chunk(2, dim=1)
        raw = model.decoder(mean + (log_variance / 2).exp() * torch.randn_like(mean))
        error = F.binary_cross_entropy_with_logits(raw, images, reduction="sum") / len(images)
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum() / len(images)
        by_hand.descend(adam, error + model.beta * divergence)

    return step


def infogan(model: Any) -> by_hand.Step:
    """D and Q, then G, and the average of G."""
    g, d, average = model.generator, model.discriminator, deepcopy(model.generator)
    adams, schedules = by_hand.adams_of(model)

    def unread(found: Any, category: Tensor, numbers: Tensor) -> Tensor:
        gaussian = F.gaussian_nll_loss(found.mean, numbers, found.log_variance.exp(), reduction="sum") / len(numbers)
        return F.cross_entropy(found.category, category) + 0.1 * gaussian

    def step(images: Tensor, _: Any) -> None:
        real, count = images.float() / 127.5 - 1, len(images)
        category, numbers = torch.randint(10, (count,)), torch.rand(count, 2) * 2 - 1
        fake = g(torch.cat([torch.randn(count, model.noise_dim), numbers, F.one_hot(category, 10).float()], 1))
        on_real = d.critic(by_hand.augmented(real, model))
        found = d(by_hand.augmented(fake.detach(), model))
        judged = F.softplus(-on_real).mean() + F.softplus(found.real).mean()
        apart = agreement_loss(*d(random_view(torch.cat([real, real]))).category.chunk(2))
        by_hand.descend(adams[1], judged + unread(found, category, numbers) + model.agreement_weight * apart)
        d.requires_grad_(False)
        found = d(by_hand.augmented(fake, model))
        by_hand.descend(adams[0], F.softplus(-found.real).mean() + unread(found, category, numbers))
        d.requires_grad_(True)
        by_hand.update_ema(average, g, model.options.ema_decay)
        by_hand.advance(schedules)

    return step


LABS: dict[str, Callable[[Any], by_hand.Step]] = {
    "gan_disentangle_scenes": beta_vae,
    "gan_disentangle_digits": infogan,
}


def main() -> None:
    warnings.filterwarnings("ignore")
    logging.disable()
    print(f"ms per training step, medians of {ROUNDS} rounds, {torch.get_num_threads()} threads")
    for name in sys.argv[1:] or LABS:
        words = [f"experiment={name}", *steps.QUIET]
        other = steps.by_a_loop(words, LABS[name])
        rounds = [steps.with_leyden(words, 100, other) for _ in range(ROUNDS)]
        ours, theirs = (median(side) for side in zip(*rounds, strict=True))
        print(f"{name:24}  leyden {ours:8.2f}  loop {theirs:8.2f}  ratio {median(a / b for a, b in rounds):.2f}")


if __name__ == "__main__":
    main()
