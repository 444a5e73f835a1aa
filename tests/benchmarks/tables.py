"""CTGAN against a plain PyTorch loop with the same networks, and against the package ``ctgan`` on rings and grids.

The loop: milliseconds of a step, in turns, see ``steps.py``. The package (``pip install ctgan``): modes found, the
share of samples of high quality (within three deviations of a mode) and the time of both, of the same training rows and
as many steps, one seed. `make bench`, or this file with "loop", "rings", "grid" and a number of steps.
"""

import logging
import sys
import time
import warnings
from functools import partial
from importlib.util import find_spec
from itertools import chain, repeat
from statistics import median

import steps  # beside this file
import torch
from lightning import Trainer, seed_everything
from torch.optim import Adam

from leyden.data.batches.gan.mixed_rows import MixedTable
from leyden.data.source.mixed_rows.gaussian_mixtures import Grid, Rings
from leyden.gan.tabular.ctgan import CTGAN

STEPS = 1500
SAMPLES = 5000
TABLES = {"rings": Rings, "grid": Grid}


def loop() -> None:
    """Prints the ratio of a step with all of Leyden to one of a plain loop."""
    words = ["experiment=gan_fraud", *steps.QUIET]
    rounds = [steps.with_leyden(words, 100, plain_step(words)) for _ in range(steps.ROUNDS)]
    ours, theirs = (median(side) for side in zip(*rounds, strict=True))
    ratio = median(a / b for a, b in rounds)
    print(f"gan_fraud  leyden {ours:7.2f}  plain {theirs:7.2f}  ratio {ratio:.2f}", flush=True)


def plain_step(words: list[str]):
    """A step as a person writes it, with the technique's networks and batches."""
    data, model, _ = steps.bare(words)
    model.train()
    batches = chain.from_iterable(data.loader("train") for _ in repeat(None))
    g, d, pac = model.generator, model.discriminator, model.pac
    adam_g, adam_d = (Adam(net.parameters(), 2e-4, (0.5, 0.9), weight_decay=1e-6, fused=True) for net in (g, d))

    def step() -> None:
        batch = next(batches)
        count = len(batch.rows)
        order = torch.randperm(count)
        conditions, asked = batch.conditions[order], batch.asked[order]
        raw = g(torch.cat([torch.randn(count, model.latent_dim), conditions], 1))
        fake = torch.cat([model.activation(raw), conditions], 1).view(count // pac, -1)
        real = torch.cat([batch.matching, batch.conditions], 1).view(count // pac, -1)
        constant = fake.detach()
        loss = d(constant).mean() - d(real).mean()
        between = real.lerp(constant, torch.rand(len(real), 1)).requires_grad_()
        (slope,) = torch.autograd.grad(d(between).sum(), between, create_graph=True)
        loss = loss + 10 * (slope.norm(2, dim=1) - 1).square().mean()
        adam_d.zero_grad()
        loss.backward()
        adam_d.step()
        d.requires_grad_(False)
        loss = model.activation.condition_loss(raw, conditions, asked) - d(fake).mean()
        adam_g.zero_grad()
        loss.backward()
        adam_g.step()
        d.requires_grad_(True)

    return step


def modes(name: str, count: int) -> None:
    """Prints modes, quality and time of both on a table."""
    source = TABLES[name](labelled=False)
    data = MixedTable(source)
    data.prepare_data()
    if find_spec("ctgan") is None:
        print(f"{name}: no comparison without the package: pip install ctgan")
    for who, fitted in {"leyden": ours, "averaged": partial(ours, ema_decay=0.99), "ctgan": theirs}.items():
        if who != "ctgan" or find_spec("ctgan") is not None:
            began = time.perf_counter()
            sample = fitted(data, count)
            took = time.perf_counter() - began
            found, quality = source.modes(sample())
            line = (
                f"{name}, {count} steps  {who:8} {found:2} modes of {len(source.centers)}  high quality {quality:.3f}"
            )
            print(f"{line}  {took:6.1f} s", flush=True)


def ours(data: MixedTable, count: int, ema_decay: float = 0.0):
    """Trains Leyden's CTGAN, perhaps with an averaged generator; what samples it."""
    seed_everything(0, verbose=False)
    model = CTGAN(**data.spec, ema_decay=ema_decay)
    off = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    Trainer(accelerator="cpu", max_steps=count, max_epochs=-1, limit_val_batches=0, **off).fit(model, data)
    return lambda: model.eval().sampler.rows(SAMPLES, torch.Generator().manual_seed(0))


def theirs(data: MixedTable, count: int):
    """Trains the package's CTGAN for as many steps; what samples it."""
    import ctgan
    import pandas as pd

    seed_everything(0, verbose=False)
    table = pd.DataFrame(data.rows("train").numpy(), columns=["x", "y"])
    model = ctgan.CTGAN(epochs=count // max(len(table) // 500, 1), enable_gpu=False)
    model.fit(table)
    return lambda: torch.from_numpy(model.sample(SAMPLES).to_numpy())


def main() -> None:
    warnings.filterwarnings("ignore")
    logging.disable()
    torch.set_num_threads(1)
    counts = [int(word) for word in sys.argv[1:] if word.isdecimal()]
    for word in [word for word in sys.argv[1:] if not word.isdecimal()] or ["loop", *TABLES]:
        if word == "loop":
            loop()
        else:
            modes(word, counts[0] if counts else STEPS)


if __name__ == "__main__":
    main()
