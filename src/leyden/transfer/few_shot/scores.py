"""How right a technique is over many episodes: mean accuracy, its confidence interval, the floor of pixels."""

import torch
from torch import Tensor, nn
from torchmetrics import MeanMetric, Metric

CONFIDENCE = 1.96
"""Standard errors to either side that hold 95 % of a normal distribution."""


def accuracy(logits: Tensor, labels: Tensor) -> Tensor:
    """() float32: the fraction of rows whose greatest logit is that of the label."""
    return (logits.argmax(1) == labels).float().mean()


class EpisodeScores(nn.Module):
    """Means over episodes, on all ranks together; each episode counts the same."""

    def __init__(self) -> None:
        super().__init__()
        self.accuracy, self.square, self.pixels = MeanMetric(), MeanMetric(), MeanMetric()

    def update(self, found: Tensor, pixels: Tensor) -> None:
        """Adds an episode: the accuracy () of the technique and that of plain pixels."""
        self.accuracy.update(found)
        self.square.update(found.square())
        self.pixels.update(pixels)

    def compute(self) -> dict[str, Tensor]:
        """``accuracy``, ``accuracy_ci95`` (half the width of its 95 % confidence interval) and ``accuracy_pixels``.

        Starts anew afterwards.
        """
        mean, square, count = self.accuracy.compute(), self.square.compute(), self.accuracy.weight
        interval = CONFIDENCE * ((square - mean**2).clamp(min=0) / count).sqrt()
        found = {"accuracy": mean, "accuracy_ci95": interval, "accuracy_pixels": self.pixels.compute()}
        for metric in (self.accuracy, self.square, self.pixels):
            metric.reset()
        return found

    @property
    def empty(self) -> bool:
        """Whether no episode was added on this rank."""
        return not torch.is_nonzero(self.accuracy.weight)


class MeanCurve(Metric):
    """The mean of a curve over episodes, on all ranks together.

    Args:
        points: of the curve.
    """

    total: Tensor
    count: Tensor

    def __init__(self, points: int) -> None:
        super().__init__()
        self.add_state("total", torch.zeros(points), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros(()), dist_reduce_fx="sum")

    def update(self, heights: Tensor) -> None:
        """Adds the curve (points,) of an episode."""
        self.total += heights
        self.count += 1

    def compute(self) -> Tensor:
        """(points,) mean heights; nan without an episode."""
        return self.total / self.count
