"""MC-1 and MC-b: labels of several tasks and features, both with holes, completed as one matrix of low rank.

Goldberg, Zhu, Recht, Xu and Nowak 2010, "Transduction with Matrix Completion: Three Birds with One Stone": what is
known of one task's labels helps the others, and the missing features, through the low rank of all of them together;
that is inductive transfer via matrix completion. With z_ij the entry of an item's column j, c_x(u, v) = (u - v)^2 / 2
of features and c_y(u, v) = ln(1 + exp(-u v)) of labels,

    MC-1:  min_Z    mu ||Z||_* + lambda / |Omega_Y| sum c_y(z_ij, y_ij) + 1 / |Omega_X| sum c_x(z_ij, x_ij),
           a column of Z being ones, so that labels may have a bias without its being in each entry;
    MC-b:  min_Z,b  the same with c_y(z_ij + b_j, y_ij) and a bias b_j for each task instead of the ones.

Both are solved by fixed-point continuation: gradient step, shrinkage of the singular values (and, of MC-1, the ones
set to 1 again), mu falling by ``eta`` until ``last_mu``, each solution the start of the next. lambda and mu are those
with the least label error over ``folds`` of the known labels.

Matrices have items in rows here, in columns in the paper. New items are completed out of sample, as Soft-Impute's are:
the code that explains what is known of them, the basis being fixed.

Departures: features may be standardised. ``baselines`` are the paper's two-step rows: features filled by Soft-Impute
(the paper: by fixed-point continuation), by means or by 0, then a linear support vector machine for each task.
"""

from typing import get_args

import torch
from torch import Tensor, nn
from torchmetrics.aggregation import SumMetric

from leyden.core.estimator import register_estimates
from leyden.data.columns import IncompleteRows
from leyden.transfer.relational.baselines import two_step_labels
from leyden.transfer.relational.completion import CompletionTask, Standardise
from leyden.transfer.relational.fixed_point import Bias, Problem, State, continuation, fixed_points
from leyden.transfer.relational.shrinkage import complete_rows
from leyden.visualization.charts import draw_bars

NAMES = ("MC", "MC_new", "soft_impute_svm", "mean_svm", "zero_svm", "majority")


