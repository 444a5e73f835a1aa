"""The loss of soft labels: values by scipy, its limits, its gradients."""

import pytest
import torch
from torch.autograd import gradcheck
from torch.nn import functional as F

from leyden.metrics.soft_labels import soft_label_loss

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


def test_gradient_by_differences() -> None:
    assert gradcheck(lambda x: soft_label_loss(x, TEACHER, 2.5), STUDENT.clone().requires_grad_())


def test_teacher_gets_no_gradient() -> None:
    student, teacher = STUDENT.clone().requires_grad_(), TEACHER.clone().requires_grad_()
    soft_label_loss(student, teacher).backward()
    assert student.grad is not None
    assert teacher.grad is None


def test_it_is_cross_entropy_less_the_teacher_s_entropy() -> None:
    p = TEACHER.softmax(1)
    own = -(p * p.log()).sum(1).mean()
    torch.testing.assert_close(soft_label_loss(STUDENT, TEACHER), F.cross_entropy(STUDENT, p) - own)
