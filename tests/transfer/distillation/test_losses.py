"""Losses of distillation: the papers' values, limits and gradients."""

import math

import pytest
import torch
from torch.autograd import gradcheck
from torch.nn import functional as F

from leyden.metrics.soft_labels import soft_label_loss
from leyden.transfer.distillation.losses import (
    attention_loss,
    attention_map,
    hint_loss,
    same_size,
)

STUDENT = torch.tensor([[1.0, 2, 3], [0, -1, 1]], dtype=torch.float64)
TEACHER = torch.tensor([[3.0, 1, 0], [0, 2, -1]], dtype=torch.float64)


@pytest.mark.parametrize(("temperature", "expected"), [(1.0, 1.685124016), (4.0, 2.154541257)])
def test_soft_labels_have_reference_values(temperature: float, expected: float) -> None:
    """By scipy; 2.154541257 is 16 times the divergence at T = 4."""
    assert float(soft_label_loss(STUDENT, TEACHER, temperature)) == pytest.approx(expected, abs=1e-9)


def test_equal_logits_cost_nothing() -> None:
    assert float(soft_label_loss(STUDENT, STUDENT + 5, 3.0)) == pytest.approx(0, abs=1e-12)
    assert soft_label_loss(STUDENT[:0], TEACHER[:0]).item() == 0


def test_gradient_at_high_temperature() -> None:
    """Hinton et al. 2015, eq. 4, times T^2: (student - teacher) / classes, of logits with zero mean; over images."""
    student = (STUDENT - STUDENT.mean(1, keepdim=True)).requires_grad_()
    teacher = TEACHER - TEACHER.mean(1, keepdim=True)
    soft_label_loss(student, teacher, 1e4).backward()
    torch.testing.assert_close(student.grad, (student - teacher).detach() / 3 / 2, rtol=1e-3, atol=1e-5)


def test_gradient_at_temperature_one() -> None:
    student = STUDENT.clone().requires_grad_()
    soft_label_loss(student, TEACHER).backward()
    torch.testing.assert_close(student.grad, (STUDENT.softmax(1) - TEACHER.softmax(1)) / 2)


def test_hard_teacher_is_cross_entropy() -> None:
    labels = torch.tensor([2, 0])
    certain = 1e4 * F.one_hot(labels, 3).double()
    torch.testing.assert_close(soft_label_loss(STUDENT, certain), F.cross_entropy(STUDENT, labels))


def test_gradients_by_differences() -> None:
    maps = torch.randn(2, 3, 4, 4, dtype=torch.float64, requires_grad=True, generator=torch.Generator().manual_seed(0))
    other = torch.randn(2, 5, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert gradcheck(lambda x: attention_loss([x], [other]), maps)
    assert gradcheck(lambda x: hint_loss(x, other[:, :3]), maps)
    assert gradcheck(lambda x: soft_label_loss(x, TEACHER, 2.5), STUDENT.clone().requires_grad_())


def test_teacher_gets_no_gradient() -> None:
    teacher = TEACHER.clone().requires_grad_()
    maps = torch.ones(1, 2, 2, 2, requires_grad=True)
    loss = soft_label_loss(STUDENT.clone().requires_grad_(), teacher) + hint_loss(torch.zeros(1, 2, 2, 2), maps)
    loss = loss + attention_loss([torch.rand(1, 2, 2, 2, requires_grad=True)], [maps])
    loss.backward()
    assert teacher.grad is None
    assert maps.grad is None


def test_hint_is_half_the_mean_square() -> None:
    assert hint_loss(torch.zeros(2, 3), torch.full((2, 3), 2.0)).item() == 2


def test_attention_by_hand() -> None:
    """Channels (1, 2) and (2, 0): squares 1 + 4 and 4 + 0, of length sqrt(41)."""
    maps = torch.tensor([1.0, 2, 2, 0]).view(1, 2, 1, 2)
    found = attention_map(maps)
    torch.testing.assert_close(found, torch.tensor([[5.0, 4]]) / math.sqrt(41))
    torch.testing.assert_close(attention_loss([maps, maps], [-3 * maps, maps]), torch.tensor(0.0))
    apart = attention_loss([torch.tensor([1.0, 0]).view(1, 1, 1, 2)], [torch.tensor([0.0, 1]).view(1, 1, 1, 2)])
    assert apart.item() == pytest.approx(1)


def test_larger_map_is_averaged() -> None:
    large = torch.arange(16.0).view(1, 1, 4, 4)
    small, kept = same_size(large, torch.zeros(1, 2, 2, 2))
    assert small.flatten().tolist() == [2.5, 4.5, 10.5, 12.5]
    assert kept.shape == (1, 2, 2, 2)
    with pytest.raises(ValueError, match="give pairs"):
        attention_loss([large], [])
