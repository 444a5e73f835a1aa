"""Piano rolls that networks take: there and back, and what G's logits mean."""

import pytest
import torch
from tunes import tune

from leyden.gan.music.roll import LARGEST, WALK, activate, from_roll, gumbel, rows_of_logits, stacked, to_roll, walked

LOWEST, PITCHES = 36, 48


def logits_of(moves: list[bool], rows: list[int], pitches: int = 3) -> torch.Tensor:
    """(1, 1, 2 + pitches + WALK, T): whether the voice moves in each step, and to which row (0 is silence)."""
    logits = torch.full((1, 1, 2 + pitches + WALK, len(moves)), -4.0)
    logits[:, :, 2 + pitches :] = 0  # all intervals alike
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
        logits = (0.3 * torch.randn(2, 1, 5 + WALK, 1, generator=torch.Generator().manual_seed(0))).requires_grad_()
        logits.data[:, :, 0] += 9.0  # moves for sure: the product's other factor is 1 either way
        roll = activate(logits, last(1).expand(2, 1, 4), binarise)
        (roll[:, :, 1:] * torch.arange(4.0)[:, None]).sum().backward()
        gradients.append(logits.grad[:, :, 1:].clone())
    torch.testing.assert_close(gradients[0], gradients[1], rtol=2e-3, atol=1e-4)
    assert gradients[0][:, :, :4].abs().min() > 0


def test_values_are_zero_and_one_but_for_softmax() -> None:
    logits = torch.randn(3, 4, rows_of_logits(4, 8), 8, generator=torch.Generator().manual_seed(0))
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


def test_walks_and_chords_say_intervals() -> None:
    said = walked(torch.tensor([[20, 0]]), torch.arange(float(WALK)).expand(1, 2, WALK), 49)[0]
    expected = (torch.arange(49.0) - 20).clamp(-LARGEST, LARGEST) + LARGEST
    assert torch.equal(said[0, 1:], expected[1:])
    assert not said[0, 0]
    assert not said[1].any()  # behind silence
    said = stacked(torch.tensor([20, 0]), torch.arange(12.0).expand(2, 12), 49)
    assert torch.equal(said[0, 1:], (torch.arange(1.0, 49) - 20) % 12)
    assert not said[1].any()


def test_upper_voices_hear_what_the_lower_ones_chose() -> None:
    logits = torch.zeros(1, 3, rows_of_logits(3, 48), 1)
    logits[:, :, 0] = 4.0
    logits[0, 2, 1 + 6, 0] = 9.0  # the lowest voice's pitch
    logits[0, 2, 1 + 9, 0] = 12.0  # and a likelier one
    logits[0, :2, 1 + 20 : 1 + 32, 0] = 3.0  # the others are in an octave
    over = logits[0, :, 50 + WALK :, 0].view(3, 2, 12)
    over[1, 0, 7] = 2.0  # a fifth over the lowest
    over[0, 0, 3] = 2.0  # over the middle one a third, a little likelier than
    over[0, 1, 4] = 1.0  # a third over the lowest one
    roll = activate(logits, torch.nn.functional.one_hot(torch.zeros(1, 3, dtype=torch.int64), 49).float(), "softmax")
    chosen = activate(logits, torch.zeros_like(roll[:, :, 1:, 0]), "straight_through")[0, :, 1:, 0].argmax(1).tolist()
    assert chosen[2] == 9
    assert (chosen[1] - 9) % 12 == 7
    assert (chosen[0] - chosen[1]) % 12 == 3


def test_notes_walk_from_one_another() -> None:
    logits = torch.zeros(1, 1, 2 + 48 + WALK, 4)
    logits[:, :, 0] = 4.0
    logits[0, 0, 50 + LARGEST + 2, :2] = 9.0  # two semitones up
    logits[0, 0, 50 + LARGEST - 5, 2:] = 9.0  # five down
    roll = activate(logits, last(21, 48), "straight_through")
    assert roll[0, 0, 1:].argmax(0).tolist() == [23, 25, 20, 15]


def test_walks_and_chords_have_gradients() -> None:
    logits = torch.zeros(1, 2, rows_of_logits(2, 48), 3, requires_grad=True)
    roll = activate(logits, torch.cat([last(21, 48), last(9, 48)], 1), "softmax")
    (roll[0, :, 2:, 2] * torch.arange(48.0)).sum().backward()
    assert (logits.grad[0, :, 50 : 50 + WALK].abs().sum(1) > 0).all()
    assert (logits.grad[0, 0, 50 + WALK :].abs().sum(0) > 0).all()
    assert not logits.grad[0, 1, 50 + WALK :].any()  # below the lowest voice there is none
