from unittest.mock import patch

import pytest
import torch
from torch import Tensor

from leyden.data.ragged import BucketLoader, Ragged, padded

LENGTHS = torch.arange(400) * 7 % 23 + 1


def ragged(lengths: Tensor = LENGTHS, pad: int = 9) -> Ragged:
    """Text i has the tokens i, i, ..."""
    number = torch.arange(len(lengths))
    return Ragged(number.repeat_interleave(lengths), lengths, number % 2, pad)


def seen(loader: BucketLoader) -> list[list[int]]:
    return [batch.tokens[:, 0].tolist() for batch in loader]


def test_a_batch_is_as_wide_as_its_longest() -> None:
    batch = ragged(torch.tensor([2, 1, 3])).sample(torch.tensor([2, 1]))
    assert batch.tokens.tolist() == [[2, 2, 2], [1, 9, 9]]
    assert batch.lengths.tolist() == [3, 1]
    assert batch.labels.tolist() == [0, 1]


def test_features_are_padded_by_zeros() -> None:
    values = torch.arange(8.0).view(4, 2) + 1
    batch = Ragged(values, torch.tensor([1, 3]), torch.zeros(2).long(), pad=9).sample(torch.tensor([0, 1]))
    assert batch.tokens.shape == (2, 3, 2)
    assert batch.tokens[0, 1:].eq(0).all()
    torch.testing.assert_close(batch.tokens[1], values[1:], rtol=0, atol=0)


def test_lengths_that_do_not_add_up() -> None:
    with pytest.raises(ValueError, match="2 texts of 4 tokens together, but 5 values"):
        Ragged(torch.zeros(5), torch.tensor([1, 3]), torch.zeros(2))


def test_an_epoch_is_each_text_once_in_little_padding() -> None:
    batches = list(BucketLoader(ragged(), 8, train=True, seed=3))
    assert sorted(n for batch in batches for n in batch.tokens[:, 0].tolist()) == list(range(400))
    real = sum(int(batch.lengths.sum()) for batch in batches)
    assert real / sum(batch.tokens.numel() for batch in batches) > 0.95
    widths = [batch.tokens.shape[1] for batch in batches]
    assert widths != sorted(widths)


def test_the_order_is_one_of_seed_and_epoch() -> None:
    first, again, other = (BucketLoader(ragged(), 8, train=True, seed=seed) for seed in (3, 3, 4))
    epochs = [seen(first), seen(first)]
    assert epochs == [seen(again), seen(again)]
    assert epochs[0] != epochs[1]
    assert epochs[0] != seen(other)


@pytest.mark.parametrize("stop", [1, 17, 50])
def test_resumed_behind_any_batch(stop: int) -> None:
    whole, stopped = (BucketLoader(ragged(), 8, train=True) for _ in range(2))
    expected = seen(whole) + seen(whole)
    batches = iter(stopped)
    begun = [next(batches).tokens[:, 0].tolist() for _ in range(stop)]
    resumed = BucketLoader(ragged(), 8, train=True)
    resumed.load_state_dict(stopped.state_dict())
    rest = seen(resumed) + (seen(resumed) if stop < 50 else [])
    assert begun + rest == expected


def test_the_ragged_end_is_not_the_longest_texts() -> None:
    left_out = set()
    loader = BucketLoader(ragged(), 48, train=True)
    for _ in range(4):
        batches = seen(loader)
        assert [len(batch) for batch in batches] == [48] * 8
        left_out |= set(range(400)) - {n for batch in batches for n in batch}
    assert LENGTHS[list(left_out)].float().mean() < 16


def test_evaluation_goes_from_short_to_long() -> None:
    batches = list(BucketLoader(ragged(), 7))
    lengths = torch.cat([batch.lengths for batch in batches])
    torch.testing.assert_close(lengths, LENGTHS.sort().values, rtol=0, atol=0)
    assert len(lengths) == 400


def test_ranks_share_steps_of_like_lengths() -> None:
    ranks = []
    for rank in range(2):
        loader = BucketLoader(ragged(), 8, train=True)
        with patch.object(loader, "_rank_and_world", return_value=(rank, 2)):
            ranks.append(list(loader))
    numbers = [n for batches in ranks for batch in batches for n in batch.tokens[:, 0].tolist()]
    assert sorted(numbers) == list(range(400))
    gaps = [abs(a.tokens.shape[1] - b.tokens.shape[1]) for a, b in zip(*ranks, strict=True)]
    assert max(gaps) <= 1


def test_padding_stands_behind_shorter_rows() -> None:
    tokens, lengths = padded([[5, 6, 7], [8]], pad=9)
    assert tokens.tolist() == [[5, 6, 7], [8, 9, 9]]
    assert tokens.dtype == torch.int64
    assert lengths.tolist() == [3, 1]
