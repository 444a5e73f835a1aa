"""The pointer transformer: its distribution, its caches, what padding and later tokens may not change."""

import pytest
import torch
from torch import Tensor

from leyden.text.summary.net import PointerTransformer, followers

PAD, START, END, V = 0, 1, 2, 20


def net(copy: bool = True) -> PointerTransformer:
    """One whose predictions differ from place to place, as those of a fresh one hardly do."""
    torch.manual_seed(0)
    found = PointerTransformer(V, 12, 8, PAD, layers=2, decoder_layers=2, heads=2, width=16, dropout=0.0, copy=copy)
    with torch.no_grad():
        for parameter in found.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.4)
    return found.eval()


def tokens(rows: int, length: int, seed: int = 1) -> Tensor:
    return torch.randint(3, V, (rows, length), generator=torch.Generator().manual_seed(seed))


def written(rows: int, length: int) -> Tensor:
    return torch.cat([torch.full((rows, 1), START), tokens(rows, length - 1, 2)], 1)


@pytest.mark.parametrize("copy", [True, False])
def test_probabilities_add_up(copy: bool) -> None:
    text = tokens(3, 9)
    mixture, _ = net(copy).write(written(3, 5), net(copy).read(text))
    full = mixture.full(text)
    torch.testing.assert_close(full.sum(-1), torch.ones(3, 5))
    targets = tokens(3, 5, 4)
    torch.testing.assert_close(mixture.at(targets, text), full.gather(-1, targets[..., None])[..., 0])
    if copy:
        assert (mixture.p_gen < 1).all()
    else:
        torch.testing.assert_close(full, mixture.logits.softmax(-1))


def test_without_generating_only_the_text_s_tokens_are_left() -> None:
    model, text = net(), torch.tensor([[5, 6, 5, 7]])
    torch.nn.init.zeros_(model.gate.weight)
    torch.nn.init.constant_(model.gate.bias, -100.0)
    mixture, _ = model.write(written(1, 3), model.read(text))
    full = mixture.full(text)[0]
    torch.testing.assert_close(full[:, [5, 6, 7]].sum(-1), torch.ones(3))
    torch.testing.assert_close(full[:, 5], mixture.attention[0, :, 0] + mixture.attention[0, :, 2])


def test_one_by_one_is_as_all_at_once() -> None:
    model, text, own = net(), tokens(2, 9), written(2, 6)
    memory = model.read(text)
    whole = model.write(own, memory)[0]
    caches = None
    for t in range(1, 7):
        one, caches = model.write(own[:, :t], memory, caches)
        torch.testing.assert_close(one.full(text)[:, -1], whole.full(text)[:, t - 1], rtol=1e-5, atol=1e-6)


def test_later_tokens_change_nothing_before() -> None:
    model, text, own = net(), tokens(1, 9), written(1, 6)
    other = own.clone()
    other[0, 4:] = 3 + (other[0, 4:] - 2) % (V - 3)
    memory = model.read(text)
    before, after = (model.write(each, memory)[0].full(text) for each in (own, other))
    torch.testing.assert_close(before[:, :4], after[:, :4], rtol=0, atol=0)
    assert not torch.allclose(before[:, 4:], after[:, 4:])


def test_padding_changes_nothing() -> None:
    model, text, own = net(), tokens(1, 7), written(1, 4)
    longer = torch.cat([text, torch.zeros(1, 4, dtype=torch.int64)], 1)
    short, long = (model.write(own, model.read(each))[0].full(each) for each in (text, longer))
    torch.testing.assert_close(short, long, rtol=1e-5, atol=1e-6)


def test_places_behind_what_was_written() -> None:
    text = torch.tensor([[5, 6, 7, 6, 8]])
    one, two = followers(torch.tensor([[1, 5, 6]]), text)
    assert one[0].tolist() == [[0, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 1, 0, 1]]
    assert two[0].tolist() == [[0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 1, 0, 0]]


def test_the_gradient_reaches_every_parameter() -> None:
    model = net()
    text = tokens(2, 9)
    own = torch.cat([torch.full((2, 1), START), text[:, :4]], 1)  # so that places follow what is written
    mixture, _ = model.write(own, model.read(text))
    (-mixture.at(tokens(2, 5, 4), text).log().mean()).backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.parameters())
