"""The task of filling a table with holes: standardising, what is held out, errors, images, prediction."""

import csv
import io
from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torchmetrics.aggregation import SumMetric

from leyden.core.estimator import EstimatorTask, register_estimates
from leyden.core.seeding import mix
from leyden.core.technique import NO_OPTIONS, Predictions, PredictOptions
from leyden.data.columns import IncompleteRows
from leyden.data.splits import InMemory
from leyden.transfer.relational import figures
from leyden.visualization.logging import log_image

Standardise = Literal["none", "mean", "deviation"]
GROUPS = ("fitted", "new")
NAMED = 6
"""Filled cells that a prediction names."""


class CompletionTask(EstimatorTask):
    """Base: a child fits all rows at once (``fit``), and fills rows that it has not seen (``fill``).

    Errors are those of the features that were held out, in units of the table, or of each column's deviation where
    ``standardise`` is "deviation": ``test/rmse``; ``test/mean_rmse``, the floor, of the columns' means; their ratio;
    and ``test/relative_error``, squared errors by squared values (Goldberg et al. 2010), of the features as they are.
    ``test/new_rmse`` and ``test/new_mean_rmse`` are those of rows that the fit has not seen.

    Args:
        feature_names: of the columns of features; given by the data.
        label_names: of the columns of labels behind them; given by the data.
        channels: of images; given by the data, None for other tables.
        image_size: their side; given by the data.
        standardise: "mean", "deviation" or "none".

    Raises:
        ValueError: another word for ``standardise``.
    """

    monitor: str = "val/rmse"
    mode: Literal["min", "max"] = "min"
    main_image: str = "completed"
    input_type: str = "incomplete_rows"
    column_means: Tensor
    offset: Tensor
    scale: Tensor
    fitted_rows: Tensor

    def __init__(
        self,
        feature_names: list[str],
        label_names: list[str] | None,
        channels: int | None,
        image_size: int | None,
        standardise: Standardise,
    ) -> None:
        super().__init__()
        if standardise not in get_args(Standardise):
            raise ValueError(f"model.standardise={standardise!r}: there are {', '.join(get_args(Standardise))}")
        self.feature_names, self.label_names = feature_names, list(label_names or [])
        self.channels, self.image_size, self.standardise = channels, image_size, standardise
        register_estimates(self, "column_means", "offset", "scale", "fitted_rows")
        names = [f"{group}_{sum_}" for group in GROUPS for sum_ in ("squared", "floor", "plain", "energy", "count")]
        self.sums = nn.ModuleDict({name: SumMetric() for name in names})
        self.examples: figures.Examples | None = None

    def fit(self, rows: Tensor, seed: int) -> dict[str, float]:
        """Completes all rows; sets ``fitted_rows`` and what ``fill`` needs.

        Args:
            rows: (N, D + T) float64, standardised features, then labels of -1 and 1; NaN in the holes.
            seed: of what is held out.

        Returns:
            Figures to be logged.
        """
        raise NotImplementedError

    def fill(self, rows: Tensor) -> Tensor:
        """Standardised rows (B, D + T) that were not in the fit, completed: (B, D), or with the labels' scores."""
        raise NotImplementedError

    def draw(self) -> dict[str, Tensor]:
        """Further images by tag, of the fit."""
        return {}

    def estimate(self, data: Any) -> dict[str, float]:
        """Fits to the training rows.

        Raises:
            ValueError: data of another kind.
        """
        split = data.split("train")
        if not isinstance(split, InMemory) or not isinstance(split.columns, IncompleteRows):
            raise ValueError(f"{type(self).__name__} completes data=transfer/incomplete_table")
        rows = split.columns.incomplete_rows.to(self.device).double()
        features = rows[:, : len(self.feature_names)]
        count = (~features.isnan()).sum(0).clamp(min=1)
        self.column_means = features.nansum(0) / count
        deviation = ((features - self.column_means).square().nansum(0) / count).sqrt()
        self.scale = torch.where(deviation > 1e-9, deviation, torch.ones_like(deviation))
        if self.standardise != "deviation":
            self.scale = torch.ones_like(self.scale)
        self.offset = self.column_means * (self.standardise != "none")
        return self.fit(self.standardised(rows), mix(data.seed, 11))

    def standardised(self, rows: Tensor) -> Tensor:
        """Rows (B, D + T) in the model's units; labels stay as they are."""
        width = len(self.feature_names)
        return torch.cat([(rows[:, :width].double() - self.offset) / self.scale, rows[:, width:].double()], 1)

    def in_units(self, rows: Tensor) -> Tensor:
        """Features (B, D) in the table's units."""
        return rows[:, : len(self.feature_names)] * self.scale + self.offset

    def forward(self, rows: Tensor, places: Tensor | None = None) -> Tensor:
        """Estimates of every cell, in the model's units.

        Args:
            rows: (B, D + T) in the table's units, NaN in the holes.
            places: (B,) numbers of the rows in the fit, -1 of new ones; None: all are new.

        Returns:
            (B, D) or, with labels' scores, (B, D + T) float64.
        """
        self.check_fitted()
        found = self.fill(self.standardised(rows))
        if places is not None and len(self.fitted_rows):
            old = places >= 0
            found[old] = self.fitted_rows[places[old]].double()[:, : found.shape[1]]
        return found

    def on_test_epoch_start(self) -> None:
        """Begins to collect."""
        self.examples = None

    def test_step(self, batch: IncompleteRows, batch_index: int) -> None:
        """Adds the errors of a batch on what was held out."""
        width = len(self.feature_names)
        found = self(batch.incomplete_rows, batch.places)
        wanted = self.standardised(batch.targets)[:, :width]
        tested, old = ~wanted.isnan(), (batch.places >= 0)[:, None]
        zero = torch.zeros_like(wanted)
        # Where nothing is standardised the floor is still the columns' means, not 0.
        floor = ((self.column_means - self.offset) / self.scale - wanted).square()
        squared = (found[:, :width] - wanted).square()
        plain, energy = squared * self.scale.square(), batch.targets[:, :width].double().square()
        for group, of_group in (("fitted", tested & old), ("new", tested & ~old)):
            sums = {
                "squared": squared,
                "floor": floor,
                "plain": plain,
                "energy": energy,
                "count": torch.ones_like(zero),
            }
            for name, values in sums.items():
                self.sums[f"{group}_{name}"].update(values[of_group].sum())  # type: ignore[operator]  # a metric
        if self.examples is None:
            self.examples = figures.Examples(batch, found)

    def validation_step(self, batch: Any, batch_index: int) -> None:
        """Nothing: what validates are cells that the fit held out."""

    def on_test_epoch_end(self) -> None:
        """Logs the errors, and draws holes, means, estimate and original."""
        found = {name: float(metric.compute()) for name, metric in self.sums.items()}  # type: ignore[operator]
        for metric in self.sums.values():
            metric.reset()  # type: ignore[operator]
        for group, prefix in (("fitted", "test/"), ("new", "test/new_")):
            if not (count := found[f"{group}_count"]):
                continue
            rmse, floor = ((found[f"{group}_{name}"] / count) ** 0.5 for name in ("squared", "floor"))
            self.log_dict({f"{prefix}rmse": rmse, f"{prefix}mean_rmse": floor})
            if floor > 0:
                self.log(f"{prefix}rmse_ratio", rmse / floor)
            if (energy := found[f"{group}_energy"]) > 0:
                self.log(f"{prefix}relative_error", found[f"{group}_plain"] / energy)
        if self.examples is not None and self.trainer.is_global_zero:
            for tag, image in (figures.completed(self, self.examples) | self.draw()).items():
                log_image(self, tag, image)

    @torch.no_grad()
    def predict(self, inputs: Sequence[Tensor], options: PredictOptions = NO_OPTIONS) -> Predictions:
        """Each row with its holes filled, by what the fit found; a row of the fit is taken as a new one.

        Args:
            inputs: (D,) features, or (D + T,) with labels of -1 and 1 behind them; NaN where nothing is known.
            options: none has a meaning here.

        Raises:
            ValueError: a threshold is given, or a row has another width or other labels.
        """
        options.only(self)
        width, whole = len(self.feature_names), len(self.feature_names) + len(self.label_names)
        for place, row in enumerate(inputs):
            if row.shape not in ((width,), (whole,)):
                labels = f", and {whole - width} labels behind them or none" if self.label_names else ""
                raise ValueError(
                    f"input {place} has {row.numel()} columns; the table of the fit had {width} features{labels}: "
                    f"{', '.join(self.feature_names[:5])}{', ...' if width > 5 else ''}"
                )
            if not (row[width:].isnan() | (row[width:].abs() == 1)).all():
                raise ValueError(f"input {place}: known labels are -1 or 1, and unknown ones empty")
        if not inputs:
            return Predictions([], [])
        rows = torch.full((len(inputs), whole), float("nan"), dtype=torch.float64, device=self.device)
        for place, row in enumerate(inputs):
            rows[place, : len(row)] = row.to(rows)
        found = self(rows)
        estimates = self.in_units(found)
        filled = torch.where(rows[:, :width].isnan(), estimates, rows[:, :width])
        told = [self._row(*parts) for parts in zip(rows, filled, found, strict=True)]
        images = []
        if self.channels is not None and self.image_size is not None:
            images = [figures.before_and_after(self, *pair) for pair in zip(rows[:, :width], filled, strict=True)]
        return Predictions(told, images)

    def _row(self, row: Tensor, filled: Tensor, scores: Tensor) -> dict[str, Any]:
        """What was filled, in words and as a whole."""
        width = len(self.feature_names)
        values = {name: round(float(value), 6) for name, value in zip(self.feature_names, filled, strict=True)}
        holes = [name for name, empty in zip(self.feature_names, row[:width].isnan().tolist(), strict=True) if empty]
        parts = [f"{name} {values[name]:.4g}" for name in holes[:NAMED]]
        told: dict[str, Any] = {
            "holes": len(holes),
            "filled": "; ".join(parts) + ("; ..." if len(holes) > NAMED else ""),
        }
        if row.isnan().all():
            told["note"] = "nothing is known of this row"
        if self.label_names and len(scores) > width:
            told["probabilities"] = dict(zip(self.label_names, scores[width:].sigmoid().tolist(), strict=True))
        return told | {"completed": values}

    def prediction_files(self, rows: Sequence[dict[str, Any]]) -> dict[str, str]:
        """``completed.csv``: the whole rows, holes filled, under the names of the columns."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["path", *self.feature_names])
        writer.writerows([row["path"], *row["completed"].values()] for row in rows)
        return {"completed.csv": text.getvalue()}


def held_out(values: Tensor, share: float, seed: int) -> tuple[Tensor, Tensor]:
    """Known cells (N, D) without that share of them, and that share alone; NaN elsewhere."""
    known = (~values.isnan()).flatten().nonzero().flatten()
    generator = torch.Generator().manual_seed(seed)
    chosen = known[
        torch.randperm(len(known), generator=generator)[: max(1, round(share * len(known)))].to(known.device)
    ]
    flat = values.flatten()
    seen, held = flat.clone(), torch.full_like(flat, float("nan"))
    held[chosen], seen[chosen] = flat[chosen], float("nan")
    return seen.view(values.shape), held.view(values.shape)
