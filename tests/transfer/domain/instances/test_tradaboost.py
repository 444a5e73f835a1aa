"""TrAdaBoost: its factors, AdaBoost as its limit, the vote of the last half, and source examples that lie."""

import numpy as np
import pytest
import torch
from torch import Tensor

from leyden.data.batches.domain_rows import DomainRows
from leyden.data.source.builtin.tables import Tables
from leyden.data.source.shifted.biased_tables import BiasedTables
from leyden.transfer.domain.classifiers import FeatureClassifier
from leyden.transfer.domain.instances.tradaboost import LEAST, BoostedClassifier, TrAdaBoost, boost, source_factor

CLASSIFIER = FeatureClassifier(2, "logistic", 1.0)


def stripes(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Two classes that no line separates: the outer thirds are 0, the middle is 1."""
    x = torch.rand(count, 1, generator=torch.Generator().manual_seed(seed)).double() * 3
    return x, ((x[:, 0] > 1) & (x[:, 0] < 2)).long()


@pytest.mark.parametrize(("count", "rounds", "beta"), [(100, 20, 0.59572956), (4608, 100, 0.70884561)])
def test_the_source_s_factor(count: int, rounds: int, beta: float) -> None:
    assert source_factor(count, rounds) == pytest.approx(beta, abs=1e-8)


def test_without_a_source_it_is_adaboost() -> None:
    """AdaBoost.M1's weights, round by round, from its definition."""
    x, y = stripes(40, 0)
    boosted = boost(x[:0], y[:0], x, y, CLASSIFIER, 6)
    w = np.ones(40)
    for learner, vote, row in zip(boosted.learners, boosted.votes, boosted.history[1:], strict=True):
        wrong = (learner(x).argmax(1) != y).numpy()
        error = np.clip((w * wrong).sum() / w.sum(), LEAST, 0.5 - LEAST)
        w = w * np.where(wrong, (1 - error) / error, 1)
        assert float(vote) == pytest.approx(np.log((1 - error) / error))
        assert row.numpy() == pytest.approx(w)


def test_source_examples_that_lie_lose_their_weight() -> None:
    generator = torch.Generator().manual_seed(0)
    source, target = (torch.randn(60, 2, generator=generator).double() for _ in range(2))
    truth, known = (source[:, 0] > 0).long(), (target[:, 0] > 0).long()
    labels = truth.clone()
    labels[:15] = 1 - labels[:15]
    history = boost(source, labels, target, known, CLASSIFIER, 10).history
    assert (history[1:, :60] <= history[:-1, :60]).all()  # never grows
    assert float(history[-1, :15].mean()) < 0.2 * float(history[-1, 15:60].mean())


def test_the_last_half_votes() -> None:
    """For two classes 1 where prod beta_t^-h >= prod beta_t^-1/2 over t >= N/2."""
    x, y = stripes(50, 1)
    net = BoostedClassifier(2, "none", "logistic", 1.0, 6)
    net.boost(x[:30], y[:30], x, x[30:], y[30:])
    boosted = boost(x[:30], y[:30], x[30:], y[30:], net.classifier, 6)
    hypotheses = torch.stack([learner(x).argmax(1) for learner in boosted.learners[3:]]).double()  # (3, 50)
    beta = (-boosted.votes[3:]).exp()[:, None]
    expected = (beta**-hypotheses).prod(0) >= (beta**-0.5).prod(0)
    assert len(net.votes) == 3
    assert torch.equal(net(x).argmax(1) == 1, expected)
    torch.testing.assert_close(net(x).softmax(1).sum(1), torch.ones(50))


def test_no_error_on_the_target_is_not_the_end() -> None:
    x = torch.tensor([[0.0], [1], [10], [11]]).double()
    boosted = boost(x, torch.tensor([0, 0, 1, 1]), x, torch.tensor([0, 0, 1, 1]), CLASSIFIER, 4)
    assert boosted.votes.isfinite().all()
    assert boosted.weights.isfinite().all()


def test_it_needs_labelled_target_examples() -> None:
    data = DomainRows(BiasedTables(), Tables("breast_cancer"))
    data.prepare_data()
    model = TrAdaBoost(**data.spec)
    with pytest.raises(ValueError, match=r"set data\.target_labels=2 or so"):
        model.estimate(data)
    with pytest.raises(ValueError, match=r"model\.rounds=1: the last half votes"):
        TrAdaBoost(**data.spec, rounds=1)
    with pytest.raises(ValueError, match=r"model\.classifier=nearest takes no weights"):
        TrAdaBoost(**data.spec, classifier="nearest")
