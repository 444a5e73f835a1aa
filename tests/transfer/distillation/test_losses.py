"""Losses on features of distillation: the papers' values, limits and gradients."""

import math

import pytest
import torch
from torch.autograd import gradcheck

from leyden.transfer.distillation.losses import (
    attention_loss,
    attention_map,
    hint_loss,
    same_size,
)


def test_gradients_by_differences() -> None:
    maps = torch.randn(2, 3, 4, 4, dtype=torch.float64, requires_grad=True, generator=torch.Generator().manual_seed(0))
    other = torch.randn(2, 5, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert gradcheck(lambda x: attention_loss([x], [other]), maps)
    assert gradcheck(lambda x: hint_loss(x, other[:, :3]), maps)


def test_teacher_gets_no_gradient() -> None:
    maps = torch.ones(1, 2, 2, 2, requires_grad=True)
    own = torch.rand(1, 2, 2, 2, requires_grad=True)
    (hint_loss(own, maps) + attention_loss([own], [maps])).backward()
    assert own.grad is not None
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
