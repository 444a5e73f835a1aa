"""MC-1 and MC-b: gradients by autograd, an independent loop, the objective, and the paper's comparison."""

import numpy as np
import pytest
import torch
from torch import Tensor

from leyden.data.batches.incomplete_table import IncompleteTable
from leyden.data.source.incomplete.low_rank import LowRank
from leyden.transfer.relational.fixed_point import Problem, continuation, fixed_points, gradient
from leyden.transfer.relational.mc1 import MC1
from leyden.transfer.relational.shrinkage import complete_rows

NAN = float("nan")
MUS = [0.1, 0.01, 0.001]


def problem(bias: str = "ones", rows: int = 60, label_weight: float = 0.5) -> Problem:
    data = IncompleteTable(LowRank(rows=rows, features=8, rank=2, tasks=3), observed=0.6)
    data.prepare_data()
    whole = data.split("test").columns.incomplete_rows.double()
    return Problem(whole[:, :8], whole[:, 8:], label_weight, bias)


def loss(p: Problem, z: Tensor, bias: Tensor) -> Tensor:
    """The smooth part, from the paper's words."""
    x, y = ~p.features.isnan(), ~p.labels.isnan()
    features = ((z[:, :8] - p.features)[x] ** 2 / 2).sum() / x.sum()
    scores = (z[:, 8:11] + bias)[y]
    return features + p.label_weight / y.sum() * torch.log(1 + torch.exp(-p.labels[y] * scores)).sum()


@pytest.mark.parametrize("bias", ["ones", "free"])
def test_gradients_are_autograd_s(bias: str) -> None:
    p = problem(bias)
    z = torch.randn(60, p.whole().shape[1], dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    b = torch.zeros(3, dtype=torch.float64) + 0.3
    z.requires_grad_()
    b.requires_grad_()
    clean = Problem(p.features, p.labels, p.label_weight, p.bias)
    wanted = torch.autograd.grad(loss(clean, z, b), [z, b])
    for ours, theirs in zip(gradient(p, z.detach(), b.detach()), wanted, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_it_is_the_loop_of_the_paper() -> None:
    """Figure 1 with numpy's SVD, ones set after each shrinkage."""
    p = problem()
    x, y = p.features.numpy(), p.labels.numpy()
    known, labelled = ~np.isnan(x), ~np.isnan(y)
    whole = np.nan_to_num(np.concatenate([x, y, np.ones((60, 1))], 1))
    u, d, vt = np.linalg.svd(whole, full_matrices=False)
    z = d[0] * np.outer(u[:, 0], vt[0])
    tau = min(3.8 * labelled.sum() / 0.5, known.sum())
    for mu in MUS:
        for _ in range(15):
            z[:, -1] = 1
            g = np.zeros_like(z)
            g[:, :8][known] = (z[:, :8] - x)[known] / known.sum()
            g[:, 8:11][labelled] = (0.5 / labelled.sum() * -y / (1 + np.exp(y * z[:, 8:11])))[labelled]
            u, d, vt = np.linalg.svd(z - tau * g, full_matrices=False)
            z = u @ np.diag(np.maximum(d - tau * mu, 0)) @ vt
    *_, ours = fixed_points(p, MUS, 15, 0.0)
    np.testing.assert_allclose(ours.shrunk.matrix, z, atol=1e-8)


@pytest.mark.parametrize("bias", ["ones", "free"])
def test_the_objective_never_rises(bias: str) -> None:
    for state in fixed_points(problem(bias), MUS, 60, 0.0):
        objectives = np.array(state.objectives)
        assert (np.diff(objectives) <= 1e-12).all()


def test_the_ones_are_as_good_as_known_features() -> None:
    """So a row of the fit comes out of sample as it is in it, features and labels."""
    for bias in ("ones", "free"):
        p = problem(bias)
        *_, state = fixed_points(p, MUS, 20000, 1e-16)
        again = complete_rows(p.whole(), state.shrunk.basis, 0.001, p.weights, slice(8, 11), state.bias)
        torch.testing.assert_close(again, state.shrunk.matrix, atol=2e-3, rtol=0)


def test_labels_of_a_row_out_of_sample_are_logistic_regression() -> None:
    """Of a known label alone: the code's gradient is 0."""
    basis = torch.tensor([[2.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    row = torch.tensor([[NAN, 1.0]], dtype=torch.float64)
    [z] = complete_rows(row, basis, 0.1, torch.ones(2).double(), slice(1, 2), torch.tensor([0.5]).double())
    code = z[1]  # basis is 1 there
    assert float(-torch.sigmoid(-(code + 0.5)) + 0.1 * code) == pytest.approx(0, abs=1e-8)
    assert float(z[0]) == 0


def test_mu_falls_by_a_quarter_until_the_last() -> None:
    assert continuation(16.0, 0.25, 0.1) == [4, 1, 0.25, 0.1]


def fitted(**arguments) -> tuple[MC1, IncompleteTable, dict[str, float]]:
    data = IncompleteTable(LowRank(rows=100, rank=2, tasks=5), observed=0.4, new_rows=0.2)
    data.prepare_data()
    model = MC1(**data.spec, folds=2, last_mu=1e-4, label_weight=0.1, **arguments)
    found = model.estimate(data)
    model.fitted.fill_(True)
    return model, data, found


def test_labels_are_better_than_the_majority() -> None:
    model, data, found = fitted(baselines=False)
    rows = data.split("test").columns
    wanted = rows.targets[:, 20:].double()
    scores = model(rows.incomplete_rows, rows.places)[:, 20:]
    for part in (rows.places >= 0, rows.places < 0):
        tested = ~wanted[part].isnan()
        error = float((scores[part].sign() != wanted[part])[tested].double().mean())
        majority = min(float((wanted[part][tested] == sign).double().mean()) for sign in (-1, 1))
        assert error < 0.25 < majority
    assert 0 < found["val/label_error"] < 0.3


def test_two_step_rows_are_labels() -> None:
    model, _, _ = fitted(mu=0.001)
    assert model.two_step.shape == (4, 80, 5)
    assert model.two_step[:3].unique().tolist() == [-1, 1]
    known = model.two_step[3].double()
    assert (known == known[0]).all()  # the majority of each task


def test_predictions_have_probabilities_of_the_labels() -> None:
    model, data, _ = fitted(mu=0.001, baselines=False)
    row = data.split("test").columns.incomplete_rows[0]
    with_labels, without = model.predict([row, row[:20]]).rows
    assert list(with_labels["probabilities"]) == data.spec["label_names"]
    assert with_labels["probabilities"] != without["probabilities"]
    with pytest.raises(ValueError, match="input 0: known labels are -1 or 1"):
        model.predict([row.nan_to_num(3.0)])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"label_names": []}, "MC-1 completes labels, and this table has none"),
        ({"bias": "no"}, "there are ones, free"),
        ({"eta": 1.0}, "model.eta=1.0"),
        ({"mu": -1.0}, "mu=-1.0: above 0"),
    ],
)
def test_options_out_of_range(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MC1(**{"feature_names": ["a"], "label_names": ["y"]} | arguments)
