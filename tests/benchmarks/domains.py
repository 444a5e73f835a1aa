"""Deep domain adaptation: steps of `leyden run`, of a plain loop on the same two loaders, of tllib's losses and skada.

Same backbone, images, batches (32 of each domain, 16 px) and losses. Leyden and the plain loop take turns of some
steps in one process (`steps.py`), and Leyden runs with everything that it has on by default; beside it stands the same
module in Lightning's loop alone, that part of the ratio which is not ours. tllib has losses and no loop: its turns are
the plain loop's with its loss (it is on no package registry: put a checkout of
github.com/thuml/Transfer-Learning-Library on PYTHONPATH). skada trains through skorch, as its users do (`pip install
skada skorch`); its time is that of `fit` by the number of steps, less what `fit` takes for no epoch. `make bench`, or
this file with the names of some techniques; `CLOCK=cpu` in front counts CPU time.
"""

import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import numpy as np
import torch
from steps import QUIET, TURN, bare, clock, with_leyden, with_lightning  # beside this file
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD
from torch.optim.lr_scheduler import LambdaLR

from leyden.transfer.domain.deep.base import annealed
from leyden.transfer.domain.deep.dann import reversal_strength

ROUNDS, STEPS = 3, 200
LAB = [
    "experiment=transfer_domain_digits",
    "trainer.val_check_interval=null",
    *QUIET,
    f"trainer.max_steps={STEPS + TURN}",
]
WEIGHT = {"Deep CORAL": 100.0, "DANN": 1.0}


class Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * gradients[0], None


Loss = Callable[[Tensor, Tensor, float], Tensor]
"""Of features of both domains (B, F) and the part of the run that is done, 0 to 1."""


def by_hand(name: str, domain_classifier: nn.Module | None) -> Loss:
    """What everybody writes."""

    def dann(source: Tensor, target: Tensor, progress: float) -> Tensor:
        features = Reverse.apply(torch.cat([source, target]), reversal_strength(progress))
        domains = torch.cat([torch.ones(len(source)), torch.zeros(len(target))])
        return F.binary_cross_entropy_with_logits(domain_classifier(features).flatten(), domains)

    def coral(source: Tensor, target: Tensor, progress: float) -> Tensor:
        return (torch.cov(source.T) - torch.cov(target.T)).square().sum() / (4 * source.shape[1] ** 2)

    return {"DANN": dann, "Deep CORAL": coral}[name]


def by_tllib(name: str, domain_classifier: nn.Module | None) -> Loss:
    """tllib's own, which counts the reversal's steps itself and, for CORAL, compares means beside covariances."""
    if name == "DANN":
        from tllib.alignment.dann import DomainAdversarialLoss

        loss = DomainAdversarialLoss(nn.Sequential(*domain_classifier, nn.Sigmoid()))
    else:
        from tllib.alignment.coral import CorrelationAlignmentLoss

        loss = CorrelationAlignmentLoss()
    return lambda source, target, progress: loss(source, target)


def plain_step(name: str, losses: Callable[[str, nn.Module | None], Loss] = by_hand) -> Callable[[], None]:
    """A step of the loop that everybody writes, with a domain loss."""
    data, model, _ = bare([*LAB, f"lab.variant='{name}'"])
    model.train()
    domain_loss = losses(name, getattr(model, "domain_classifier", None))
    sgd = SGD(model.parameters(), lr=0.03, momentum=0.9)
    schedule = LambdaLR(sgd, lambda step: annealed(min(1.0, step / (STEPS + TURN))))

    def endless() -> Iterator[Any]:
        loader = data.train_dataloader()
        while True:
            yield from loader

    batches, step = endless(), 0

    def next_step() -> None:
        nonlocal step
        (images, labels), (target,) = next(batches)
        features = model.net.features(torch.cat([images, target]))
        source, other = features.split([len(images), len(target)])
        loss = F.cross_entropy(model.net.head(source), labels)
        loss = loss + WEIGHT[name] * domain_loss(source, other, min(1.0, step / (STEPS + TURN)))
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        schedule.step()
        step += 1

    return next_step


