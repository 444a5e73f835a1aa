"""ESZSL: reference values, the closed form against gradient descent's optimum, choice of gamma and lambda."""

import pytest
import torch
from zero_shot_toy import described, seen_data

from leyden.transfer.zero_shot.eszsl import ESZSL, POWERS, bilinear_map
from training import quiet_trainer

X = torch.tensor([[1, 0, 0.5], [0, 1, 0.5], [1, 1, 0], [0.2, 0.9, 0.1]], dtype=torch.float64)
LABELS = torch.tensor([0, 1, 0, 1])
SIGNATURES = torch.tensor([[1, 0, 1], [0, 1, 1]], dtype=torch.float64)
"""Classes in rows; they share their third attribute."""


def test_reference_values() -> None:
    expected = [[0.34770591, -0.34770591, 0], [-0.1973466, 0.1973466, 0], [-0.09673853, 0.09673853, 0]]
    v = bilinear_map(X, LABELS, SIGNATURES, gamma=0.5, lam=2.0)
    torch.testing.assert_close(v, torch.tensor(expected, dtype=torch.float64), atol=1e-8, rtol=0)


def test_map_is_the_minimum_of_its_objective() -> None:
    gamma, lam = 0.7, 1.3
    v = bilinear_map(X, LABELS, SIGNATURES, gamma, lam).requires_grad_()
    y = 2 * torch.nn.functional.one_hot(LABELS).double() - 1
    misfit = (X @ v @ SIGNATURES.T - y).square().sum()
    size = gamma * (v @ SIGNATURES.T).square().sum() + lam * (X @ v).square().sum() + gamma * lam * v.square().sum()
    (misfit + size).backward()
    assert v.grad is not None
    torch.testing.assert_close(v.grad, torch.zeros_like(v), atol=1e-12, rtol=0)


def test_attribute_that_all_classes_share_says_nothing() -> None:
    assert bilinear_map(X, LABELS, SIGNATURES, 1.0, 1.0)[:, 2].abs().max() < 1e-12


def test_unseen_classes_by_their_attributes_alone() -> None:
    task, trainer, data = described(ESZSL)
    trainer.fit(task, data)
    assert trainer.callback_metrics["train/log10_gamma"] in torch.tensor(POWERS).log10()
    measured = trainer.test(task, data, verbose=False)[0]
    assert measured["test/accuracy"] == 1.0
    assert measured["test/harmonic"] > 0.9


def test_refit_makes_validating_classes_seen() -> None:
    found = {}
    for refit in (False, True):
        task, trainer, data = described(ESZSL, refit=refit, gamma=1.0, lam=1.0)
        trainer.fit(task, data)
        found[refit] = task
        seen = task.candidates("test")[0].nonzero().flatten().tolist()
        assert seen == sorted([*data.division.train, *(data.division.val if refit else [])])
    torch.testing.assert_close(found[True].validated_map, found[False].map)
    assert not torch.equal(found[True].map, found[False].map)


def test_labels_of_unseen_classes_change_nothing() -> None:
    maps = []
    for shuffled in (False, True):
        task, trainer, _ = described(ESZSL)
        trainer.fit(task, seen_data(shuffle_unseen=shuffled))
        maps.append(task.map)
    torch.testing.assert_close(maps[0], maps[1], rtol=0, atol=0)


def test_weights_must_be_above_zero() -> None:
    with pytest.raises(ValueError, match=r"model.gamma=0.0"):
        ESZSL(["a", "b"], ["x"], feature_names=["f"], backbone="none", gamma=0.0)


def test_other_data_are_refused() -> None:
    from leyden.data.batches.gan.images import GanImages
    from leyden.data.source.builtin.digits import Digits

    task = ESZSL(["a", "b"], ["x"], 1, 8, backbone="none")
    with pytest.raises(ValueError, match="data=transfer/attributes"):
        quiet_trainer(max_steps=1).fit(task, GanImages(Digits()))
