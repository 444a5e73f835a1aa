"""DAP: the product of probabilities, what cannot be learnt, and a fit."""

import math

import pytest
import torch
from zero_shot_toy import described

from leyden.transfer.zero_shot.dap import DAP, AttributeClassifiers, attribute_evidence


def test_evidence_is_the_product_of_the_paper() -> None:
    p, binary, prior = torch.tensor([[0.9, 0.2]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([0.5, 0.25])
    found = attribute_evidence(p.logit(), binary, prior).exp()
    torch.testing.assert_close(found, torch.tensor([[0.9 / 0.5 * 0.8 / 0.75, 0.1 / 0.5 * 0.2 / 0.25]]))


def test_rare_attribute_weighs_more_than_a_common_one() -> None:
    logits = torch.zeros(1, 2)  # nothing is seen of either
    rare, common = attribute_evidence(logits, torch.eye(2), torch.tensor([0.1, 0.9]))[0].tolist()
    assert rare > common
    assert rare - common == pytest.approx(2 * math.log(9))


def test_shared_attribute_is_left_out() -> None:
    classifiers = AttributeClassifiers(2, 2)
    x = torch.tensor([[0.0, 1.0], [0.1, 0.9], [1.0, 0.0], [0.9, 0.1]], dtype=torch.float64)
    classifiers.fit(x, torch.tensor([0, 0, 1, 1]), torch.tensor([[1.0, 1], [0, 1]], dtype=torch.float64), 1.0)
    assert classifiers.learnt.tolist() == [True, False]
    logits = classifiers(x)
    assert (logits[:, 0] > 0).tolist() == [True, True, False, False]
    assert (logits[:, 1] == 0).all()


def test_unseen_classes_by_their_attributes_alone() -> None:
    task, trainer, data = described(DAP)
    trainer.fit(task, data)
    assert trainer.callback_metrics["train/attributes_left_out"] == 0
    measured = trainer.test(task, data, verbose=False)[0]
    assert measured["test/accuracy"] == 1.0
    assert measured["test/harmonic"] > 0.9


def test_numbers_are_high_or_low() -> None:
    task = DAP(["a", "b", "c"], ["size"], feature_names=["f"], backbone="none")
    task.attributes.copy_(torch.tensor([[10.0], [20.0], [90.0]]))
    assert task.binary.flatten().tolist() == [0, 0, 1]


def test_penalty_must_be_above_zero() -> None:
    with pytest.raises(ValueError, match=r"model.c=-1"):
        DAP(["a", "b"], ["x"], feature_names=["f"], backbone="none", c=-1)
