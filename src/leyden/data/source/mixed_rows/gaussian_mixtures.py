"""Mixtures of small Gaussians on a ring or a grid: tables on which lost modes can be counted."""

import math

import torch
from torch import Tensor

from leyden.core.seeding import mix
from leyden.data.source.mixed_rows.mixed_source import MixedSource
from leyden.data.specs import ColumnSpec

CLASSES = ("even", "odd")
NEAR = 3.0
"""Standard deviations from a mode within which a sample is of high quality (Srivastava et al. 2017)."""


class GaussianMixture(MixedSource):
    """Two columns, x and y, and perhaps the class of each row's Gaussian; all Gaussians have equal weight.

    Args:
        name: how log lines call it.
        centers: (M, 2) of the Gaussians.
        classes: (M,) of the Gaussians, 0 or 1.
        rows: of all splits together.
        std: of each Gaussian.
        labelled: whether a column "class" has the classes, "even" and "odd".
        positives: training rows of "odd" that are kept; null: all.
        seed: of the rows.

    Raises:
        ValueError: no rows, no spread, or classes are thinned that there are not.
    """

    def __init__(
        self, name: str, centers: Tensor, classes: Tensor, rows: int, std: float, labelled: bool,
        positives: int | None, seed: int,
    ) -> None:  # fmt: skip
        if rows < 10 * len(centers) or std <= 0:
            raise ValueError(
                f"data.source.rows={rows}, data.source.std={std}: give {10 * len(centers)} rows or more, and a spread "
                "above 0"
            )
        if positives is not None and not labelled:
            raise ValueError("data.source.positives thins a class: set data.source.labelled=true, or leave it out")
        self.name, self.centers, self.std = name, centers, std
        generator = torch.Generator().manual_seed(mix(seed, 1))
        mode = torch.arange(rows) % len(centers)
        points = centers[mode] + std * torch.randn(rows, 2, generator=generator, dtype=torch.float64)
        points = points.round(decimals=6)
        columns = [ColumnSpec(name=name, kind="continuous", categories=[], date_format="") for name in ("x", "y")]
        if labelled:
            columns.append(ColumnSpec(name="class", kind="category", categories=list(CLASSES), date_format=""))
            points = torch.cat([points, classes[mode].double().unsqueeze(1)], 1)
        self.set_table(columns, points, "class" if labelled else None, seed)
        if positives is not None:
            self.thin(1, positives, mix(seed, 2))

    def modes(self, points: Tensor) -> tuple[int, float]:
        """How many Gaussians have a sample of high quality among points (N, 2), and the share of such samples.

        A sample within three standard deviations of a centre is one; 98.9 % of real rows are. A Gaussian counts as
        found with a tenth of the samples that are its due, since one stray sample is no mode.
        """
        distance = torch.cdist(points.double(), self.centers)
        near, mode = distance.min(1)
        good = near <= NEAR * self.std
        found = mode[good].bincount(minlength=len(self.centers)) >= max(1.0, 0.1 * len(points) / len(self.centers))
        return int(found.sum()), good.double().mean().item()


class Rings(GaussianMixture):
    """Gaussians on a circle of radius 2, the classes in turn.

    Args:
        rows: of all splits together.
        modes: Gaussians.
        std: of each.
        labelled: whether there is a column "class".
        positives: training rows of the class "odd"; null: all.
        seed: of the rows.
    """

    def __init__(
        self, rows: int = 5000, modes: int = 8, std: float = 0.05, labelled: bool = True,
        positives: int | None = None, seed: int = 0,
    ) -> None:  # fmt: skip
        angle = torch.arange(modes, dtype=torch.float64) * (2 * math.pi / modes)
        centers = 2 * torch.stack([angle.cos(), angle.sin()], 1)
        super().__init__("rings", centers, torch.arange(modes) % 2, rows, std, labelled, positives, seed)


class Grid(GaussianMixture):
    """Gaussians at the crossings of a grid, two apart, the classes as the fields of a chessboard.

    Args:
        rows: of all splits together.
        side: Gaussians along a side.
        std: of each.
        labelled: whether there is a column "class".
        positives: training rows of the class "odd"; null: all.
        seed: of the rows.
    """

    def __init__(
        self, rows: int = 5000, side: int = 5, std: float = 0.05, labelled: bool = True,
        positives: int | None = None, seed: int = 0,
    ) -> None:  # fmt: skip
        places = torch.arange(side, dtype=torch.float64)
        centers = 2 * torch.cartesian_prod(places, places) - (side - 1)
        classes = torch.cartesian_prod(places, places).sum(1).long() % 2
        super().__init__("grid", centers, classes, rows, std, labelled, positives, seed)
