"""What is hidden from a masked language model: by counting, over a million tokens."""

import pytest
import torch

from leyden.data.columns import IGNORED
from leyden.data.text.masking.corruption import MaskedSequences, corrupt
from leyden.data.text.masking.pieces import Pieces, cut_texts

SPECIAL = [0, 1, 2, 3, 4]
ORDINARY = torch.arange(5, 205)
MASK = 4


class Numbers:
    """A tokenizer whose texts are numbers already."""

    pad, unknown, start, end, mask, size, special = 0, 1, 2, 3, MASK, 205, frozenset(SPECIAL)

    def decode(self, numbers: list[int]) -> str:
        return " ".join(map(str, numbers))


def sequences(lengths: list[int], room: int = 14, context: int | None = None) -> MaskedSequences:
    """Of texts so long, of ordinary tokens that tell the text: the text's number times 10, and up."""
    texts = [[5 + 10 * text + place % 10 for place in range(length)] for text, length in enumerate(lengths)]
    pieces = cut_texts(texts, Numbers(), room)  # type: ignore[arg-type]
    return MaskedSequences(pieces, Numbers(), 0.15, context)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def million() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(205, (2000, 500), generator=generator)
    read, asked = corrupt(tokens, torch.rand(2000, 500, 2, generator=generator), ORDINARY, MASK, 0.15)
    return tokens, read, asked


def test_parts_are_15_and_80_10_10(million: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> None:
    tokens, read, asked = million
    chosen = asked != IGNORED
    ordinary = tokens >= 5
    assert chosen[ordinary].float().mean().item() == pytest.approx(0.15, abs=0.002)
    hidden, kept = (read == MASK)[chosen], (read == tokens)[chosen]
    assert hidden.float().mean().item() == pytest.approx(0.8, abs=0.004)
    assert kept.float().mean().item() == pytest.approx(0.1 + 0.1 / 200, abs=0.003)  # a random token may be the same
    assert (~hidden & ~kept).float().mean().item() == pytest.approx(0.1 - 0.1 / 200, abs=0.003)


def test_special_tokens_are_left_alone(million: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> None:
    tokens, read, asked = million
    special = tokens < 5
    assert (asked[special] == IGNORED).all()
    assert torch.equal(read[special], tokens[special])
    chosen = asked != IGNORED
    assert torch.equal(asked[chosen], tokens[chosen])
    assert torch.equal(read[~chosen], tokens[~chosen])


def test_random_tokens_are_uniform_over_ordinary_ones(
    million: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
) -> None:
    tokens, read, asked = million
    drawn = read[(asked != IGNORED) & (read != MASK) & (read != tokens)]
    counts = torch.bincount(drawn, minlength=205)
    assert counts[:5].sum() == 0
    expected = len(drawn) / 200
    chi_square = ((counts[5:] - expected) ** 2 / expected).sum().item()
    assert chi_square < 199 + 5 * (2 * 199) ** 0.5  # 5 standard deviations above the mean


def test_the_same_numbers_hide_the_same() -> None:
    split = sequences([12, 9, 14])
    u = torch.rand(3, split.draws, generator=torch.Generator().manual_seed(2))
    once, again = split.sample(torch.arange(3), u), split.sample(torch.arange(3), u)
    assert all(torch.equal(a, b) for a, b in zip(once, again, strict=True))
    reverse = split.sample(torch.tensor([2, 1, 0]), u.flip(0))
    assert torch.equal(reverse.tokens.flip(0), once.tokens)
    assert torch.equal(reverse.targets.flip(0), once.targets)


def test_a_batch_is_as_long_as_its_longest() -> None:
    split = sequences([12, 9, 14])
    batch = split.sample(torch.tensor([1]), torch.ones(1, split.draws) - 1e-6)  # nothing is asked for
    assert batch.tokens.tolist() == [[2, *range(15, 24), 3]]
    assert batch.real.all()
    assert (batch.targets == IGNORED).all()
    both = split.sample(torch.tensor([1, 0]), torch.ones(2, split.draws) - 1e-6)
    assert both.tokens.shape == (2, 14)
    assert both.real.sum(1).tolist() == [11, 14]
    assert (both.tokens[~both.real] == Numbers.pad).all()
    assert (both.follows == IGNORED).all()


def test_pairs_follow_each_other_or_are_strangers() -> None:
    split = sequences([35, 28, 30, 25], room=6, context=15)
    count = 4000
    generator = torch.Generator().manual_seed(3)
    indices = torch.randint(len(split), (count,), generator=generator)
    u = torch.rand(count, split.draws, generator=generator)
    u[:, 2:] = 1 - 1e-6
    batch = split.sample(indices, u)
    assert batch.follows.float().mean().item() == pytest.approx(0.5, abs=0.03)
    text = (batch.tokens - 5) // 10
    for row, follows, segments, real, tokens in zip(
        text, batch.follows, batch.segments, batch.real, batch.tokens, strict=True
    ):
        ordinary = tokens >= 5
        first, second = row[ordinary & (segments == 0)].unique(), row[ordinary & (segments == 1)].unique()
        assert len(first) == len(second) == 1
        assert (first == second).item() == (follows == 0).item()
        kept = tokens[real].tolist()
        assert kept[0] == Numbers.start
        assert [place for place, token in enumerate(kept) if token == Numbers.end][-1] == len(kept) - 1
        assert kept.count(Numbers.end) == 2
        if follows == 0:
            begin = [token for token, s in zip(kept, segments.tolist(), strict=False) if token >= 5 and s == 0]
            after = [token for token, s in zip(kept, segments.tolist(), strict=False) if token >= 5 and s == 1]
            assert (after[0] - begin[-1]) % 10 == 1


def test_strangers_are_uniform_over_other_texts() -> None:
    split = sequences([18, 12, 30, 6], room=6, context=15)  # 3, 2, 5, 1 pieces
    drawn = split._elsewhere(torch.full((11 - 2,), 3), (torch.arange(9) + 0.5) / 9)
    assert drawn.tolist() == [0, 1, 2, 5, 6, 7, 8, 9, 10]  # all but those of the second text


@pytest.mark.parametrize("lengths", [[4, 5, 6], [30]])
def test_pairs_need_long_texts_and_several(lengths: list[int]) -> None:
    with pytest.raises(ValueError, match="needs several texts"):
        sequences(lengths, room=6, context=15)


def test_pieces_lose_no_token_but_a_short_rest() -> None:
    pieces = cut_texts([list(range(5, 25)), [], list(range(5, 28))], Numbers(), 10)  # type: ignore[arg-type]
    assert isinstance(pieces, Pieces)
    assert pieces.documents.tolist() == [0, 0, 2, 2]  # of the last three tokens there is no piece
    assert pieces.lengths.tolist() == [12, 12, 12, 12]
    assert pieces.tokens[1].tolist() == [2, *range(15, 25), 3]
