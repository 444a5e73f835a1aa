"""What a step of a GAN of descriptions costs, on the lab's networks and batches, against a plain loop.

The loop does what algorithm 1 of Reed et al. 2016 asks for, with the lab's wrong and recombined descriptions, a network
that matches real pairs, three fused Adams, schedules and the moving average, and nothing else. `make bench`, or this
file.
"""

import warnings
from copy import deepcopy
from statistics import median
from typing import Any

import by_hand  # beside this file
import steps
import torch
from torch import Tensor
from torch.nn.functional import softplus
from torch.optim import Adam
from torch.optim.lr_scheduler import LinearLR

from leyden.gan.text_to_image.wrong_texts import wrong_partners

ROUNDS, STEPS, steps.TURN = 3, 20, 10
LAB = ["experiment=multimodal_text_to_image", "data.source.train_each=10", *steps.QUIET]


def plain(words: list[str]) -> by_hand.Step:
    """A step of the other side, on batches out of the same loader."""
    data, model, _ = steps.bare(words)
    model.train()
    g, d, average, latent = model.generator, model.discriminator, deepcopy(model.generator), model.sampler.latent_dim
    reader, rate = model.matcher, model.players["matcher"].lr
    (adam_g, adam_d), schedules = by_hand.adams_of(model)
    adam_m = Adam(reader.parameters(), rate, fused=True)
    schedules.append(LinearLR(adam_m, 1, 0, 10000))

    def batches() -> Any:
        while True:
            yield from data.train_dataloader()

    def mismatch(images: Tensor, tokens: Tensor, lengths: Tensor, labels: Tensor) -> Tensor:
        wrong, differ = model.exchange(tokens, labels)
        seen = reader.look(by_hand.augmented(images, model))
        on = [(seen * reader.compress(reader.encode(each, lengths))).sum(1) for each in (tokens, *wrong)]
        return softplus((torch.stack(on[1:]) - on[0]) / seen.shape[1] ** 0.5)[differ].mean()

    source = batches()

    def step() -> None:
        batch = next(source)
        texts, real = (batch.tokens, batch.lengths), batch.images.float() / 127.5 - 1
        by_hand.descend(adam_m, mismatch(real, *texts, batch.labels))
        fake = g(torch.randn(len(real), latent), *texts)
        encoded, maps = d.encode(*texts), d.look(by_hand.augmented(real, model))
        others, differ = wrong_partners(batch, "nearest")
        on_fake = d.fits(d.look(by_hand.augmented(fake.detach(), model)), encoded)
        wrong = torch.cat([on_fake, d.fits(maps, encoded[others])[differ]])
        by_hand.descend(adam_d, softplus(-d.fits(maps, encoded)).mean() + softplus(wrong).mean())
        d.requires_grad_(False)
        reader.requires_grad_(False).eval()
        loss = softplus(-d(by_hand.augmented(fake, model), *texts)).mean()
        *mixed, labels = model.recombine(batch.labels)
        images = g(torch.randn(len(real), latent), *mixed)
        loss = loss + softplus(-d(by_hand.augmented(images, model), *mixed)).mean()
        by_hand.descend(adam_g, loss + mismatch(images, *mixed, labels))
        d.requires_grad_(True)
        reader.requires_grad_(True).train()
        by_hand.update_ema(average, g, model.options.ema_decay)
        by_hand.advance(schedules)

    return step


def main() -> None:
    warnings.filterwarnings("ignore")
    print(f"ms per training step, medians of {ROUNDS} rounds, {torch.get_num_threads()} threads")
    step = plain(LAB)
    rounds = [steps.with_leyden(LAB, STEPS, step) for _ in range(ROUNDS)]
    ours, theirs = (median(side) for side in zip(*rounds, strict=True))
    print(f"leyden {ours:8.2f}  plain loop {theirs:8.2f}  ratio {median(a / b for a, b in rounds):.3f}")


if __name__ == "__main__":
    main()
