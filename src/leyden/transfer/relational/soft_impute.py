"""Soft-Impute: a table of low rank behind a table with holes, found by filling in and shrinking in turn.

Mazumder, Hastie and Tibshirani 2010, "Spectral Regularization Algorithms for Learning Large Incomplete Matrices".
With P_O(X) the known cells of X and 0 elsewhere, and ||Z||_* the sum of the singular values,

    min_Z  ||P_O(X - Z)||_F^2 / 2 + lambda ||Z||_*                                      (eq. 8)

is solved by  Z <- S_lambda(P_O(X) + P_O^c(Z))  (Algorithm 1): the holes are filled with the estimate, and the singular
values of what results are shrunk by lambda. No step raises the objective. From lambda = the greatest singular value of
P_O(X), where Z = 0, lambda falls, each solution being the start of the next (warm starts).

Columns are centred, or standardised, by their known cells, so that Z = 0 is the mean imputation that is the floor.
Part of the known cells is held out, lambda and a greatest rank are those that fill it best, and the fit is repeated
with all known cells.

Rows that were not in the fit are projected on the row space that it found, by ridge regression on their known cells
(``complete_rows``); so are those of ``leyden predict``.

Departures: the greatest rank is chosen, too, as in the authors' package softImpute (``rank.max``); the matrices are
dense, of some 10,000 rows by 1,000 columns at most, for which the paper's sparse plus low-rank trick does not pay.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from leyden.core.estimator import register_estimates
from leyden.transfer.relational.completion import CompletionTask, Standardise, held_out
from leyden.transfer.relational.figures import path_chart
from leyden.transfer.relational.shrinkage import Shrunk, complete_rows, shrink

PATIENCE = 3
"""Values of lambda that fill held-out cells worse than an earlier one, after which a path ends."""


class Solution(NamedTuple):
    """Z for one lambda."""

    shrunk: Shrunk
    objectives: list[float]
    """After each iteration."""


def soft_impute(
    values: Tensor,
    penalty: float,
    start: Tensor | None = None,
    rank: int | None = None,
    iterations: int = 200,
    tolerance: float = 1e-5,
) -> Solution:
    """Z for one lambda (Algorithm 1, steps 2a to 2b).

    Args:
        values: X (N, D) float64, NaN in the holes.
        penalty: lambda, 0 or more.
        start: (N, D) of an earlier lambda; None: 0.
        rank: the greatest of Z; None: any.
        iterations: at most.
        tolerance: the end, where ||Z_new - Z||_F^2 / ||Z||_F^2 is below it.
    """
    known, filled = ~values.isnan(), values.nan_to_num()
    z = torch.zeros_like(filled) if start is None else start
    objectives: list[float] = []
    shrunk = Shrunk(z, z.new_zeros(z.shape[1], 0), z.new_zeros(0))
    for _ in range(iterations):
        shrunk = shrink(torch.where(known, filled, z), penalty, rank)
        error = (filled - shrunk.matrix)[known].square().sum() / 2
        objectives.append(float(error + penalty * shrunk.norm))
        change = (shrunk.matrix - z).square().sum() / z.square().sum().clamp(min=1e-12)
        z = shrunk.matrix
        if float(change) < tolerance or len(shrunk.values) == 0:
            break
    return Solution(shrunk, objectives)


class Step(NamedTuple):
    """What a path found at one lambda."""

    penalty: float
    cap: int | None
    rank: int
    rmse: float
    """On the held-out cells."""


def best_on_path(
    values: Tensor, held: Tensor, penalties: list[float], caps: list[int | None], iterations: int, tolerance: float
) -> tuple[list[Step], Step, Tensor]:
    """Falling lambda with warm starts, for each greatest rank: what fills the held-out cells best.

    Args:
        values: (N, D) float64, NaN in the holes and in what is held out.
        held: (N, D), the held-out cells, NaN elsewhere.
        penalties: descending.
        caps: greatest ranks.
        iterations: per lambda.
        tolerance: as of ``soft_impute``.

    Returns:
        All steps, the best, and its Z (N, D).
    """
    tested, wanted = ~held.isnan(), held.nan_to_num()
    steps: list[Step] = []
    best, found = None, values
    for cap in caps:
        z, least, worse = None, float("inf"), 0
        for penalty in penalties:
            shrunk = soft_impute(values, penalty, z, cap, iterations, tolerance).shrunk
            z = shrunk.matrix
            error = float((z - wanted)[tested].square().mean().sqrt())
            steps.append(Step(penalty, cap, len(shrunk.values), error))
            if best is None or error < best.rmse:
                best, found = steps[-1], z
            worse = 0 if error < least else worse + 1
            least = min(least, error)
            if worse == PATIENCE:
                break
    assert best is not None
    return steps, best, found


class SoftImpute(CompletionTask):
    """Fills the holes of a table of features; labels are not looked at.

    Args:
        feature_names: given by the data.
        label_names: given by the data.
        channels: of images; given by the data, None for other tables.
        image_size: side of images; given by the data.
        standardise: "mean": of each column's known cells is subtracted; "deviation": columns are divided by theirs as
            well, as they must where units differ; "none".
        penalty: lambda, in units of the greatest singular value of the known cells; None: chosen on held-out cells.
        max_rank: the greatest rank; None: chosen among 1, 2, 3, 4, 6, 8, 12, ... and any.
        path: how many values of lambda are tried, from 1 (Z = 0) down.
        least: the last of them, in the same unit as ``penalty``.
        holdout: share of the known cells on which lambda and rank are chosen.
        iterations: per lambda, at most.
        tolerance: relative squared change of Z that ends a lambda.

    Raises:
        ValueError: a number out of its range.
    """

    def __init__(
        self,
        feature_names: list[str],
        label_names: list[str] | None = None,
        channels: int | None = None,
        image_size: int | None = None,
        standardise: Standardise = "deviation",
        penalty: float | None = None,
        max_rank: int | None = None,
        path: int = 15,
        least: float = 0.003,
        holdout: float = 0.1,
        iterations: int = 200,
        tolerance: float = 1e-5,
    ) -> None:
        super().__init__(feature_names, label_names, channels, image_size, standardise)
        self.save_hyperparameters(logger=False)
        if not 0 < holdout < 1:
            raise ValueError(f"model.holdout={holdout}: a share of the known cells, above 0 and below 1")
        if not 0 < least < 1 or path < 2 or iterations < 1:
            raise ValueError(
                f"model.least={least}, path={path}, iterations={iterations}: above 0 and below 1, 2 or more, 1 or more"
            )
        if (penalty is not None and penalty < 0) or (max_rank is not None and max_rank < 1):
            raise ValueError(f"model.penalty={penalty}, max_rank={max_rank}: 0 or more, and 1 or more, or null")
        self.penalty, self.max_rank, self.path, self.least = penalty, max_rank, path, least
        self.holdout, self.iterations, self.tolerance = holdout, iterations, tolerance
        self.steps: Tensor
        self.basis: Tensor
        self.shrinkage: Tensor
        self.floor: Tensor
        register_estimates(self, "steps", "basis", "shrinkage", "floor")

    def fit(self, rows: Tensor, seed: int) -> dict[str, float]:
        """Chooses lambda and rank on held-out cells, then fits to all known ones."""
        values = rows[:, : len(self.feature_names)]
        seen, held = held_out(values, self.holdout, seed)
        top = float(torch.linalg.matrix_norm(seen.nan_to_num(), 2))
        shares = [self.least ** (i / (self.path - 1)) for i in range(self.path)]
        penalties = [top * share for share in (shares if self.penalty is None else [self.penalty])]
        steps, best, z = best_on_path(seen, held, penalties, self.caps(values), self.iterations, self.tolerance)
        # All known cells: lambda grows with their greatest singular value.
        penalty = best.penalty / top * float(torch.linalg.matrix_norm(values.nan_to_num(), 2)) if top else 0.0
        final = soft_impute(values, penalty, z, best.cap, 10 * self.iterations, self.tolerance / 1e4)
        self.steps = torch.tensor(
            [[max(s.penalty / max(top, 1e-12), 1e-12), s.cap or 0, s.rank, s.rmse] for s in steps]
        )
        self.basis, self.shrinkage = final.shrunk.basis, torch.tensor(penalty, dtype=values.dtype)
        self.fitted_rows = final.shrunk.matrix.float()
        self.floor = held[~held.isnan()].square().mean().sqrt()
        return {
            "val/rmse": best.rmse,
            "val/mean_rmse": float(self.floor),
            "train/rank": float(len(final.shrunk.values)),
            "train/lambda": penalty,
            "train/iterations": float(len(final.objectives)),
        }

    def caps(self, values: Tensor) -> list[int | None]:
        """Greatest ranks that are tried: that of the options, or 1, 2, 3, 4, 6, 8, 12, ... and any."""
        if self.max_rank is not None:
            return [self.max_rank]
        full = min(values.shape)
        steps = sorted({part * 2**i // 2 for i in range(1, full.bit_length()) for part in (2, 3)} | {1})
        return [*(step for step in steps if step < full), None]

    def fill(self, rows: Tensor) -> Tensor:
        """Standardised rows (B, D) that were not in the fit, NaN in their holes, projected on the row space."""
        weights = rows.new_ones(len(self.feature_names))
        return complete_rows(rows[:, : len(self.feature_names)], self.basis, float(self.shrinkage), weights)

    def draw(self) -> dict[str, Tensor]:
        """The path: errors on the held-out cells and ranks over lambda."""
        steps = self.steps.tolist()
        best = min(steps, key=lambda step: step[3])
        return {"path": path_chart(steps, (best[0], best[3]), float(self.floor))}
