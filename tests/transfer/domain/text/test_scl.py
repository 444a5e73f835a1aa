"""SCL: information against scikit-learn, the normal equations, and a word that no label was ever seen with."""

import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.metrics import mutual_info_score

from leyden.transfer.domain.text.scl import Correspondence, choose_pivots, mutual_information, pivot_predictors

GENERATOR = torch.Generator().manual_seed(0)
X = (torch.rand(40, 7, generator=GENERATOR, dtype=torch.float64) * 2 - 1).clamp(min=0)
"""About half of it is 0."""
LABELS = torch.arange(40) % 3


def test_information_is_scikit_learn_s() -> None:
    expected = [mutual_info_score(LABELS, X[:, i] != 0) for i in range(7)]
    assert mutual_information(X != 0, LABELS).tolist() == pytest.approx(expected, abs=1e-12)


def test_information_of_a_word_that_tells_all() -> None:
    labels = torch.tensor([0, 0, 1, 1])
    occurs = torch.tensor([[1, 1], [1, 0], [0, 1], [0, 0]]).bool()
    assert mutual_information(occurs, labels).tolist() == pytest.approx([0.6931471806, 0.0], abs=1e-9)


def test_pivots_are_frequent_in_both_domains() -> None:
    labels = torch.tensor([0, 0, 1, 1])
    source = torch.tensor([[1.0, 1, 1, 0], [1, 1, 1, 0], [0, 1, 0, 1], [0, 1, 0, 0]])
    target = torch.tensor([[0.0, 1, 1, 1], [0, 1, 1, 1], [0, 1, 0, 1]])
    places, information = choose_pivots(source, labels, target, 5, 1)
    assert places.tolist() == [2, 3]  # 0 is not in the target, 1 is everywhere
    assert float(information[0]) == pytest.approx(0.6931471806)
    with pytest.raises(ValueError, match=r"1 features occur in 2 examples of both domains.*lower model.min_count"):
        choose_pivots(source, labels, target, 5, 2)


def test_predictors_are_ridge_regressions() -> None:
    pivots, others = torch.tensor([1, 4]), [0, 2, 3, 5, 6]
    w = pivot_predictors(X, pivots, 0.7)
    assert w[pivots].abs().sum() == 0
    occurs = (X[:, pivots] != 0).double()
    expected = Ridge(0.7, fit_intercept=False).fit(X[:, others], occurs - occurs.mean(0)).coef_
    torch.testing.assert_close(w[others], torch.from_numpy(expected).T, rtol=1e-9, atol=1e-12)


def test_theta_is_orthonormal_and_one_pivot_is_its_predictor() -> None:
    scl = Correspondence(5, 3, 1.0, 1.0, 1)
    scl.fit(X[:20], LABELS[:20], X[20:])
    torch.testing.assert_close(scl.theta.T @ scl.theta, torch.eye(3).double())
    w = pivot_predictors(X, scl.places[:1], 1.0)
    alone = torch.linalg.svd(w, full_matrices=False).U[:, 0]
    assert float((alone @ w[:, 0]).abs() / w.norm()) == pytest.approx(1)


def test_new_features_have_length_alpha() -> None:
    scl = Correspondence(5, 4, 2.0, 1.0, 1)
    adapted = scl.fit(X[:20], LABELS[:20], X[20:])
    new = torch.cat([adapted.source, adapted.target])[:, 7:]
    assert float(new.square().sum(1).mean()) == pytest.approx(4.0)
    torch.testing.assert_close(new.mean(0), torch.zeros(4).double(), atol=1e-12, rtol=0)
    assert torch.equal(adapted.source[:, :7], X[:20])
    assert torch.equal(scl(X[20:]), adapted.target)


def texts(domain: list[str], count: int) -> list[str]:
    """Good texts have "great" or a word of their own, or both; bad ones "awful" and likewise."""
    good, bad = domain
    lines = [f"great {good}", f"great {good} it", f"{good} it", f"awful {bad}", f"awful {bad} it", f"{bad} it"]
    return lines * count


def test_words_of_the_target_get_a_meaning() -> None:
    vocabulary = ["great", "awful", "it", "fast", "slow", "gripping", "dull"]
    as_rows = lambda lines: torch.tensor([[float(w in line.split()) for w in vocabulary] for line in lines]).double()  # noqa: E731
    source, target = as_rows(texts(["fast", "slow"], 5)), as_rows(texts(["gripping", "dull"], 5))
    labels = torch.tensor([1, 1, 1, 0, 0, 0] * 5)
    scl = Correspondence(2, 1, 1.0, 0.1, 2)
    scl.fit(source, labels, target)
    assert {vocabulary[i] for i in scl.places} == {"great", "awful"}
    direction = dict(zip(vocabulary, scl.theta[:, 0].tolist(), strict=True))
    assert direction["gripping"] * direction["fast"] > 0.01
    assert direction["dull"] * direction["slow"] > 0.01
    assert direction["gripping"] * direction["dull"] < -0.01


@pytest.mark.parametrize("wrong", [{"pivots": 0}, {"alpha": 0.0}, {"ridge": -1.0}, {"min_count": 0}])
def test_numbers_out_of_range(wrong: dict[str, float]) -> None:
    given = {"pivots": 5, "dimensions": 2, "alpha": 1.0, "ridge": 1.0, "min_count": 1}
    with pytest.raises(ValueError, match="count from 1"):
        Correspondence(**{**given, **wrong})  # type: ignore[arg-type]
