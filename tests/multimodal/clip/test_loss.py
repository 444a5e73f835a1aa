"""CLIP's loss: reference values, closed forms, gradients."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from leyden.multimodal.clip.loss import clip_loss, duplicates, uninformed_loss

IMAGES = F.normalize(torch.tensor([[1.0, 0], [1, 1], [0, 1]], dtype=torch.float64))
TEXTS = F.normalize(torch.tensor([[1, 0.2], [1, 0.8], [0.3, 1]], dtype=torch.float64))


def random_pairs(count: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    images, texts = torch.randn(2, count, 8, dtype=torch.float64, generator=generator)
    return F.normalize(images), F.normalize(texts)


def test_reference_value() -> None:
    assert clip_loss(IMAGES, TEXTS, 1 / 0.07).item() == pytest.approx(0.1292384708, abs=1e-10)


@pytest.mark.parametrize("count", [2, 128])
def test_log_batch_where_all_are_alike(count: int) -> None:
    alike = torch.ones(count, 4, dtype=torch.float64) / 2
    assert clip_loss(alike, alike, 14.0).item() == pytest.approx(math.log(count), abs=1e-12)
    assert uninformed_loss(torch.arange(count)).item() == pytest.approx(math.log(count), abs=1e-6)


def test_symmetric_and_zero_for_one_pair() -> None:
    images, texts = random_pairs(6)
    assert clip_loss(images, texts, 5.0).item() == pytest.approx(clip_loss(texts, images, 5.0).item(), abs=1e-12)
    assert clip_loss(images[:1], texts[:1], 5.0).item() == 0


def test_duplicates_are_no_negatives() -> None:
    images, texts = random_pairs(5)
    labels = torch.tensor([0, 1, 0, 2, 1])
    logits = 7 * images @ texts.T
    expected = 0.0
    for i in range(5):
        others = [j for j in range(5) if j == i or labels[j] != labels[i]]
        expected += (logits[i, others].logsumexp(0) - logits[i, i]).item() / 10
        expected += (logits[others, i].logsumexp(0) - logits[i, i]).item() / 10
    assert clip_loss(images, texts, 7.0, labels).item() == pytest.approx(expected, abs=1e-12)
    assert clip_loss(images, texts, 7.0, torch.arange(5)).item() == clip_loss(images, texts, 7.0).item()
    assert duplicates(labels).sum() == 4
    assert not duplicates(labels).diagonal().any()


def test_a_duplicate_is_neither_pushed_nor_pulled() -> None:
    texts = torch.eye(3, dtype=torch.float64)  # so that the gradient of image i is that of its three logits
    moved = []
    for labels in (None, torch.tensor([0, 0, 1])):
        images = random_pairs(3)[0][:, :3].clone().requires_grad_()
        clip_loss(images, texts, 5.0, labels).backward()
        assert images.grad is not None
        moved.append(images.grad != 0)
    assert moved[0].all()
    assert (~moved[1]).nonzero().tolist() == [[0, 1], [1, 0]]


def test_uninformed_loss_counts_what_is_told_apart() -> None:
    labels = torch.tensor([0, 0, 1])  # two, two and three candidates
    expected = (2 * math.log(2) + math.log(3)) / 3
    assert uninformed_loss(labels).item() == pytest.approx(expected, abs=1e-6)
    alike = torch.ones(3, 4) / 2
    assert clip_loss(alike, alike, 9.0, labels).item() == pytest.approx(expected, abs=1e-6)


def test_equals_open_clip() -> None:
    open_clip = pytest.importorskip("open_clip", reason="the extra clip")
    images, texts = (part.requires_grad_() for part in random_pairs(16))
    ours = clip_loss(images, texts, 20.0)
    theirs = open_clip.ClipLoss()(images, texts, torch.tensor(20.0, dtype=torch.float64))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)
    mine = torch.autograd.grad(ours, [images, texts])
    torch.testing.assert_close(mine, torch.autograd.grad(theirs, [images, texts]), rtol=0, atol=1e-12)
