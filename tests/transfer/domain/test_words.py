"""Weights of words: those of a linear classifier, and which are shown."""

import torch

from leyden.transfer.domain.words import frequencies, strongest, word_weights


def test_weights_of_a_linear_classifier() -> None:
    matrix = torch.tensor([[1.0, -2, 0], [0.5, 3, -1]]).double()
    found = word_weights(lambda x: x @ matrix.T, torch.rand(5, 3))
    torch.testing.assert_close(found, torch.tensor([-0.5, 5, -1]).double())


def test_the_strongest_of_either_sign() -> None:
    weights = torch.tensor([0.5, -0.1, 3.0, -2.0, 9.0, 0.0])
    assert strongest(weights, torch.tensor([1, 1, 1, 1, 0, 1]).bool()) == [2, 0, 1, 3]


def test_frequency_is_the_part_of_texts() -> None:
    assert frequencies(torch.tensor([[0.5, 0], [2.0, 0]])).tolist() == [1, 0]
