"""Whether features collapse: how many directions the embeddings fill, and how far the loss is from knowing nothing."""

from collections.abc import Mapping, Sequence

import torch
from lightning import LightningModule
from torch import Tensor
from torch.nn import functional as F

from leyden.visualization.curve_panels import Panel, draw_curve_panels
from leyden.visualization.logging import log_image

COLLAPSED = 0.05
"""Spread below which embeddings are as good as equal."""


def effective_rank(embeddings: Tensor) -> Tensor:
    """exp of the entropy of the singular values: in how many directions embeddings differ (Garrido et al. 2023, eq. 1).

    Args:
        embeddings: (N, D), N at least 1, not centred.

    Returns:
        () float32, 1 where all embeddings have one direction, to min(N, D).
    """
    values = torch.linalg.svdvals(embeddings.float())
    shares = values / values.sum().clamp(min=1e-7)
    return torch.exp(-torch.special.xlogy(shares, shares).sum())


def spread(embeddings: Tensor) -> Tensor:
    """Standard deviation of directions, times sqrt(D) (Chen and He 2021, "Exploring Simple Siamese", sec. 4.1).

    Args:
        embeddings: (N, D), N at least 2.

    Returns:
        () float32: 0 where all embeddings have one direction, 1 where they are spread evenly over the sphere.
    """
    directions = F.normalize(embeddings.float())
    return directions.std(0, correction=0).mean() * embeddings.shape[1] ** 0.5


def log_monitor(task: LightningModule, history: Sequence[Mapping[str, float]]) -> None:
    """Draws loss, rank and spread over the validations.

    Args:
        task: behind its training.
        history: "step", "loss", "rank", "spread" of each validation, and "uninformed" where a technique has one: the
            loss of a network that knows nothing.
    """
    if not history:
        return
    steps = [float(each["step"]) for each in history]
    curves = {key: (steps, [each[key] for each in history]) for key in history[0] if key != "step"}
    losses = {"loss": curves["loss"]}
    if "uninformed" in curves:
        losses["of a network that knows nothing"] = curves["uninformed"]
    panels = [
        Panel("val loss", losses),
        Panel("directions that embeddings fill", {"effective rank": curves["rank"]}),
        Panel("0: collapsed, 1: even", {"spread": curves["spread"]}),
    ]
    log_image(task, "monitor", draw_curve_panels(panels, "step", "Validation images, without labels"))
