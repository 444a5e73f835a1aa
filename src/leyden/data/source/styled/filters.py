"""Filters that draw a grey image in a style: what is on it stays where it is, colour and texture become the style's.

All are deterministic. Lines and dots are drawn ``FINE`` times as large and averaged, so that they are a few pixels
apart and still as wide as the tone asks for; small portraits stay recognisable.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as T

FINE = 4
"""Points per pixel and direction that decide how much of it is ink."""
Colour = tuple[int, int, int]
"""RGB, 0 to 255."""


def engraving(tone: Tensor) -> Tensor:
    """Lines of dark ink across cream paper, wider where it is darker, over a light wash of the tone.

    Args:
        tone: (H, W) float, 0 black to 1 white.

    Returns:
        float (3, H, W), 0 to 255.
    """
    fine, across, _ = _places(tone)
    wave = ((across / 3.2 + 0.4 * fine) % 1 - 0.5).abs() * 2  # 0 in the middle of a line, 1 between two
    lines = _average((wave < 1.05 * (1 - fine)).float())
    return _along(1 - (0.5 * lines + 0.5 * (1 - tone)), ((40, 28, 36), (250, 240, 216)))


def halftone(tone: Tensor) -> Tensor:
    """Dots of green ink in diagonal rows on yellow paper, larger where it is darker, over a light wash of the tone."""
    fine, u, v = _places(tone)
    wave = (torch.cos(2 * math.pi * u / 3) + torch.cos(2 * math.pi * v / 3)) / 4 + 0.5
    dots = _average((wave > fine).float())
    return _along(1 - (0.5 * dots + 0.5 * (1 - tone)), ((16, 84, 52), (255, 240, 150)))


def oil(tone: Tensor) -> Tensor:
    """Flat patches with sharp edges (two passes of the filter of Kuwahara et al. 1976), violet, red and cream."""
    flat = kuwahara(kuwahara(tone[None], 2), 2)[0]
    colours = ((38, 16, 66), (150, 30, 60), (224, 104, 40), (250, 206, 120), (255, 248, 226))
    return _along((flat * 7).round() / 7, colours)


def cyanotype(tone: Tensor) -> Tensor:
    """All tones from dark blue to white: a style of colour alone."""
    return _along(tone, ((8, 24, 64), (28, 84, 150), (150, 200, 226), (240, 248, 250)))


STYLES: dict[str, Callable[[Tensor], Tensor]] = {
    "engraving": engraving,
    "oil": oil,
    "cyanotype": cyanotype,
    "halftone": halftone,
}
"""By name: float (3, H, W), 0 to 255, of a tone (H, W), 0 to 1."""


def draw(image: Tensor, style: str) -> Tensor:
    """A grey image in a style: uint8 (3, H, W) of uint8 (1, H, W), its contrast stretched to all tones.

    Raises:
        ValueError: there is no such style.
    """
    if style not in STYLES:
        raise ValueError(f"data.source.styles={style}: the styles are {', '.join(STYLES)}")
    return STYLES[style](T.autocontrast(image)[0].float() / 255).round().clamp(0, 255).to(torch.uint8)


def kuwahara(image: Tensor, reach: int) -> Tensor:
    """Each pixel as the mean of that one of four squares, with it in a corner, whose values vary least.

    Args:
        image: float (1, H, W).
        reach: pixels from a square's first row to its last.

    Returns:
        (1, H, W).
    """
    padded = F.pad(image[None], (reach,) * 4, mode="replicate")
    means, squares = F.avg_pool2d(torch.cat([padded, padded.square()], 1), reach + 1, 1)[0]
    (height, width), ends = image.shape[-2:], (0, reach)
    corners = [(slice(top, top + height), slice(left, left + width)) for top in ends for left in ends]
    varies = torch.stack([squares[corner] - means[corner].square() for corner in corners])
    return torch.stack([means[corner] for corner in corners]).gather(0, varies.argmin(0, keepdim=True))


def _places(tone: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The tone at fine points (FINE H, FINE W), and how far they are along both diagonals, in pixels."""
    fine = F.interpolate(tone[None, None], scale_factor=FINE, mode="bicubic")[0, 0].clamp(0, 1)
    rows, columns = ((torch.arange(side) + 0.5) / FINE for side in fine.shape)
    return fine, (columns + rows[:, None]) / math.sqrt(2), (columns - rows[:, None]) / math.sqrt(2)


def _average(fine: Tensor) -> Tensor:
    return F.avg_pool2d(fine[None], FINE)[0]


def _along(tone: Tensor, colours: tuple[Colour, ...]) -> Tensor:
    """Float (3, H, W): tones (H, W) along a line of colours, the first for black and the last for white."""
    palette = torch.tensor(colours, dtype=torch.float32)
    place = tone * (len(palette) - 1)
    below = place.long().clamp(0, len(palette) - 2)
    part = (place - below)[..., None]
    return (palette[below] * (1 - part) + palette[below + 1] * part).permute(2, 0, 1)
