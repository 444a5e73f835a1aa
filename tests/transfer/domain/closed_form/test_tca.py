"""TCA against its golden values, a dense reference written from the paper, and its limits."""

from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from lightning import Trainer
from scipy.linalg import eigh, subspace_angles
from torch import Tensor

from leyden.data.batches.domains import DomainImages
from leyden.data.source.builtin.digits import Digits
from leyden.data.source.builtin.fonts import Fonts
from leyden.transfer.domain.adaptation import AdaptedClassifier
from leyden.transfer.domain.closed_form.tca import (
    TCA,
    Kernel,
    TransferComponents,
    describe,
    discrepancy,
    kernel_rows,
    transfer_components,
)

ROW, COLUMN = torch.arange(6.0, dtype=torch.float64)[:, None], torch.arange(3.0, dtype=torch.float64)
SOURCE = (1 + 1.7 * ROW + 0.9 * COLUMN).sin()
TARGET = (0.3 + 1.1 * ROW[:4] + 0.7 * COLUMN).cos() + 0.5
BOTH = torch.cat([SOURCE, TARGET])


def shifted() -> tuple[Tensor, int]:
    """Two clouds whose means differ in one direction."""
    random = np.random.RandomState(0)
    source, target = random.randn(60, 5), random.randn(50, 5)
    target[:, 0] += 2
    return torch.from_numpy(np.concatenate([source, target])), 60


def reference(rows: np.ndarray, source: int, count: int, mu: float) -> np.ndarray:
    """The paper's matrices, written out: L (n, n) and H (n, n)."""
    n = len(rows)
    e = np.concatenate([np.full(source, 1 / source), np.full(n - source, -1 / (n - source))])
    L, H = np.outer(e, e), np.eye(n) - np.ones((n, n)) / n
    values, vectors = np.linalg.eig(np.linalg.solve(rows.T @ L @ rows + mu * np.eye(rows.shape[1]), rows.T @ H @ rows))
    return np.real(vectors[:, np.argsort(-np.real(values))[:count]])


@pytest.mark.parametrize(
    ("kernel", "mu", "values"),
    [
        ("linear", 1.0, [48.3601987, 21.0408276, 0.00566271748]),
        ("linear", 0.1, [285.881676, 69.4466816, 0.0558091135]),
        ("rbf", 1.0, [5.5748077, 2.95542116, 0.82118542]),
        ("rbf", 0.1, [54.65495095, 28.29511016, 8.09124085]),
    ],
)
def test_eigenvalues_of_the_toy(kernel: str, mu: float, values: list[float]) -> None:
    rows = kernel_rows(BOTH, BOTH, kernel, 0.5)
    assert transfer_components(rows, 6, 3, mu)[1].tolist() == pytest.approx(values, rel=1e-7)


@pytest.mark.parametrize(("kernel", "mmd"), [("linear", 0.11972006291), ("rbf", 0.09065086889)])
def test_mmd_of_the_toy(kernel: str, mmd: float) -> None:
    """MMD^2 = e^T K e, of which ``discrepancy`` has K e."""
    e = torch.tensor([1 / 6] * 6 + [-1 / 4] * 4, dtype=torch.float64)
    assert float(discrepancy(kernel_rows(BOTH, BOTH, kernel, 0.5), 6) @ e) == pytest.approx(mmd, rel=1e-9)


@pytest.mark.parametrize("kernel", get_args(Kernel))
def test_components_are_those_of_a_dense_reference(kernel: str) -> None:
    x, source = shifted()
    rows = kernel_rows(x, x, kernel, 0.1)
    ours, theirs = transfer_components(rows, source, 3, 0.5)[0].numpy(), reference(rows.numpy(), source, 3, 0.5)
    assert subspace_angles(rows.numpy() @ ours, rows.numpy() @ theirs).max() < 1e-6


@pytest.mark.parametrize("mu", [10.0, 1.0, 0.1])
def test_the_domains_means_meet(mu: float) -> None:
    """An eigh of the matrix that is not symmetric stays at 0.02."""
    x, source = shifted()
    rows = kernel_rows(x, x, "linear", 1.0)
    codes = rows @ transfer_components(rows, source, 2, mu)[0]
    assert float(discrepancy(codes, source).square().sum() / codes.var(0).sum()) < 1e-3


def test_a_large_mu_leads_to_pca() -> None:
    x, source = shifted()
    ours = transfer_components(x, source, 2, 1e9)[0].numpy()
    centred = (x - x.mean(0)).numpy()
    assert subspace_angles(ours, np.linalg.svd(centred, full_matrices=False)[2][:2].T).max() < 1e-6


def test_weights_are_orthonormal_in_the_constraint() -> None:
    x, source = shifted()
    weights, values = transfer_components(x, source, 3, 0.5)
    apart = discrepancy(x, source)
    constraint = torch.outer(apart, apart) + 0.5 * torch.eye(5)
    torch.testing.assert_close(weights.T @ constraint @ weights, torch.eye(3, dtype=torch.float64))
    centred = x - x.mean(0)
    torch.testing.assert_close(weights.T @ centred.T @ centred @ weights, values.diag())
    assert eigh((centred.T @ centred).numpy(), constraint.numpy())[0][::-1][:3] == pytest.approx(values.numpy())


