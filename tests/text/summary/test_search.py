"""Beam search against all texts that there are, and its limits."""

import itertools

import pytest
import torch

from leyden.text.summary.net import PointerTransformer
from leyden.text.summary.search import Rules, beam_search

PAD, START, END, V = 0, 1, 2, 7
NEVER = [PAD, START]


def rules(longest: int, least: int = 0, unique: int = 0) -> Rules:
    return Rules(START, END, NEVER, longest, least, (3,), unique)


def net(scale: float = 0.7) -> PointerTransformer:
    torch.manual_seed(3)
    found = PointerTransformer(V, 6, 5, PAD, layers=1, decoder_layers=1, heads=2, width=8, dropout=0.0, copy=True)
    with torch.no_grad():
        for parameter in found.parameters():
            parameter.copy_(torch.randn_like(parameter) * scale)
    return found.eval()


TEXTS = torch.tensor([[3, 4, 5, 6, 3, 4], [6, 6, 5, 0, 0, 0]])


@torch.no_grad()
def score(model: PointerTransformer, text: torch.Tensor, own: list[int], penalty: float) -> float:
    """ln P of a text with its end, which is forced behind three tokens, over its length's penalty."""
    mixture, _ = model.write(torch.tensor([[START, *own]]), model.read(text[None]))
    logs = mixture.at(torch.tensor([[*own, END]]), text[None])[0].log()
    return float(logs.sum() if len(own) < 3 else logs[:-1].sum()) / ((6 + len(own)) / 6) ** penalty


@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_many_beams_find_the_best_of_all_texts(penalty: float) -> None:
    model = net()
    found = beam_search(model, TEXTS, rules(4), 90, penalty)
    every = [list(each) for n in range(4) for each in itertools.product(range(3, V), repeat=n)]
    for text, own in zip(TEXTS, found.tokens, strict=True):
        assert own == max(every, key=lambda each: score(model, text, each, penalty))


def test_one_beam_takes_the_likeliest_each_time() -> None:
    model = net()
    found = beam_search(model, TEXTS, rules(4), 1)
    for text, own in zip(TEXTS, found.tokens, strict=True):
        memory = model.read(text[None])
        for t in range(len(own) + (len(own) < 3)):
            full = model.write(torch.tensor([[START, *own[:t]]]), memory)[0].full(text[None])[0, -1]
            full[NEVER] = 0
            assert int(full.argmax()) == [*own, END][t]


def test_a_batch_is_as_one_by_one() -> None:
    model = net()
    both = beam_search(model, TEXTS, rules(5), 3)
    for i, text in enumerate(TEXTS):
        alone = beam_search(model, text[None, text != PAD], rules(5), 3)
        assert alone.tokens[0] == both.tokens[i]
        assert alone.copied[0] == pytest.approx(both.copied[i], abs=1e-5)


def test_least_and_greatest_length_hold() -> None:
    model = net()
    for least in (0, 2, 3):
        found = beam_search(model, TEXTS, rules(5, least), 2)
        for own in found.tokens:
            assert least <= len(own) <= 4
            assert not {PAD, START, END} & {*own}
            assert 3 not in own[:least]


def test_what_is_copied_is_a_part() -> None:
    found = beam_search(net(), TEXTS, rules(5, 3), 2)
    for own, copied, attention in zip(*found, strict=True):
        assert len(own) == len(copied) == len(attention)
        assert all(0 <= part <= 1 + 1e-6 for part in copied)
        torch.testing.assert_close(attention.sum(1), torch.ones(len(own)))


@pytest.mark.parametrize(("unique", "refused"), [(0, set()), (1, {4, 5, 6}), (2, {5, 6}), (3, {5, 6}), (4, {6})])
def test_what_was_written_is_not_written_again(unique: int, refused: set[int]) -> None:
    written = torch.tensor([[START, 5, 4, 5, 4, 6, 4, 5, 4]])  # 5 and 6 stand behind 4 and behind 5 4, 6 behind 4 5 4
    logs = rules(20, unique=unique).allow(torch.zeros(1, V), written)
    assert {*(logs[0] == -torch.inf).nonzero()[:, 0].tolist()} - {*NEVER} == refused


def test_no_pair_is_written_twice() -> None:
    found = beam_search(net(2.0), TEXTS, rules(5, 4, unique=2), 3)
    for own in found.tokens:
        pairs = list(itertools.pairwise(own))
        assert len(own) == 4
        assert len(pairs) == len({*pairs})
