"""Variants of one lab on equal terms: a row of several metrics for each, and a picture of each side by side."""

import re
from pathlib import Path
from typing import Literal

from PIL import Image
from torch import Tensor
from torchvision.transforms.v2.functional import pil_to_tensor

from leyden.report.rows import Axis, Cell, Run, axis, best, sort_into_cells
from leyden.report.text import csv_table, digits_for, footing, heading, markdown_table, plus_minus, short
from leyden.visualization.labelled import draw_sheet

SIDE = 320
"""Pixels that the longer side of a variant's picture is fitted to."""


class Comparison:
    """``report.md`` and ``report.csv`` with a row per variant, ``report.png`` with what each looks like.

    Args:
        key: dotted config key that tells the variants apart, such as ``model.loss``.
        metrics: metric -> whether "max" or "min" of it is best, or "none"; mean and standard deviation over the seeds.
        image: tag of the image to show, such as ``samples``; each variant's last one, of its first seed.
        columns: pictures in a row.
    """

    def __init__(
        self,
        key: str,
        metrics: dict[str, Literal["max", "min", "none"]],
        image: str | None = None,
        columns: int = 4,
    ) -> None:
        self.key, self.metrics, self.image, self.columns = key, metrics, image, columns

    def __call__(self, runs: list[Run]) -> dict[str, str | Tensor]:
        """The report's files by name; no picture where no run left one.

        Raises:
            ValueError: there are runs, and none has the key, or they were judged by different numbers of samples.
        """
        variants = axis(runs, self.key)
        cells = {metric: sort_into_cells(runs, [variants], metric) for metric in self.metrics}
        first = next(iter(self.metrics))
        parts = [heading(runs), self._table(variants, cells), footing(runs, [variants], cells[first], first)]
        files: dict[str, str | Tensor] = {"report.csv": self._csv(variants, cells)}
        if pictures := self._pictures(variants, runs):
            parts.append(f"![{self.image}](report.png)")
            files["report.png"] = draw_sheet([*pictures.values()], [*pictures], "", self.columns, SIDE)
        return {"report.md": "\n\n".join(parts) + "\n", **files}

    def _table(self, variants: Axis, cells: dict[str, dict[tuple[str, ...], Cell]]) -> str:
        """Markdown with the best means of each column in bold, if they are not all the same."""
        columns = []
        for metric, mode in self.metrics.items():
            column = {name: cells[metric][(name,)] for name in variants.names}
            digits = digits_for(column.values())
            texts = {name: plus_minus(cell, digits) for name, cell in column.items()}
            ranks = best(column, mode)
            if mode != "none" and ranks and column[ranks[0]].mean != column[ranks[-1]].mean:
                for name in ranks:
                    if column[name].mean == column[ranks[0]].mean:
                        texts[name] = f"**{texts[name]}**"
            columns.append(list(texts.values()))
        lines = [list(line) for line in zip(variants.names, *columns, strict=True)]
        return markdown_table([short(self.key), *(metric.removeprefix("test/") for metric in self.metrics)], lines)

    def _csv(self, variants: Axis, cells: dict[str, dict[tuple[str, ...], Cell]]) -> str:
        header = [self.key, "metric", "mean", "sd", "runs", "planned"]
        lines = []
        for name in variants.names:
            for metric in self.metrics:
                cell = cells[metric][(name,)]
                lines.append([name, metric, cell.mean, cell.sd, len(cell.scores), cell.planned])
        return csv_table(header, lines)

    def _pictures(self, variants: Axis, runs: list[Run]) -> dict[str, Tensor]:
        """Each variant's picture by its name; of those with one."""
        found: dict[str, Tensor] = {}
        for run in sorted(runs, key=lambda run: str(run["config"].get("seed"))):
            name = variants.place(run)
            if name not in found and (file := last_image(run["folder"], self.image)) is not None:
                with Image.open(file) as image:
                    found[name] = pil_to_tensor(image.convert("RGB"))
        return {name: found[name] for name in variants.names if name in found}


def last_image(folder: Path, tag: str | None) -> Path | None:
    """The newest ``images/<tag>_<step>.png`` of a record; None where there is none."""
    files = (folder / "images").glob(f"{tag}_*.png") if tag else ()
    return max((file for file in files if re.fullmatch(rf"{tag}_\d+", file.stem)), default=None)
