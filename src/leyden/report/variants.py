"""Variants of one lab on equal terms: a row of several metrics for each, and an image of each side by side."""

from typing import Literal

import pandas as pd
from PIL import Image
from torch import Tensor

from leyden.data.source.files.pillow import pil_to_tensor
from leyden.report.record_images import last_image
from leyden.report.runs import Axis, Run, axis, check_samples
from leyden.report.statistics import score_table, summarize, texts
from leyden.report.text import csv_table, footnotes, heading, markdown_table, short
from leyden.visualization.labelled import draw_sheet

CAPTIONED = 2
"""Metrics below a variant's image."""
SIDE = 320
"""Pixels that the longer side of a variant's image is fitted to."""


class VariantTable:
    """``report.md`` and ``report.csv`` with a row per variant, ``report.png`` with an image of each.

    Args:
        key: dotted config key that tells the variants apart, such as ``model.loss``.
        metrics: metric -> whether "max" or "min" of it is best, or "none"; mean and standard deviation over the seeds.
        image: tag of the image to show, such as ``samples``; each variant's last one, of its first seed.
        columns: images in a row.
    """

    def __init__(
        self, key: str, metrics: dict[str, Literal["max", "min", "none"]], image: str | None = None, columns: int = 4
    ) -> None:
        self.key, self.metrics, self.image, self.columns = key, metrics, image, columns

    def __call__(self, runs: list[Run]) -> dict[str, str | Tensor]:
        """The report's files by name; no image where no run left one.

        Raises:
            ValueError: there are runs, and none has the key, or they were evaluated on different numbers of samples.
        """
        check_samples(runs)
        variants = axis(runs, self.key)
        found = {metric: summarize(score_table(runs, [variants], metric), [variants.names]) for metric in self.metrics}
        first = next(iter(self.metrics))
        parts = [heading(runs), self._table(variants, found), footnotes(runs, [variants], found[first], first)]
        rows = pd.concat(found, names=["metric"])[["mean", "sd", "runs", "planned"]].swaplevel().loc[variants.names]
        lines = rows.reset_index().itertuples(index=False, name=None)
        files: dict[str, str | Tensor] = {"report.csv": csv_table([self.key, "metric", *rows.columns], lines)}
        if images := self._images(variants, runs):
            parts.append(f"![{self.image}](report.png)")
            captions = [self._caption(name, found) for name in images]
            files["report.png"] = draw_sheet([*images.values()], captions, "", self.columns, SIDE)
        return {"report.md": "\n\n".join(parts) + "\n", **files}

    def _table(self, variants: Axis, found: dict[str, pd.DataFrame]) -> str:
        """Markdown with the best means of each column in bold, if they are not all the same."""
        columns = []
        for metric, mode in self.metrics.items():
            cells, means = texts(found[metric]), found[metric]["mean"]
            if mode != "none" and means.nunique() > 1:
                cells = cells.mask(means == means.agg(mode), "**" + cells + "**")
            columns.append(cells)
        lines = [list(line) for line in zip(variants.names, *columns, strict=True)]
        return markdown_table([short(self.key), *(metric.removeprefix("test/") for metric in self.metrics)], lines)

    def _caption(self, name: str, found: dict[str, pd.DataFrame]) -> str:
        """A variant's name, and below it what it reached by the first ``CAPTIONED`` metrics."""
        scores = [f"{m.removeprefix('test/')} {texts(found[m])[(name,)]}" for m in [*self.metrics][:CAPTIONED]]
        return "\n".join([name, *scores])

    def _images(self, variants: Axis, runs: list[Run]) -> dict[str, Tensor]:
        """Each variant's image by its name; of those with one."""
        found: dict[str, Tensor] = {}
        for run in sorted(runs, key=lambda run: str(run["config"].get("seed"))):
            name = variants.name_in(run)
            if name not in found and (file := last_image(run["folder"], self.image)) is not None:
                with Image.open(file) as image:
                    found[name] = pil_to_tensor(image.convert("RGB"))
        return {name: found[name] for name in variants.names if name in found}
