"""Soft-Impute against its golden values, an independent loop, its objective, and rows out of sample."""

from pathlib import Path

import numpy as np
import pytest
import torch
from lightning import Trainer
from torch import Tensor

from leyden.data.batches.incomplete_table import IncompleteTable
from leyden.data.source.builtin.digits import Digits
from leyden.data.source.incomplete.low_rank import LowRank
from leyden.transfer.relational.completion import held_out
from leyden.transfer.relational.shrinkage import complete_rows, shrink
from leyden.transfer.relational.soft_impute import SoftImpute, soft_impute

NAN = float("nan")


def table(rows: int = 60, columns: int = 20, share: float = 0.5, seed: int = 0) -> tuple[Tensor, Tensor]:
    """A table of rank 3 and noise with holes, and the whole of it."""
    generator = torch.Generator().manual_seed(seed)
    left, right = (torch.randn(n, 3, dtype=torch.float64, generator=generator) for n in (rows, columns))
    whole = left @ right.T + 0.1 * torch.randn(rows, columns, dtype=torch.float64, generator=generator)
    return whole.where(torch.rand(rows, columns, generator=generator) < share, NAN), whole


def by_hand(x: np.ndarray, penalty: float, iterations: int) -> np.ndarray:
    """Algorithm 1 with numpy's SVD, written from the paper."""
    known, z = ~np.isnan(x), np.zeros_like(x)
    for _ in range(iterations):
        u, d, vt = np.linalg.svd(np.where(known, x, z), full_matrices=False)
        z = u @ np.diag(np.maximum(d - penalty, 0)) @ vt
    return z


def test_golden_values() -> None:
    whole = torch.outer(torch.tensor([1.0, 2, 3]), torch.tensor([1, 0.5, 2])).double() + 0.1 * torch.eye(3)
    for hole in ((0, 2), (1, 1), (2, 0)):
        whole[hole] = NAN
    found = soft_impute(whole, 0.1, iterations=20000, tolerance=1e-24).shrunk
    assert len(found.values) == 1
    assert float(found.values[0]) == pytest.approx(8.56156644, abs=1e-7)
    assert float(found.matrix[0, 2]) == pytest.approx(2.08856106, abs=1e-7)


@pytest.mark.parametrize("shape", [(60, 20), (20, 60)])
def test_it_is_the_loop_of_the_paper(shape: tuple[int, int]) -> None:
    x = table(*shape)[0]
    ours = soft_impute(x, 2.0, iterations=40, tolerance=0.0).shrunk
    np.testing.assert_allclose(ours.matrix, by_hand(x.numpy(), 2.0, 40), atol=1e-9)
    np.testing.assert_allclose(ours.directions.T @ ours.directions, np.eye(len(ours.values)), atol=1e-9)


@pytest.mark.parametrize("rank", [None, 2])
def test_the_objective_never_rises(rank: int | None) -> None:
    for penalty in (0.1, 1.0, 5.0):
        objectives = np.array(soft_impute(table()[0], penalty, rank=rank, tolerance=0.0).objectives)
        assert (np.diff(objectives) <= 1e-9 * objectives[:-1]).all()


def test_at_the_optimum_the_gradient_is_in_the_subdifferential() -> None:
    """P_O(X - Z) = lambda (U V^T + W), with W orthogonal to both and of spectral norm at most 1."""
    x = table()[0]
    penalty = 2.0
    found = soft_impute(x, penalty, iterations=5000, tolerance=1e-22).shrunk
    slope = (x - found.matrix).nan_to_num() / penalty
    v = found.directions
    u = found.matrix @ v / found.values
    torch.testing.assert_close(u.T @ slope @ v, torch.eye(len(v.T), dtype=torch.float64), atol=1e-6, rtol=0)
    assert float(torch.linalg.matrix_norm(slope, 2)) < 1 + 1e-6


def test_from_the_greatest_singular_value_all_is_zero() -> None:
    x = table()[0]
    top = float(torch.linalg.matrix_norm(x.nan_to_num(), 2))
    assert not soft_impute(x, top).shrunk.matrix.any()
    assert soft_impute(x, 0.9 * top).shrunk.matrix.any()


def test_shrink_moves_singular_values() -> None:
    x = table(share=2.0)[0]
    values = torch.linalg.svdvals(x)
    torch.testing.assert_close(
        torch.linalg.svdvals(shrink(x, 3.0).matrix), (values - 3).clamp(min=0), atol=1e-6, rtol=0
    )
    assert int((torch.linalg.svdvals(shrink(x, 0.0, rank=2).matrix) > 1e-6).sum()) == 2


def test_rows_of_the_fit_come_out_of_sample_as_in_it() -> None:
    x = table()[0]
    for rank in (None, 2):
        found = soft_impute(x, 1.0, rank=rank, iterations=20000, tolerance=1e-24).shrunk
        again = complete_rows(x, found.basis, 1.0, torch.ones(20, dtype=torch.float64))
        torch.testing.assert_close(again, found.matrix, atol=1e-5, rtol=0)


