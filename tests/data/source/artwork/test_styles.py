import pytest
import torch

from leyden.data.source.artwork.styles import INK, PAPER, PERIOD, TONES, engraving, kuwahara, painting, render

RAMP = torch.arange(64).mul(4).to(torch.uint8).expand(3, 64, 64).contiguous()
"""From black on the left to nearly white on the right."""


def ink_of(artwork: torch.Tensor) -> torch.Tensor:
    paper, ink = torch.tensor(PAPER).view(3, 1, 1), torch.tensor(INK).view(3, 1, 1)
    return ((artwork.float() - paper) / (ink - paper)).mean(0)


def test_an_engraving_has_more_ink_where_it_is_darker() -> None:
    by_tone = ink_of(engraving(RAMP)).view(64, 8, 8).mean((0, 2))
    assert (by_tone.diff() < 0.02).all()
    assert by_tone[0] > 0.9
    assert by_tone[-1] < 0.1


def test_an_engraving_is_made_of_lines_across_one_direction() -> None:
    even = RAMP[:, :, 40:41].expand(3, 64, 64).clone()
    even[:, 0, 0], even[:, 0, 63] = 0, 255  # so that contrast is left as it is
    ink = ink_of(engraving(even))[16:48, 16:48]
    spectrum = torch.fft.fft2(ink - ink.mean()).abs()
    row, column = divmod(int(spectrum.flatten().argmax()), 32)
    row, column = (min(place, 32 - place) for place in (row, column))
    assert row == column  # at 45 degrees
    assert (row**2 + column**2) ** 0.5 == pytest.approx(32 / PERIOD, abs=0.7)


def test_an_engraving_is_of_two_colours_and_what_lies_between() -> None:
    made = engraving(RAMP).float()
    assert made.amin() >= min(INK)
    assert made.amax() <= max(PAPER)
    colours = made.flatten(1).T.unique(dim=0)
    assert torch.linalg.matrix_rank(colours - colours.mean(0), atol=30) == 1  # one line through colour space


def test_a_painting_has_few_tones() -> None:
    tones = painting(RAMP).amax(0).unique()
    assert len(tones) <= TONES + 1
    assert len(RAMP.unique()) > 8 * TONES


def test_kuwahara_keeps_an_edge_and_flattens_noise() -> None:
    noise = torch.randn(1, 20, 20, generator=torch.Generator().manual_seed(0))
    step = torch.cat([torch.zeros(1, 20, 10), torch.full((1, 20, 10), 100.0)], 2)
    torch.testing.assert_close(kuwahara(step, 3), step)
    smooth = kuwahara(step + noise, 3)
    assert (smooth - step).std() < 0.6 * noise.std()
    assert smooth[0, :, 9].max() < 10 < 90 < smooth[0, :, 10].min()


def test_a_photograph_stays_as_it_is() -> None:
    assert render(RAMP, "photograph") is RAMP
    assert not torch.equal(render(RAMP, "painting"), RAMP)
