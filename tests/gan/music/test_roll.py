"""Piano rolls that networks take: there and back, and what G's logits mean."""

import pytest
import torch
from tunes import tune

from leyden.gan.music.roll import activate, from_roll, gumbel, to_roll

LOWEST, PITCHES = 36, 48


def logits_of(moves: list[bool], rows: list[int], pitches: int = 3) -> torch.Tensor:
    """(1, 1, 2 + pitches, T): whether the voice moves in each step, and to which row (0 is silence)."""
    logits = torch.full((1, 1, 2 + pitches, len(moves)), -4.0)
    logits[0, 0, 0] = torch.tensor([4.0 if moved else -4.0 for moved in moves])
    for step, row in enumerate(rows):
        logits[0, 0, 1 + row, step] = 4.0
    return logits


def last(row: int, pitches: int = 3) -> torch.Tensor:
    return torch.nn.functional.one_hot(torch.tensor([[row]]), 1 + pitches).float()


def test_rolls_are_read_back() -> None:
    notes, onsets = tune(0)
    notes[1, 3:9], onsets[1, 3:9] = 0, False
    roll = to_roll(notes[None], onsets[None], LOWEST, PITCHES)
    assert roll.shape == (1, 4, 2 + PITCHES, 64)
    assert (roll[:, :, 1:].sum(2) == 1).all()
    assert (roll[0, 1, 1, 3:9] == 1).all()
    again, begun = from_roll(roll, LOWEST)
    assert torch.equal(again[0], notes)
    assert torch.equal(begun[0], onsets)


def test_notes_last_until_a_voice_moves() -> None:
    logits = logits_of([False, True, False, True, True], [3, 2, 3, 2, 0])
    roll = activate(logits, last(1), "straight_through")
    assert roll[0, 0, 1:].argmax(0).tolist() == [1, 2, 2, 2, 0]
    assert roll[0, 0, 0].tolist() == [0, 1, 0, 1, 0]  # silence has no begin


def test_straight_through_has_the_smooth_gradient() -> None:
    gradients = []
    for binarise in ("straight_through", "softmax"):
        logits = (0.3 * torch.randn(2, 1, 5, 1, generator=torch.Generator().manual_seed(0))).requires_grad_()
        logits.data[:, :, 0] += 9.0  # moves for sure: the product's other factor is 1 either way
        roll = activate(logits, last(1).expand(2, 1, 4), binarise)
        (roll[:, :, 1:] * torch.arange(4.0)[:, None]).sum().backward()
        gradients.append(logits.grad[:, :, 1:].clone())
    torch.testing.assert_close(gradients[0], gradients[1], rtol=2e-3, atol=1e-4)
    assert gradients[0].abs().min() > 0


def test_values_are_zero_and_one_but_for_softmax() -> None:
    logits = torch.randn(3, 4, 10, 8, generator=torch.Generator().manual_seed(0))
    start = last(0, 8).expand(3, 4, 9)
    for binarise in ("straight_through", "gumbel"):
        roll = activate(logits, start, binarise)
        torch.testing.assert_close(roll, roll.round(), rtol=0, atol=1e-6)
        torch.testing.assert_close(roll[:, :, 1:].sum(2), torch.ones(3, 4, 8))
    smooth = activate(logits, start, "softmax")
    assert 0.01 < (smooth - smooth.round()).abs().max() <= 0.5
    torch.testing.assert_close(smooth[:, :, 1:].sum(2), torch.ones(3, 4, 8))


def test_gumbel_draws_by_the_softmax() -> None:
    torch.manual_seed(0)
    logits = torch.tensor([0.0, 1.0, 2.0]).expand(20000, 3)
    drawn = (logits + gumbel(logits)).argmax(1).bincount(minlength=3) / 20000
    torch.testing.assert_close(drawn, torch.tensor([0.0, 1.0, 2.0]).softmax(0), rtol=0, atol=0.01)


def test_a_drawn_move_has_the_sigmoid_s_probability() -> None:
    torch.manual_seed(0)
    logits = logits_of([True] * 2000, [2] * 2000)
    logits[:, :, 0] = 1.0
    moved = activate(logits, last(1), "gumbel")[0, 0, 0].mean().item()
    assert moved == pytest.approx(torch.tensor(1.0).sigmoid().item(), abs=0.03)