class MC1(CompletionTask):
    """Completes features and labels together; ``test/label_error`` is the share of wrong held-out labels.

    Args:
        feature_names: given by the data.
        label_names: given by the data.
        channels: of images; given by the data.
        image_size: side of images; given by the data.
        standardise: features: "none", "mean" or "deviation", see ``CompletionTask``.
        bias: "ones" is MC-1, "free" is MC-b.
        label_weight: lambda; None: chosen among 0.01, 0.1 and 1.
        mu: of the nuclear norm; None: chosen on the continuation's path.
        eta: by which mu falls.
        last_mu: where the path ends.
        folds: parts of the known labels that are held out in turn, to choose lambda and mu.
        iterations: for each mu, at most.
        tolerance: relative change of the objective that ends a mu.
        baselines: whether the two-step rows are computed as well.

    Raises:
        ValueError: there are no labels, or a number out of its range.
    """

    monitor: str = "val/label_error"

    def __init__(
        self,
        feature_names: list[str],
        label_names: list[str] | None = None,
        channels: int | None = None,
        image_size: int | None = None,
        standardise: Standardise = "none",
        bias: Bias = "ones",
        label_weight: float | None = None,
        mu: float | None = None,
        eta: float = 0.25,
        last_mu: float = 1e-5,
        folds: int = 5,
        iterations: int = 100,
        tolerance: float = 1e-5,
        baselines: bool = True,
    ) -> None:
        super().__init__(feature_names, label_names, channels, image_size, standardise)
        self.save_hyperparameters(logger=False)
        if not self.label_names:
            raise ValueError(
                "MC-1 completes labels, and this table has none: set data.source.labels, or model=transfer/soft_impute"
            )
        if bias not in get_args(Bias):
            raise ValueError(f"model.bias={bias!r}: there are {', '.join(get_args(Bias))}")
        if not 0 < eta < 1 or last_mu <= 0 or folds < 2 or iterations < 1:
            raise ValueError(
                f"model.eta={eta}, last_mu={last_mu}, folds={folds}, iterations={iterations}: above 0 and below 1, "
                "above 0, 2 or more, 1 or more"
            )
        if min(label_weight or 1.0, mu or 1.0) <= 0:
            raise ValueError(f"model.label_weight={label_weight}, mu={mu}: above 0, or null to choose")
        self.bias_kind, self.label_weight, self.mu, self.eta, self.last_mu = bias, label_weight, mu, eta, last_mu
        self.folds, self.iterations, self.tolerance, self.baselines = folds, iterations, tolerance, baselines
        self.basis: Tensor
        self.weights: Tensor
        self.bias: Tensor
        self.penalty: Tensor
        self.two_step: Tensor
        register_estimates(self, "basis", "weights", "bias", "penalty", "two_step")
        self.labels = nn.ModuleDict({f"{name}_{part}": SumMetric() for name in NAMES for part in ("wrong", "count")})
        self.errors: dict[str, float] = {}

    def fit(self, rows: Tensor, seed: int) -> dict[str, float]:
        """Chooses lambda and mu by the known labels, then fits to all that is known."""
        features, labels = rows.split([len(self.feature_names), len(self.label_names)], 1)
        weight, mu, error = self._chosen(features, labels, seed)
        problem = Problem(features, labels, weight, self.bias_kind)
        *_, state = fixed_points(problem, self._mus(problem, mu), self.iterations, self.tolerance)
        self.basis, self.weights, self.bias = state.shrunk.basis, problem.weights, state.bias
        self.penalty = torch.tensor(mu, dtype=rows.dtype)
        estimates = [state.shrunk.matrix[:, : features.shape[1]], state.scores(problem)]
        self.fitted_rows = torch.cat(estimates, 1).float()
        if self.baselines:
            self.two_step = two_step_labels(features, labels, seed)
        return {
            "val/label_error": error,
            "train/rank": float(len(state.shrunk.values)),
            "train/lambda": weight,
            "train/mu": mu,
        }

    def _mus(self, problem: Problem, last: float | None) -> list[float]:
        """The continuation down to one mu, or the whole of it."""
        first = float(torch.linalg.matrix_norm(problem.whole().nan_to_num(), 2))
        mus = continuation(first, self.eta, self.last_mu)
        if last is None:
            return mus
        return [*(mu for mu in mus if mu > last), last]

    def _chosen(self, features: Tensor, labels: Tensor, seed: int) -> tuple[float, float, float]:
        """lambda, mu, and the label error over the folds; of equal errors the greatest mu's."""
        known = (~labels.isnan()).flatten().nonzero().flatten()
        order = torch.randperm(len(known), generator=torch.Generator().manual_seed(seed)).to(known.device)
        parts = [known[part] for part in order.chunk(min(self.folds, len(known)))]
        wrong: dict[tuple[float, int], float] = {}
        mus: list[float] = []
        for weight in [self.label_weight] if self.label_weight else [1.0, 0.1, 0.01]:
            for part in parts:
                seen = labels.flatten().clone()
                seen[part] = float("nan")
                problem = Problem(features, seen.view(labels.shape), weight, self.bias_kind)
                mus = mus or self._mus(problem, self.mu)
                for place, state in enumerate(fixed_points(problem, mus, self.iterations, self.tolerance)):
                    missed = self._wrong(state, problem, labels, part)
                    wrong[weight, place] = wrong.get((weight, place), 0.0) + missed
        if self.mu is not None:  # the path leads to it, and what it passes is not wanted
            wrong = {key: missed for key, missed in wrong.items() if key[1] == len(mus) - 1}
        weight, place = min(wrong, key=lambda key: wrong[key])
        return weight, mus[place], wrong[weight, place] / len(known)

    @staticmethod
    def _wrong(state: State, problem: Problem, labels: Tensor, part: Tensor) -> float:
        """How many of the labels at the places ``part`` are predicted wrong; a score of 0 is half wrong."""
        agree = state.scores(problem).flatten()[part].sign() * labels.flatten()[part]
        return float((1 - agree).sum() / 2)

    def fill(self, rows: Tensor) -> Tensor:
        """New rows (B, D + T) completed: (B, D + T), the labels' scores with their bias."""
        width, tasks = len(self.feature_names), len(self.label_names)
        ones = [torch.ones_like(rows[:, :1])] if self.bias_kind == "ones" else []
        found = complete_rows(
            torch.cat([rows, *ones], 1),
            self.basis,
            float(self.penalty),
            self.weights,
            slice(width, width + tasks),
            self.bias,
        )[:, : width + tasks]
        found[:, width:] += self.bias
        return found

    def test_step(self, batch: IncompleteRows, batch_index: int) -> None:
        """Adds the errors of a batch, of features and of labels."""
        super().test_step(batch, batch_index)
        width = len(self.feature_names)
        wanted, old = batch.targets[:, width:].double(), (batch.places >= 0)[:, None]
        scores = self(batch.incomplete_rows, batch.places)[:, width:]
        tested = ~wanted.isnan()
        self._count("MC", scores, wanted, tested & old)
        self._count("MC_new", scores, wanted, tested & ~old)
        for number, votes in enumerate(self.two_step):
            own = torch.zeros_like(wanted)
            own[old[:, 0]] = votes[batch.places[old[:, 0]]].to(own)
            self._count(NAMES[2 + number], own, wanted, tested & old)

    def _count(self, name: str, scores: Tensor, wanted: Tensor, where: Tensor) -> None:
        wrong = (1 - scores.sign() * wanted) / 2
        self.labels[f"{name}_wrong"].update(wrong[where].sum())  # type: ignore[operator]  # a module that is a metric
        self.labels[f"{name}_count"].update(where.sum())  # type: ignore[operator]

    def on_test_epoch_end(self) -> None:
        """Logs the errors of labels, and draws."""
        sums = {name: float(metric.compute()) for name, metric in self.labels.items()}  # type: ignore[operator]
        for metric in self.labels.values():
            metric.reset()  # type: ignore[operator]
        self.errors = {n: sums[f"{n}_wrong"] / sums[f"{n}_count"] for n in NAMES if sums[f"{n}_count"]}
        for name, error in self.errors.items():
            self.log(
                {"MC": "test/label_error", "MC_new": "test/new_label_error"}.get(name, f"test/{name}_error"), error
            )
        super().on_test_epoch_end()

    def draw(self) -> dict[str, Tensor]:
        """Label errors of MC-1 and of the two-step rows."""
        named = {
            name.replace("_", " ").replace("MC", "MC-1" if self.bias_kind == "ones" else "MC-b"): error
            for name, error in self.errors.items()
        }
        return {"label_error": draw_bars(named, "label error", "Held-out labels that are predicted wrong", whole=False)}