def test_a_row_without_a_known_cell_is_zero() -> None:
    basis = torch.eye(3, dtype=torch.float64)
    weights = torch.ones(3, dtype=torch.float64)
    rows = torch.tensor([[NAN, NAN, NAN], [1, NAN, NAN]], dtype=torch.float64)
    torch.testing.assert_close(complete_rows(rows, basis, 1.0, weights)[:, 0], torch.tensor([0, 0.5]).double())
    assert complete_rows(rows, basis[:, :0], 1.0, weights).tolist() == [[0, 0, 0], [0, 0, 0]]


def test_held_out_cells_are_known_ones() -> None:
    x = table()[0]
    seen, held = held_out(x, 0.25, 3)
    assert torch.equal(seen.nan_to_num() + held.nan_to_num(), x.nan_to_num())
    assert int((~held.isnan()).sum()) == round(0.25 * int((~x.isnan()).sum()))


def fitted(folder: Path, data: IncompleteTable, **arguments) -> tuple[SoftImpute, Trainer]:
    data.prepare_data()
    model = SoftImpute(**data.spec, **arguments)
    trainer = Trainer(
        accelerator="cpu", max_epochs=3, logger=False, default_root_dir=folder, enable_progress_bar=False,
        enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(model, data)
    return model, trainer


def test_a_run_beats_the_means_and_predicts_from_its_checkpoint(tmp_path: Path) -> None:
    data = IncompleteTable(LowRank(rows=120, rank=2, tasks=2), new_rows=0.2)
    model, trainer = fitted(tmp_path, data, path=8)
    tested = trainer.test(model, data, verbose=False)[0]
    assert tested["test/rmse_ratio"] < 0.5
    assert tested["test/new_rmse"] < 0.5 * tested["test/new_mean_rmse"]
    loaded = SoftImpute.load_from_checkpoint(trainer.checkpoint_callback.best_model_path, weights_only=True)
    rows = data.split("test").columns
    row = rows.incomplete_rows[-1, :20]
    [told] = loaded.predict([row]).rows
    known = ~row.isnan()
    assert told["holes"] == int((~known).sum())
    assert torch.tensor(list(told["completed"].values()))[known].tolist() == pytest.approx(
        row[known].tolist(), abs=1e-5
    )
    error = (torch.tensor(list(told["completed"].values())) - rows.targets[-1, :20])[~known].square().mean().sqrt()
    assert float(error) < tested["test/new_mean_rmse"]
    assert loaded.prediction_files([{"path": "a", **told}])["completed.csv"].startswith("path,feature 0,")
    with pytest.raises(ValueError, match="input 0 has 3 columns; the table of the fit had 20 features, and 2 labels"):
        loaded.predict([torch.zeros(3)])


def test_units_do_not_matter_to_deviations(tmp_path: Path) -> None:
    """A column in other units is completed alike, in its units."""
    data = IncompleteTable(LowRank(rows=100, rank=2, tasks=0))
    model, _ = fitted(tmp_path, data, path=6, penalty=0.05, max_rank=3)
    other = IncompleteTable(LowRank(rows=100, rank=2, tasks=0))
    factors = torch.linspace(0.01, 100, 20)
    features = other.table.features * factors + 5
    other._table = other.table._replace(features=features)
    again, _ = fitted(tmp_path, other, path=6, penalty=0.05, max_rank=3)
    row = data.split("test").columns.incomplete_rows[:5]
    torch.testing.assert_close(again(row * factors + 5), model(row), atol=1e-4, rtol=1e-4)


def test_images_are_predicted_with_images() -> None:
    data = IncompleteTable(Digits(), pattern="squares", observed=0.75, rows=200)
    data.prepare_data()
    model = SoftImpute(**data.spec, standardise="mean", path=5, max_rank=20)
    figures = model.estimate(data)
    model.fitted.fill_(True)
    assert figures["val/rmse"] < 0.8 * figures["val/mean_rmse"]
    predictions = model.predict(list(data.split("test").columns.incomplete_rows[:2]))
    assert predictions.images[0].shape[0] == 3
    assert predictions.rows[0]["holes"] == 16


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"standardise": "z"}, "there are none, mean, deviation"),
        ({"holdout": 0.0}, "model.holdout=0.0"),
        ({"penalty": -1.0}, "model.penalty=-1.0"),
        ({"path": 1}, "path=1"),
    ],
)
def test_options_out_of_range(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SoftImpute(["a", "b"], **arguments)


def test_it_needs_a_table_with_holes() -> None:
    class Other:
        seed = 0

        def split(self, _: str) -> None:
            return None

    with pytest.raises(ValueError, match="SoftImpute completes data=transfer/incomplete_table"):
        SoftImpute(["a", "b"]).estimate(Other())
