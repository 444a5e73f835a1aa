"""What features are worth: known votes, probes that separate what can be separated, rank and spread in closed form."""

import math
from collections.abc import Callable

import pytest
import torch
from torch.nn import functional as F

from leyden.data.batches.views import ViewImages
from leyden.transfer.self_supervised.evaluation import few_counts, few_pixels, knn_accuracy, linear_probe
from leyden.transfer.self_supervised.monitor import effective_rank, spread
from leyden.transfer.self_supervised.neighbours import nearest
from leyden.transfer.self_supervised.options import SelfSupervisedOptions
from leyden.transfer.self_supervised.simclr import SimCLR
from leyden.transfer.self_supervised.supervised import Task, supervised_accuracy


def test_effective_rank_counts_directions() -> None:
    assert effective_rank(torch.eye(7)).item() == pytest.approx(7, rel=1e-5)
    assert effective_rank(torch.ones(9, 5)).item() == pytest.approx(1, rel=1e-3)
    two = torch.diag(torch.tensor([3.0, 1.0, 0.0]))
    shares = (0.75, 0.25)
    assert effective_rank(two).item() == pytest.approx(math.exp(-sum(p * math.log(p) for p in shares)), rel=1e-4)


def test_spread_is_one_on_the_sphere_and_zero_at_a_point() -> None:
    even = torch.randn(20_000, 16, generator=torch.Generator().manual_seed(0))
    assert spread(even).item() == pytest.approx(1, abs=0.01)
    assert spread(torch.ones(10, 4) * torch.arange(1, 11)[:, None]).item() == pytest.approx(0, abs=1e-6)


def test_neighbours_vote_by_their_likeness() -> None:
    x = F.normalize(torch.tensor([[1.0, 0], [0.6, 0.8], [0.55, 0.83]]))
    y = torch.tensor([0, 1, 1])
    query = torch.tensor([[1.0, 0.05]])  # exp(.999 / .1) against exp(.64 / .1) + exp(.59 / .1)
    assert knn_accuracy(x, y, query, torch.tensor([0]), 3) == 1
    values, places = nearest(query, x, 2)
    assert places.tolist() == [[0, 1]]
    assert values[0, 0] == pytest.approx(1 / math.hypot(1, 0.05), abs=1e-6)


def test_probe_separates_lines_but_not_xor() -> None:
    corners = torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]]).repeat(20, 1)
    line, xor = (corners[:, 0] > 0).long(), (corners[:, 0] != corners[:, 1]).long()
    assert linear_probe(corners, line, corners, line) == 1
    assert linear_probe(corners, xor, corners, xor) <= 0.75


def test_few_labels_are_those_that_all_classes_have() -> None:
    labels = torch.tensor([0] * 9 + [1] * 3)
    assert few_counts(labels, [1, 3, 5], 2) == [1, 3]
    assert few_counts(labels, [1], 3) == []
    assert few_pixels(torch.full((2, 3, 64, 64), 255, dtype=torch.uint8)).shape == (2, 3 * 16 * 16)


def test_supervised_row_leaves_the_encoder_alone(new_views: Callable[..., ViewImages]) -> None:
    torch.manual_seed(0)
    data = new_views(scale=[1, 1], degrees=5)
    before = SimCLR(**data.spec, widths=[8, 16], strides=[1, 2]).backbone.eval()
    state = {key: value.clone() for key, value in before.state_dict().items()}
    train, test = data.labelled("train"), data.labelled("test")
    task = Task(train, train.columns.labels, test, test.columns.labels, data, steps=60)
    with torch.inference_mode():
        found = [supervised_accuracy(before, task, count) for count in (5, 5)]
    assert found[0] == found[1] > 0.5
    torch.testing.assert_close(before.state_dict(), state, rtol=0, atol=0)


def test_options_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match=r"model\.warmup=1"):
        SelfSupervisedOptions(warmup=1.0)
    with pytest.raises(ValueError, match=r"model.draws, model.knn and model.labels"):
        SelfSupervisedOptions(labels=[0])
