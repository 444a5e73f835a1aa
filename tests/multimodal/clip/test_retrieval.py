"""Retrieval: ranks, recalls, factors, floors; by hand."""

import pytest
import torch

from leyden.multimodal.clip.evaluation import accuracies, nearest_pixels, shrunk
from leyden.multimodal.clip.figures import first_of_each
from leyden.multimodal.clip.retrieval import factor_values, ranks, retrieval_figures

SCORES = torch.tensor([[0.9, 0.5, 0.1], [0.9, 0.5, 0.1], [0.2, 0.2, 0.1]])
RIGHT = torch.tensor([[1, 0, 0], [0, 0, 1], [0, 1, 1]], dtype=torch.bool)


def test_rank_of_the_first_right_one() -> None:
    assert ranks(SCORES, RIGHT).tolist() == [1, 3, 2]  # a tie counts against


def test_recall_and_median() -> None:
    figures = retrieval_figures(torch.tensor([1, 1, 4, 6, 9]))
    assert figures == pytest.approx({"recall_1": 0.4, "recall_5": 0.6, "median_rank": 4})


def test_nothing_right_is_refused() -> None:
    with pytest.raises(ValueError, match="no right candidate"):
        ranks(SCORES, torch.zeros_like(RIGHT))


def test_accuracies_of_seen_and_unseen() -> None:
    scores = torch.tensor([[3.0, 2, 1], [3, 1, 2], [1, 2, 3]])
    labels = torch.tensor([0, 2, 2])
    found = accuracies(scores, labels, torch.tensor([False, True, True]))
    expected = {"accuracy": 2 / 3, "seen_accuracy": 1.0, "unseen_accuracy": 0.5, "unseen_among_unseen": 1.0}
    assert found == pytest.approx(expected)
    assert accuracies(scores, labels, torch.zeros(3, dtype=torch.bool)).keys() == {"accuracy", "seen_accuracy"}


def test_factors_are_whole_words() -> None:
    names = ["a red seven on grass", "Seven, seventeen", "a reddish one"]
    values = factor_values(names, {"digit": ["one", "seven"], "colour": ["red"]})
    assert values["digit"].tolist() == [1, 1, 0]
    assert values["colour"].tolist() == [0, -1, -1]


def test_first_of_texts_that_differ() -> None:
    tokens = torch.tensor([[5, 1], [2, 2], [5, 1], [1, 9], [2, 2]])
    assert first_of_each(tokens).tolist() == [0, 1, 3]


def test_nearest_by_pixels() -> None:
    others = torch.randint(256, (6, 3, 64, 64), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    assert nearest_pixels(others[[4, 1]], others).tolist() == [4, 1]
    assert nearest_pixels(shrunk(others[[4, 1]], 32), others).tolist() == [4, 1]
