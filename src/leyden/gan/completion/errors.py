"""Mean squared errors of several methods on the same pixels, and the PSNR that they are."""

import math

from torch import Tensor
from torchmetrics import MeanMetric


class Errors:
    """Means of squared errors by name, over everything that was added since they were last taken, on all ranks.

    PSNR is taken of the mean over all pixels of the split: where it is that of each image, averaged, an image that
    happens to be exact would make it infinite.
    """

    def __init__(self) -> None:
        self.means: dict[str, MeanMetric] = {}

    def add(self, name: str, values: Tensor) -> None:
        """Adds values of any shape."""
        if name not in self.means:
            self.means[name] = MeanMetric().to(values.device)
        self.means[name].update(values.float())

    def take(self) -> dict[str, float]:
        """The mean of each, and begins anew."""
        found = {name: metric.compute().item() for name, metric in self.means.items()}
        self.means.clear()
        return found


def decibels(squared_error: float, peak: float) -> float:
    """Peak signal-to-noise ratio 10 log10(peak^2 / error); infinite where there is no error."""
    return 10 * math.log10(peak**2 / squared_error) if squared_error > 0 else math.inf