@pytest.mark.parametrize(("count", "mu", "message"), [(6, 1.0, "there are 1 to 5"), (2, 0.0, "should be above 0")])
def test_impossible_components(count: int, mu: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        transfer_components(*shifted(), count, mu)


@pytest.mark.parametrize("kernel", get_args(Kernel))
@pytest.mark.parametrize("examples", [8, 60])
def test_new_examples_are_projected_as_those_of_the_fit(kernel: str, examples: int) -> None:
    x, _ = shifted()
    source, target = x[:examples], x[60:]
    adaptation = TransferComponents(kernel, 3, 0.1, None)
    adapted = adaptation.fit(source, torch.zeros(examples), target)
    torch.testing.assert_close(adaptation(source), adapted.source)
    torch.testing.assert_close(adaptation(target), adapted.target)


@pytest.mark.parametrize("features", [5, 80])
def test_a_linear_kernel_needs_no_kernel_matrix(features: int) -> None:
    """More examples than features or fewer: the codes are those of K = X X^T, but for a sign."""
    x = torch.randn(40, features, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x[25:] += 0.5
    ours = TransferComponents("linear", 3, 1.0, None).fit(x[:25], torch.zeros(25), x[25:])
    kernel = x @ x.T
    theirs = kernel @ transfer_components(kernel, 25, 3, 1.0)[0]
    torch.testing.assert_close(torch.cat([ours.source, ours.target]).abs(), theirs.abs())


def test_all_landmarks_are_the_exact_kernel() -> None:
    """k(X, X) k(X, X)^-1/2 is a root of the kernel matrix; with fewer the codes come near."""
    x, source = shifted()
    exact = kernel_rows(x, x, "rbf", 0.1)
    exact = exact @ transfer_components(exact, source, 2, 1.0)[0]
    for landmarks, tolerance in ((109, 1e-3), (60, 0.15)):
        how = describe(x, "rbf", 0.1, landmarks)
        rows = kernel_rows(x, how.known, "rbf", 0.1) @ how.then
        codes = rows @ transfer_components(rows, source, 2, 1.0)[0]
        assert float((codes.abs() - exact.abs()).norm() / exact.norm()) < tolerance
    assert len(describe(x, "rbf", 0.1, 110).then) == 0  # as many as there are: exact


def test_standardised_per_domain_both_means_are_zero() -> None:
    """So a linear TCA has no distance to remove, and is PCA."""
    x, count = shifted()
    labels = torch.arange(count) % 3
    ratios = {}
    for how in ("joint", "domain"):
        net = AdaptedClassifier(3, TransferComponents("primal", 4, 0.1, None), how, "nearest", 1.0)
        codes = torch.cat(net.fit(x[:count], labels, x[count:])[:2])
        ratios[how] = float(discrepancy(codes, count).square().sum() / codes.var(0).sum())
        assert torch.equal(net(x[:0]), torch.empty(0, 3))
    assert ratios["domain"] < 1e-20 < ratios["joint"]
    torch.testing.assert_close(net.mean, x[count:].mean(0))


def test_without_mmd_it_is_pca() -> None:
    x, count = shifted()
    adaptation = TransferComponents("primal", 2, 0.1, None, mmd=False)
    adaptation.fit(x[:count], torch.zeros(count), x[count:])
    principal = np.linalg.svd((x - x.mean(0)).numpy(), full_matrices=False)[2][:2].T
    assert subspace_angles(adaptation.components.numpy(), principal).max() < 1e-6


@pytest.mark.parametrize(
    ("argument", "message"),
    [({"kernel": "cubic"}, "model.kernel='cubic': there are"), ({"gamma": -1.0}, "model.gamma=-1.0: .* above 0")],
)
def test_unknown_words_and_widths(argument: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TransferComponents(**{"kernel": "rbf", "components": 2, "mu": 1.0, "gamma": None} | argument)


def fitted(folder: Path, **arguments: Any) -> tuple[TCA, DomainImages, Trainer]:
    data = DomainImages(Fonts(16, per_face=2), Digits(), image_size=8)
    model = TCA(**data.spec, **arguments)
    trainer = Trainer(
        accelerator="cpu", max_epochs=3, logger=False, default_root_dir=folder, enable_progress_bar=False,
        enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(model, data)  # with Lightning's sanity check before the fit
    return model, data, trainer


def test_a_run_fits_tests_and_predicts_again_from_its_checkpoint(tmp_path: Path) -> None:
    model, data, trainer = fitted(tmp_path, components=10, max_examples=100)
    assert trainer.global_step == 1
    assert len(model.net.classifier.codes) == 100
    assert 0 <= trainer.callback_metrics["train/mmd_ratio"] < 0.1
    tested = trainer.test(model, data, verbose=False)[0]["test/accuracy"]
    loaded = TCA.load_from_checkpoint(trainer.checkpoint_callback.best_model_path, weights_only=True)
    images, labels = data.split("test").columns
    assert tested == pytest.approx(float((loaded(images).argmax(1) == labels).float().mean()), abs=1e-6)
    named = [row["label"] for row in loaded.predict(list(images[:5])).rows]
    assert named == [str(int(label)) for label in model(images[:5]).argmax(1)]


def test_it_needs_two_domains_and_a_fit() -> None:
    model = TCA(list("ab"), 1, 8)
    with pytest.raises(ValueError, match=r"learns from data=transfer/domains"):
        model.estimate(None)
    with pytest.raises(ValueError, match="TCA is not fitted"):
        model(torch.zeros(1, 1, 8, 8, dtype=torch.uint8))
