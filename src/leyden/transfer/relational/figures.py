"""What is drawn of a completed table: holes, means, estimate and original, as images or as heat maps; the path."""

from math import log10
from typing import Any, Protocol

import torch
from matplotlib import colormaps
from torch import Tensor

from leyden.data.columns import IncompleteRows
from leyden.visualization.curve_panels import Panel, draw_curve_panels
from leyden.visualization.grid import grid, side_by_side, upscale

SHOWN = 12
"""Images of a sheet's column."""
MOST_ROWS, MOST_COLUMNS = 40, 48
"""Of a table that is drawn."""
HOLE = (255, 176, 0)
"""Colour of a hole in an image, which no grey is."""
GREY = (170, 170, 170)
"""Of a hole in a heat map."""
SPAN = 2.5
"""Deviations at which the colours of a heat map end."""


class Completes(Protocol):
    """What is asked of the task."""

    channels: int | None
    image_size: int | None
    feature_names: list[str]
    column_means: Tensor

    def in_units(self, rows: Tensor) -> Tensor:
        """Features in the table's units."""
        ...


class Examples:
    """Rows of a test with their estimates; of many the first of the fit and the first new ones.

    Args:
        batch: as it was tested.
        found: (B, D) or (B, D + T) estimates in the model's units.
    """

    def __init__(self, batch: IncompleteRows, found: Tensor) -> None:
        old, new = ((batch.places >= 0) == wanted for wanted in (True, False))
        keep = torch.cat([mask.nonzero().flatten()[:MOST_ROWS] for mask in (old, new)])[:MOST_ROWS]
        self.batch = IncompleteRows(*(column[keep] for column in batch))
        self.found = found[keep]


def completed(task: Completes, examples: Examples) -> dict[str, Tensor]:
    """The holes, the columns' means in them, the estimates in them, and the original, side by side."""
    width = len(task.feature_names)
    seen = examples.batch.incomplete_rows[:, :width].double()
    held = examples.batch.targets[:, :width].double()
    truth = seen.where(~seen.isnan(), held)
    panels = {
        "with holes": seen,
        "means": seen.where(~seen.isnan(), task.column_means),
        "completed": seen.where(~seen.isnan(), task.in_units(examples.found)),
        "original": truth,
    }
    if task.channels is not None and task.image_size is not None:
        shown = {title: upscale(grid(_images(task, rows[:SHOWN]), 3), 360) for title, rows in panels.items()}
        return {"completed": side_by_side(shown)}
    spread = truth.nan_to_num().std(0, correction=0).clamp(min=1e-9)
    centre = truth.nanmean(0).nan_to_num()
    heat = {title: upscale(heat_map((rows - centre) / spread), 320) for title, rows in panels.items()}
    return {"completed": side_by_side(heat)}


def _images(task: Completes, rows: Tensor) -> Tensor:
    """Pixels (N, C S S) in [0, 1], NaN in the holes, as images (N, 3, S, S)."""
    assert task.channels is not None
    assert task.image_size is not None
    shape = (len(rows), task.channels, task.image_size, task.image_size)
    holes = rows.isnan().view(shape).all(1, keepdim=True).cpu()
    images = (rows.nan_to_num().clamp(0, 1) * 255).round().byte().view(shape).expand(-1, 3, -1, -1).cpu()
    return torch.where(holes, torch.tensor(HOLE, dtype=torch.uint8)[:, None, None], images)


def before_and_after(task: Completes, row: Tensor, filled: Tensor) -> Tensor:
    """An image with its holes beside the same one without, (3, H, W)."""
    pair = _images(task, torch.stack([row, filled]))
    return upscale(grid(pair, 2), 96)


def heat_map(values: Tensor) -> Tensor:
    """Standardised cells (N, D) as colours, blue below and red above 0, grey in the holes: (3, rows, columns)."""
    values = values[:MOST_ROWS, :MOST_COLUMNS].cpu()
    colours = colormaps["RdBu_r"](((values.nan_to_num() / SPAN + 1) / 2).clamp(0, 1).numpy(), bytes=True)
    image = torch.from_numpy(colours[..., :3].copy()).permute(2, 0, 1)
    return torch.where(values.isnan(), torch.tensor(GREY, dtype=torch.uint8)[:, None, None], image)


def path_chart(steps: list[Any], chosen: tuple[float, float], floor: float) -> Tensor:
    """Errors on held-out cells and ranks over lambda, a curve for each greatest rank.

    Args:
        steps: of (lambda as a share of the greatest singular value, greatest rank or 0, rank, error).
        chosen: lambda and error of the best.
        floor: error of the columns' means.
    """
    errors: dict[str, tuple[list[float], list[float]]] = {}
    ranks: dict[str, tuple[list[float], list[float]]] = {}
    for penalty, cap, rank, error in steps:
        name = f"rank up to {cap:.0f}" if cap else "any rank"
        for curves, height in ((errors, error), (ranks, rank)):
            xs, ys = curves.setdefault(name, ([], []))
            xs.append(log10(penalty))
            ys.append(height)
    ends = [log10(end(step[0] for step in steps)) for end in (min, max)]
    errors["means"] = (ends, [floor, floor])
    stars = {"chosen": (log10(chosen[0]), chosen[1])}
    panels = [Panel("RMSE on held-out cells", errors, stars), Panel("rank", ranks)]
    return draw_curve_panels(panels, "log10 of lambda / greatest singular value", "The path of Soft-Impute")
