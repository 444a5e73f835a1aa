"""DeViSE: reference values of the hinge, what learns, and a fit."""

import pytest
import torch
from torch.nn import functional as F
from zero_shot_toy import described

from leyden.transfer.zero_shot.devise import DeViSE, ranking_loss

VECTORS = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])


@pytest.mark.parametrize(("label", "expected"), [(2, 0.0), (1, 0.3)])
def test_reference_values_of_the_hinge(label: int, expected: float) -> None:
    scores = torch.tensor([[0.6, 0.8]]) @ VECTORS.T
    assert float(ranking_loss(scores, torch.tensor([label]), 0.1)) == pytest.approx(expected, abs=1e-6)


def test_batch_is_averaged_and_classes_added() -> None:
    scores = torch.tensor([[0.0, 0.0, 0.0], [9.0, 0.0, 0.0]])
    assert float(ranking_loss(scores, torch.tensor([0, 0]), 0.5)) == pytest.approx((0.5 + 0.5) / 2)


def test_gradient_pulls_to_the_true_class_only_within_the_margin() -> None:
    scores = torch.tensor([[1.0, 0.95, 0.0]], requires_grad=True)
    ranking_loss(scores, torch.tensor([0]), 0.1).backward()
    assert scores.grad is not None
    assert scores.grad.tolist() == [[-1.0, 1.0, 0.0]]


@pytest.mark.parametrize("options", [{}, {"loss": "softmax"}, {"similarity": "cosine", "loss": "softmax"}])
def test_unseen_classes_by_their_attributes_alone(options: dict) -> None:
    task, trainer, data = described(DeViSE, epochs=25, lr=0.03, **options)
    trainer.fit(task, data)
    measured = trainer.test(task, data, verbose=False)[0]
    assert measured["test/accuracy"] > 0.9
    assert measured["test/harmonic"] > 0.8


def test_cosine_does_not_see_the_length_of_features() -> None:
    task, _, data = described(DeViSE, similarity="cosine")
    task.attributes.copy_(data.attributes.values)
    x = torch.randn(3, 12)
    torch.testing.assert_close(task.class_scores(5 * x), task.class_scores(x))
    assert task.class_scores(x).abs().max() <= task.scale + 1e-4


def test_training_knows_the_seen_classes_alone() -> None:
    task, trainer, data = described(DeViSE, loss="softmax")
    trainer.fit(task, data)
    batch = next(iter(data.train_dataloader()))
    task.log = lambda *_, **__: None  # type: ignore[assignment]
    names = task.candidates("test")[0].nonzero().flatten().tolist()
    assert names == data.division.train
    expected = F.cross_entropy(
        task.class_scores(batch.rows)[:, names], torch.tensor([names.index(label) for label in batch.labels.tolist()])
    )
    torch.testing.assert_close(task.training_step(batch, 0), expected)


def test_frozen_network_stays_as_it_is() -> None:
    for freeze in (True, False):
        task = DeViSE(["a", "b"], ["x"], 1, 16, widths=(4,), strides=(2,), freeze=freeze).train()
        assert task.features.training is not freeze
        assert {parameter.requires_grad for parameter in task.features.parameters()} == {not freeze}


@pytest.mark.parametrize("options", [{"loss": "hinge"}, {"similarity": "euclid"}])
def test_other_words_are_refused(options: dict) -> None:
    with pytest.raises(ValueError, match="there are"):
        DeViSE(["a", "b"], ["x"], feature_names=["f"], backbone="none", **options)
