import pytest
import torch

from leyden.data.batches.episodes import Episodes, episode_problem
from leyden.data.columns import LabelledImages
from leyden.data.splits import InMemory

LABELS = torch.arange(6).repeat_interleave(4)
NAMES = list("abcdef")


def test_every_class_and_every_image_comes_up() -> None:
    images = torch.arange(24, dtype=torch.uint8).view(24, 1, 1, 1)
    drawn = Episodes(InMemory(LabelledImages(images, LABELS)), 1, 3, 1, 2, NAMES)
    support, queries = [], []
    for u in torch.rand(200, 2, generator=torch.Generator().manual_seed(0)):
        episode = drawn.sample(torch.tensor([0]), u[None])
        support.append(episode.support_images.flatten())
        queries.append(episode.query_images.flatten())
    counts = torch.cat(support).bincount(minlength=24)
    assert counts.sum() == 600
    assert counts.tolist() == pytest.approx([25] * 24, abs=18)
    assert torch.cat(queries).bincount(minlength=24).tolist() == pytest.approx([50] * 24, abs=25)


def test_why_there_can_be_no_episode() -> None:
    assert episode_problem(LABELS, ways=6, shots=2, queries=2, names=NAMES) is None
    assert episode_problem(LABELS, ways=24, shots=2, queries=2, names=NAMES, turns=4) is None
    few = episode_problem(LABELS, ways=7, shots=2, queries=2, names=NAMES)
    assert few is not None
    assert "7 classes needs as many, there are 6: lower data.ways" in few
    short = episode_problem(LABELS[3:], ways=2, shots=2, queries=2, names=NAMES)
    assert short is not None
    assert "of 6 classes 'a' has 1: lower these numbers" in short
    many = episode_problem(LABELS, ways=2, shots=3, queries=2, names=NAMES)
    assert many is not None
    assert "'e' has 4, and 1 more" in many
