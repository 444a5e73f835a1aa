"""How tokens are drawn: closed forms."""

import pytest
import torch

from leyden.text.sampling import Sampling, draw, nucleus

P = torch.tensor([0.05, 0.1, 0.5, 0.25, 0.1])


def drawn(sampling: Sampling, count: int = 20_000) -> torch.Tensor:
    """The share of each token in many draws."""
    tokens = draw(P.log().expand(count, -1), sampling, torch.Generator().manual_seed(0))
    return tokens.bincount(minlength=5) / count


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_temperature_flattens_and_sharpens(temperature: float) -> None:
    expected = P ** (1 / temperature)
    torch.testing.assert_close(drawn(Sampling(temperature)), expected / expected.sum(), atol=0.01, rtol=0)


@pytest.mark.parametrize("sampling", [Sampling(0), Sampling(1e-4), Sampling(1, top_k=1), Sampling(1, top_p=1e-6)])
def test_no_temperature_or_one_token_is_greedy(sampling: Sampling) -> None:
    logits = torch.randn(500, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(draw(logits, sampling, torch.Generator().manual_seed(1)), logits.argmax(1))


def test_top_k_leaves_the_likeliest() -> None:
    expected = torch.tensor([0, 0, 2, 1, 0]) / 3
    torch.testing.assert_close(drawn(Sampling(1, top_k=2)), expected, atol=0.02, rtol=0)
    every = (drawn(Sampling(1, top_k=k), 6000) for k in (None, 5, 9))
    assert len({tuple(share.tolist()) for share in every}) == 1


@pytest.mark.parametrize(
    ("mass", "kept"),
    [(0.3, [2]), (0.5, [2]), (0.51, [2, 3]), (0.75, [2, 3]), (0.9, [1, 2, 3, 4]), (1.0, [0, 1, 2, 3, 4])],
)
def test_top_p_leaves_the_smallest_set(mass: float, kept: list[int]) -> None:
    p = torch.tensor([[0.0625, 0.09375, 0.5, 0.25, 0.09375]])  # exact in binary
    assert nucleus(p, mass)[0].nonzero()[:, 0].tolist() == kept


def test_the_smallest_set_on_any_probabilities() -> None:
    p = torch.randn(200, 12, generator=torch.Generator().manual_seed(0)).mul(2).softmax(-1)
    for mass in (0.1, 0.5, 0.9):
        kept = nucleus(p, mass)
        total = (p * kept).sum(-1)
        least = p.masked_fill(~kept, 2).min(-1).values
        assert (total >= mass - 1e-6).all()  # enough
        assert ((total - least < mass) | (kept.sum(-1) == 1)).all()  # and no more than needed
        assert (least >= p.masked_fill(kept, -1).max(-1).values).all()  # the likeliest


def test_top_p_draws_by_what_is_left() -> None:
    expected = torch.tensor([0, 0, 2, 1, 0]) / 3
    torch.testing.assert_close(drawn(Sampling(1, top_p=0.7)), expected, atol=0.02, rtol=0)


def test_values_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match=r"model.temperature=-1 must be 0 or more"):
        Sampling(-1)
    with pytest.raises(ValueError, match=r"model.top_k=0 counts from 1"):
        Sampling(top_k=0)
    with pytest.raises(ValueError, match=r"model.top_p=1.5 must be above 0 and at most 1"):
        Sampling(top_p=1.5)