class WithHead(nn.Module):
    """Backbone and classifier as skada takes them: normalised images in, and a layer with a name for the features."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net, self.features = net, nn.Identity()

    def forward(self, x: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        return self.net.head(self.features(self.net.run(x)))


class Domain(nn.Module):
    """A domain classifier as DANN's; skada's own ends in a softmax of one number, which is 1 whatever comes in."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(features, 100), nn.ReLU(), nn.Linear(100, 1), nn.Sigmoid())

    def forward(self, x: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        return self.layers(Reverse.apply(x, 1.0)).flatten()


def with_skada(name: str) -> float:
    """Milliseconds per step."""
    from skada.deep import DANN, DeepCoral

    data, model, _ = bare([*LAB, f"lab.variant='{name}'"])
    source, target = data.split("train").columns, data.target_split().columns
    images = model.net.backbone.normalise(torch.cat([source.images, target.images])).numpy()
    labels = np.r_[source.labels.numpy(), np.full(len(target.images), -1)]
    domains = np.r_[np.full(len(source.images), 1), np.full(len(target.images), -2)]
    epoch = max(len(source.images), len(target.images)) // data.batch_size  # skada leaves the rest of an epoch out
    seconds = []
    for epochs in (0, max(1, STEPS // epoch)):
        options = {"layer_name": "features", "reg": WEIGHT[name], "batch_size": data.batch_size, "max_epochs": epochs,
                   "train_split": None, "lr": 0.03, "optimizer__momentum": 0.9, "verbose": 0}  # fmt: skip
        if name == "DANN":
            classifier = Domain(model.net.backbone.num_features)
            net = DANN(WithHead(model.net), domain_classifier=classifier, **options)
        else:
            net = DeepCoral(WithHead(model.net), **options)
        began = clock()
        net.fit(images, labels, domains)
        seconds.append(clock() - began)
    return (seconds[1] - seconds[0]) / (max(1, STEPS // epoch) * epoch) * 1e3


def main() -> None:
    warnings.filterwarnings("ignore")
    logging.disable()
    print(f"ms per training step and steps per second, medians of {ROUNDS} rounds, {torch.get_num_threads()} threads")
    for name in sys.argv[1:] or WEIGHT:
        lab = [*LAB, f"lab.variant='{name}'"]
        rounds = [with_leyden(lab, STEPS, plain_step(name)) for _ in range(ROUNDS)]
        ours, theirs = (median(side) for side in zip(*rounds, strict=True))
        ratio = median(a / b for a, b in rounds)
        line = f"{name:11} leyden {ours:6.2f} ({1e3 / ours:4.0f}/s)  plain {theirs:6.2f}  ratio {ratio:.2f}"
        rounds = [with_lightning(lab, STEPS, plain_step(name)) for _ in range(ROUNDS)]
        line += f"   Lightning alone {median(a for a, _ in rounds):6.2f}  ratio {median(a / b for a, b in rounds):.2f}"
        try:
            rounds = [with_leyden(lab, STEPS, plain_step(name, by_tllib)) for _ in range(ROUNDS)]
            tllib = median(b for _, b in rounds)
            line += f"   tllib {tllib:6.2f} ({1e3 / tllib:4.0f}/s)  ratio {median(a / b for a, b in rounds):.2f}"
        except ImportError as error:
            line += f"   tllib is left out: {error}"
        try:
            skada = median(with_skada(name) for _ in range(ROUNDS))
            line += f"   skada {skada:6.2f} ({1e3 / skada:4.0f}/s)"
        except ImportError as error:
            line += f"   skada is left out: {error}; pip install skada skorch"
        print(line, flush=True)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONHASHSEED", "0")
    main()
