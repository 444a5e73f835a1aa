"""How good a generator of rows is: scores and charts at the ends of its epochs, and what classifiers learn from it."""

from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from lightning import LightningModule
from torch import Tensor

from leyden.core.attached import attached_data
from leyden.core.seeding import mix
from leyden.data.batches.gan.mixed_rows import MixedTable
from leyden.data.source.mixed_rows.gaussian_mixtures import GaussianMixture
from leyden.data.specs import NUMBERS
from leyden.gan.tabular.sampler import TableSampler
from leyden.gan.tabular.scores import (
    Features,
    column_distances,
    correlation_distance,
    correlations,
    detection_auc,
    neighbour_ratio,
)
from leyden.gan.tabular.utility import Labelled, average_precisions, floors, missing_rows
from leyden.visualization.generated.real_and_generated import ColumnPair, draw_clouds, draw_columns, draw_correlations
from leyden.visualization.logging import log_image

SHOWN = 12
"""Columns in the chart of columns."""
FEWEST = 6
"""Rows of each side with which a classifier can be asked to tell them apart."""


class TableEvaluation:
    """Evaluates generated rows against whole splits of the data: ``fit(model, datamodule=MixedTable(...))``.

    Where there are classes, rows are generated for those of the rows that they are compared with, so that the test of a
    thinned table compares like with like.

    Args:
        sampler: makes the rows.
        limit: at most so many are compared with as many real ones.
        tstr: train classifiers on generated rows and test them on real ones.
    """

    monitor = "val/distance"
    mode: Literal["min", "max"] = "min"
    main_image = "rows"

    def __init__(self, sampler: TableSampler, limit: int, tstr: bool) -> None:
        self.sampler, self.limit, self.tstr = sampler, limit, tstr

    def stepped(self, task: LightningModule) -> None:
        """Nothing: whole validations are looked at."""

    def batch(self, task: LightningModule, stage: Literal["val", "test"], batch: Any, number: int) -> None:
        """Nothing: whole splits are looked at in ``end``."""

    def end_training(self, task: LightningModule) -> None:
        """Nothing: what the losses of two networks say is in the curves."""

    def end(self, task: LightningModule, stage: Literal["val", "test"]) -> None:
        """Logs scores against the training split in validations, against the test split in the test, and charts."""
        if task.trainer.sanity_checking:
            return
        data = attached_data(task.trainer, MixedTable)
        if data is None:
            raise ValueError("scores need all rows: hand over MixedTable, trainer.fit(model, datamodule=data)")
        train = self._chosen(data.rows("train"))
        real = train if stage == "val" else self._chosen(data.rows("test"))
        generated = self.like(real)
        scores = self.distances(real, generated, Features(self.columns, train))
        if isinstance(data.source, GaussianMixture):
            modes, quality = data.source.modes(generated[:, :2])
            scores |= {"modes": float(modes), "high_quality": quality}
        if stage == "test":
            scores |= self.test(train, real, generated, data.source.name)
        # All ranks hold the same generator, draw the same noise and so find the same scores.
        task.log_dict({f"{stage}/{name}": value for name, value in scores.items()}, sync_dist=True)
        self._log_charts(task, real, generated, scores, stage)

    @cached_property
    def columns(self) -> list[Any]:
        """Of the table."""
        return self.sampler.encoding.columns

    def like(self, real: Tensor, seed: int = 0) -> Tensor:
        """Rows (M, C) of the classes of real ones (N, C), fewer where one does not come out; of any where none does."""
        generator = torch.Generator().manual_seed(mix(len(real), seed))
        if self.sampler.label is None:
            return self.sampler.rows(len(real), generator)
        rows, _ = self.sampler.rows_of(real[:, self.sampler.label].long(), generator)
        return rows if len(rows) >= FEWEST else self.sampler.rows(max(FEWEST, len(real)), generator)

    def distances(self, real: Tensor, generated: Tensor, features: Features) -> dict[str, float]:
        """``column_distance``: mean over columns; ``correlation_distance``; ``distance``: the mean of both."""
        columns = float(np.mean(list(column_distances(self.columns, real, generated).values())))
        pairs = correlation_distance(features(real), features(generated))
        return {"distance": (columns + pairs) / 2, "column_distance": columns, "correlation_distance": pairs}

    def test(self, train: Tensor, test: Tensor, generated: Tensor, name: str) -> dict[str, float]:
        """The scores that only the test has, those of training rows as ``..._floor`` beside them.

        ``detection_auc``: a forest tells generated from test rows, 0.5 is best; ``neighbour_ratio``: 1 like new rows,
        0 copies; ``samples``; with classes ``ap_<row>_<classifier>`` of ``leyden.gan.tabular.utility``.
        """
        features = Features(self.columns, train)
        own, points, made = features(train), features(test), features(generated)
        scores = {"neighbour_ratio": neighbour_ratio(own, points, made), "samples": float(len(generated))}
        if min(len(test), len(generated)) >= FEWEST:
            scores["detection_auc"] = detection_auc(points, made)
        label = self.sampler.label
        alike = train if label is None else _of_classes(train, test[:, label].long(), label)
        scores |= {f"{key}_floor": value for key, value in self.distances(test, alike, features).items()}
        if self.tstr and label is not None:
            scores |= self.utility(train, test, label)
        return scores

    def utility(self, train: Tensor, test: Tensor, label: int) -> dict[str, float]:
        """``ap_<row>_<classifier>`` for real rows, generated ones, both, and what needs no generator."""
        real = Labelled(train, train[:, label].long())
        tables = floors(self.columns, label, real)
        for name, beside in (("synthetic", False), ("real_and_synthetic", True)):
            wanted = missing_rows(real.labels, len(self.sampler.class_names), beside)
            rows, found = self.sampler.rows_of(wanted, torch.Generator().manual_seed(mix(len(wanted), 1)))
            made = Labelled(rows, wanted[found])
            tables[name] = Labelled(*map(torch.cat, zip(real, made, strict=True))) if beside else made
        return average_precisions(self.columns, label, tables, Labelled(test, test[:, label].long()))

    def _chosen(self, rows: Tensor) -> Tensor:
        return rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))[: self.limit]]

    def _log_charts(
        self, task: LightningModule, real: Tensor, generated: Tensor, scores: dict[str, float], stage: str
    ) -> None:
        step = f"step {task.global_step:,}"
        distances = column_distances(self.columns, real, generated)
        ranked = sorted(distances, key=lambda name: -distances[name])
        chosen = [ranked[place * len(ranked) // min(SHOWN, len(ranked))] for place in range(min(SHOWN, len(ranked)))]
        names = [column["name"] for column in self.columns]
        pairs = [self._pair(names.index(name), real, generated, distances[name]) for name in chosen]
        title = f"{step}: columns, the worst first, mean distance {scores['column_distance']:.3f}"
        log_image(task, "columns", draw_columns(pairs, title))
        features = Features(self.columns, real)
        points, made = features(real), features(generated)
        if points.shape[1] > 1:
            panels = {"real": correlations(points), "generated": correlations(made)}
            title = f"{step}: correlations, mean difference {scores['correlation_distance']:.3f}"
            log_image(task, "correlations", draw_correlations(panels, features.names, title))
            log_image(task, "rows", self._clouds(real, generated, points, made, step))

    def _clouds(self, real: Tensor, generated: Tensor, points: Tensor, made: Tensor, step: str) -> Tensor:
        """Rows on the plane of their two numbers, or of the first two principal components of the real ones."""
        numbers = [n for n, column in enumerate(self.columns) if column["kind"] in NUMBERS]
        if len(numbers) == 2:
            places, axes = [rows[:, numbers] for rows in (real, generated)], [self.columns[n]["name"] for n in numbers]
        else:
            mean = points.mean(0)
            plane = torch.linalg.svd(points - mean, full_matrices=False).Vh[:2].T
            places, axes = [(side - mean) @ plane for side in (points, made)], ["first principal component", "second"]
        label, panels = self.sampler.label, {}
        for name, rows, cloud in zip(("real", "generated"), (real, generated), places, strict=True):
            known = ~cloud.isnan().any(1)
            classes = torch.zeros(len(rows)) if label is None else rows[:, label]
            panels[name] = (cloud[known], classes[known].long())
        return draw_clouds(panels, self.sampler.class_names, (axes[0], axes[1]), f"{step}: rows")

    def _pair(self, number: int, real: Tensor, generated: Tensor, distance: float) -> ColumnPair:
        column = self.columns[number]
        sides = [rows[:, number].numpy() for rows in (real, generated)]
        if column["kind"] not in NUMBERS:
            words = np.array(column["categories"])
            sides = [words[side.astype(int)] for side in sides]
        return ColumnPair(column["name"], sides[0], sides[1], distance)


def _of_classes(rows: Tensor, classes: Tensor, label: int) -> Tensor:
    """Rows drawn, again and again, for as many of each class as asked, of those classes that there are."""
    parts = []
    for place in classes.unique():
        own = rows[rows[:, label] == place]
        if len(own):
            parts.append(own[torch.arange(int((classes == place).sum())) % len(own)])
    return torch.cat(parts) if parts else rows
