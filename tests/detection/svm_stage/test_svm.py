import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from leyden.detection.svm_stage import svm
from leyden.detection.svm_stage.svm import NEVER, train_svm, train_svms


def clouds(seed: int, count: int, width: int = 5, apart: float = 3.0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    positives = torch.randn(count, width, generator=generator)
    positives[:, 0] += apart
    return positives, torch.randn(4 * count, width, generator=generator)


def objective(w: torch.Tensor, b: torch.Tensor, positives: torch.Tensor, negatives: torch.Tensor, cost: float) -> float:
    slack = 2 * (1 - positives @ w - b).clamp(min=0).sum() + (1 + negatives @ w + b).clamp(min=0).sum()
    return float(0.5 * w @ w + 0.5 * (b / 10) ** 2 + cost * slack)


def test_two_points_have_the_closed_form():
    # Hard margin at +-2 on one axis: w = 1/2 and b = 0, if a slack costs enough.
    found = train_svm(torch.tensor([[2.0, 0]]), torch.tensor([[-2.0, 0]]), cost=100.0)
    torch.testing.assert_close(found.weight, torch.tensor([[0.5, 0]]), atol=1e-3, rtol=0)
    torch.testing.assert_close(found.bias, torch.tensor([0.0]), atol=1e-3, rtol=0)


@pytest.mark.parametrize("cost", [1e-3, 1e-1])
def test_no_other_machine_has_a_lesser_loss(cost: float):
    positives, negatives = clouds(1, 60)
    found = train_svm(positives, negatives, cost)
    w, b = found.weight[0], found.bias[0]
    least = objective(w, b, positives, negatives, cost)
    # The dual by another solver: min a'Qa / 2 - sum a, 0 <= a <= cost (twice that for positives); w = sum a y x.
    x = torch.cat([positives, -negatives])
    signs = torch.cat([torch.ones(len(positives)), -torch.ones(len(negatives))])
    x = torch.cat([x, 10 * signs[:, None]], 1).double().numpy()
    bounds = [(0, 2 * cost)] * len(positives) + [(0, cost)] * len(negatives)
    dual = minimize(
        lambda a: (0.5 * ((a @ x) ** 2).sum() - a.sum(), x @ (a @ x) - 1), np.zeros(len(x)), jac=True, bounds=bounds,
        options={"maxiter": 5000, "ftol": 1e-12},
    )  # fmt: skip
    assert least == pytest.approx(-dual.fun, rel=2e-3)
    torch.testing.assert_close(w.double(), torch.from_numpy(dual.x @ x)[:-1], atol=5e-3, rtol=0)
    assert b.item() == pytest.approx(10 * (dual.x @ x)[-1], abs=0.02)


def scenes(seed: int, images: int, per_image: int) -> tuple:
    """Features of three classes, each with a direction of its own, and of background."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.full((images * per_image,), -1)
    labels[::per_image] = torch.arange(images) % 3
    features = torch.randn(len(labels), 6, generator=generator)
    features[labels >= 0, labels[labels >= 0]] += 5
    features *= 20 / features.norm(dim=1).mean()
    negative = labels[:, None] != torch.arange(3)
    return features, [per_image] * images, labels, negative


def test_mined_machines_are_those_of_all_negatives(monkeypatch: pytest.MonkeyPatch):
    features, counts, labels, negative = scenes(3, 60, 40)
    monkeypatch.setattr(svm, "PATIENCE", 100)
    sizes = []
    learn = svm.train_svm
    monkeypatch.setattr(svm, "train_svm", lambda p, n, cost: sizes.append(len(n)) or learn(p, n, cost))
    mined = train_svms(features, counts, labels, negative)
    # What is easy is not needed: the same scores from a part of the negatives.
    assert max(sizes) < 0.5 * len(labels)
    for c in range(3):
        whole = learn(features[labels == c], features[negative[:, c]])
        ours, theirs = (features @ one.weight.T + one.bias for one in (mined, whole))
        torch.testing.assert_close(ours[:, c], theirs[:, 0], atol=0.05, rtol=0)


def test_mining_adds_hard_and_drops_easy(monkeypatch: pytest.MonkeyPatch):
    seen = []

    def fake(positives: torch.Tensor, negatives: torch.Tensor, cost: float) -> svm.LinearSVMs:
        seen.append(negatives.flatten().tolist())
        return svm.LinearSVMs(torch.ones(1, 1), torch.zeros(1))

    monkeypatch.setattr(svm, "train_svm", fake)
    monkeypatch.setattr(svm, "PATIENCE", 2)
    # The score of the fake is the feature itself. Each image: an object, then others.
    images = [[9, -3, -1.1, 0], [9, -1.15, -1.00005, 1], [9, -2, 2, 3], [9, 4, -1.3, -5]]
    features = torch.tensor(images).reshape(-1, 1)
    labels = torch.tensor([0, -1, -1, -1] * 4)
    svm.train_svms(features, [4] * 4, labels, (labels < 0)[:, None])
    assert [sorted(round(x, 5) for x in negatives) for negatives in seen] == [
        [-3, -1.1, 0],  # the first image adds all
        [-1.1, -1.00005, 0, 1, 2, 3],  # -3 was dropped; more than two are new
        [-1.1, -1.00005, 0, 1, 2, 3, 4],  # the last image
    ]


def test_without_mining_fits_once(monkeypatch: pytest.MonkeyPatch):
    features, counts, labels, negative = scenes(4, 30, 20)
    monkeypatch.setattr(svm, "PATIENCE", 50)
    sizes = []
    learn = svm.train_svm
    monkeypatch.setattr(svm, "train_svm", lambda p, n, cost: sizes.append(len(n)) or learn(p, n, cost))
    train_svms(features, counts, labels, negative, mine=False)
    assert sizes == [50] * 3


def test_a_class_without_examples_is_never_answered():
    features, counts, labels, negative = scenes(5, 10, 10)
    labels[labels == 2] = -1
    found = train_svms(features, counts, labels, negative)
    scores = features @ found.weight.T + found.bias
    assert (scores[:, 2] == NEVER).all()
    assert scores[:, :2].amax() > 0.5
    nothing = train_svms(torch.zeros(0, 6), [0, 0], torch.zeros(0, dtype=torch.int64), torch.zeros(0, 3) > 0)
    assert nothing.bias.tolist() == [NEVER] * 3
