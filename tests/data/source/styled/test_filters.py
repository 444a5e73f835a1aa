import pytest
import torch
from torch import Tensor

from leyden.data.source.styled.filters import STYLES, draw, kuwahara

RAMP = torch.linspace(0, 255, 40).round().to(torch.uint8).expand(1, 40, 40)


def brightness(drawn: Tensor) -> Tensor:
    return drawn.float().mean((0, 1))


@pytest.mark.parametrize("style", STYLES)
def test_tones_are_kept_where_they_are(style: str) -> None:
    columns = brightness(draw(RAMP, style)).view(8, 5).mean(1)
    assert (columns.diff() > 0).all()
    assert columns[-1] - columns[0] > 100


def test_styles_differ_by_colour() -> None:
    colours = torch.stack([draw(RAMP, style).float().mean((1, 2)) for style in STYLES])
    assert torch.pdist(colours).min() > 25


@pytest.mark.parametrize("style", ["engraving", "halftone"])
def test_lines_and_dots_are_as_dark_as_the_tone(style: str) -> None:
    """Half of an even mid-grey is ink, if the two ends of the range are there to stretch the contrast to."""
    grey = torch.full((1, 60, 60), 128, dtype=torch.uint8)
    grey[:, :2], grey[:, -2:] = 0, 255
    drawn = draw(grey, style)[:, 10:-10, 10:-10].float()
    ends = [draw(grey, style)[:, row].float().mean(1) for row in (0, -1)]
    torch.testing.assert_close(drawn.mean((1, 2)), (ends[0] + ends[1]) / 2, atol=8, rtol=0)
    assert drawn.std() > 25


def test_only_lines_and_dots_have_a_texture() -> None:
    grey = torch.full((1, 60, 60), 100, dtype=torch.uint8)
    grey[:, 0], grey[:, -1] = 0, 255
    spread = {style: draw(grey, style)[:, 10:-10, 10:-10].float().std((1, 2)).mean().item() for style in STYLES}
    assert spread["oil"] == spread["cyanotype"] == 0
    assert min(spread["engraving"], spread["halftone"]) > 15


def test_kuwahara_keeps_edges_and_flattens_the_rest() -> None:
    torch.manual_seed(0)
    step = torch.cat([torch.zeros(1, 20, 10), torch.ones(1, 20, 10)], 2)
    flat = kuwahara(step + 0.05 * torch.randn(step.shape), 2)
    assert (flat - step).abs().max() < 0.08
    assert torch.equal(kuwahara(step, 2), step)


def test_unknown_styles_are_named() -> None:
    with pytest.raises(ValueError, match="pastel: the styles are engraving"):
        draw(RAMP, "pastel")
