from itertools import islice

import pytest
import torch

from leyden.data.columns import Images
from leyden.data.loader import Loader
from leyden.data.paired_loader import PairedLoader
from leyden.data.splits import InMemory


def loader(count: int, batch_size: int = 2, train: bool = True, seed: int = 0) -> Loader:
    return Loader(InMemory(Images(torch.arange(count))), batch_size, train=train, seed=seed)


def paired(first: int, second: int, train: bool = True) -> PairedLoader:
    numbers = (loader(first, train=train), loader(second, train=train, seed=1))
    return PairedLoader(*numbers, lambda a, b: (a.images.tolist(), b.images.tolist()))


def test_an_epoch_is_a_pass_over_the_first() -> None:
    pairs = paired(6, 100)
    assert len(pairs) == 3
    for _ in range(2):
        assert sorted(number for first, _ in pairs for number in first) == list(range(6))


@pytest.mark.parametrize("second", [4, 10])
def test_the_second_sees_each_example_once_a_round(second: int) -> None:
    pairs = paired(6, second)
    seen = [number for _ in range(10) for _, batch in pairs for number in batch]
    rounds = [seen[start : start + second] for start in range(0, len(seen), second)]
    assert all(sorted(numbers) == list(range(second)) for numbers in rounds)
    assert len({tuple(numbers) for numbers in rounds}) > 1


@pytest.mark.parametrize("second", [4, 10])
@pytest.mark.parametrize("stop", [1, 3, 5, 6])
def test_both_go_on_where_they_stopped(stop: int, second: int) -> None:
    whole = paired(6, second)
    expected = [pair for _ in range(4) for pair in whole]
    stopped, resumed = paired(6, second), paired(6, second)
    first = [pair for _ in range(stop // 3) for pair in stopped] + list(islice(stopped, stop % 3))
    resumed.load_state_dict(stopped.state_dict())
    left = [pair for _ in range(4 - stop // 3) for pair in resumed]
    assert [*first, *left] == expected


def test_evaluation_begins_the_second_anew() -> None:
    pairs = paired(4, 100, train=False)
    assert list(pairs) == list(pairs) == [([0, 1], [0, 1]), ([2, 3], [2, 3])]


def test_a_thrown_away_iterator_costs_nothing() -> None:
    pairs, other = paired(6, 10), paired(6, 10)
    iter(pairs)
    assert list(pairs) == list(other)
