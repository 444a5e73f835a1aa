"""Filters that render a photograph as an artwork: deterministic, differing from photographs by texture and colour."""

import math
from typing import Literal, get_args

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

Style = Literal["photograph", "engraving", "painting"]
STYLES: tuple[Style, ...] = get_args(Style)
PERIOD, ANGLE = 4.0, math.pi / 4
"""Of an engraving's lines: pixels from one to the next, and their direction where the tone is even."""
RELIEF = 1.5
"""Periods by which lines are moved between black and white: they bend around what is bright."""
CROSSED = 0.3
"""Tone, 0 black to 1 white, below which a second set of lines crosses the first."""
BRIGHTER = 0.75
"""Power of the tone of an engraving: below 1, middle tones become brighter."""
INK, PAPER = (45.0, 35.0, 40.0), (246.0, 236.0, 214.0)
"""Colours of an engraving, RGB."""
REACH = 3
"""Pixels from a painting's pixel to the far corner of each of the four squares around it."""
SATURATION = 1.5
"""Of a painting's colours, relative to the photograph's."""
TONES = 6
"""Steps of a painting's brightness."""


def render(photograph: Tensor, style: Style) -> Tensor:
    """A photograph in a style: uint8 (3, H, W) of uint8 (3, H, W)."""
    if style == "photograph":
        return photograph
    return (engraving if style == "engraving" else painting)(photograph)


def engraving(photograph: Tensor) -> Tensor:
    """Lines of dark ink on paper, wider where it is darker, crossed where it is darkest.

    A line is where a wave across it is below the tone: cos(2 pi (u / PERIOD + RELIEF tone)) with u the distance across
    the lines; the moved phase bends lines around what is bright, as burins follow a form.

    Args:
        photograph: (3, H, W) uint8.

    Returns:
        (3, H, W) uint8, between ``INK`` and ``PAPER``.
    """
    grey = (F.autocontrast(F.rgb_to_grayscale(photograph)).float() / 255) ** BRIGHTER
    tone, smooth = F.gaussian_blur(grey, [3, 3], [0.7]), F.gaussian_blur(grey, [9, 9], [2.0])
    rows, columns = (torch.arange(side, dtype=torch.float32) for side in grey.shape[-2:])
    ink = torch.zeros_like(grey)
    for angle, darkest in ((ANGLE, 1.0), (ANGLE + math.pi / 2, CROSSED)):
        across = columns * math.cos(angle) + rows[:, None] * math.sin(angle)
        wave = (torch.cos(2 * math.pi * (across / PERIOD + RELIEF * smooth)) + 1) / 2
        dark = (1 - tone / darkest).clamp(0, 1)  # the share of the period that is to be ink
        # The wave passes 1 - sin^2(pi/2 dark) during that share; 4: edges as soft as a pixel.
        ink = torch.maximum(
            ink, (0.5 + 4 * (wave - torch.cos(math.pi / 2 * dark).square())).clamp(0, 1) * (dark > 0.04)
        )
    ink_colour, paper = torch.tensor(INK).view(3, 1, 1), torch.tensor(PAPER).view(3, 1, 1)
    return (paper + (ink_colour - paper) * ink).round().to(torch.uint8)


def painting(photograph: Tensor) -> Tensor:
    """Flat strokes of strong colours: the filter of Kuwahara et al. 1976, then few steps of brightness.

    A pixel becomes the mean of the one of four squares, each with the pixel in a corner, in which the brightness
    varies least. So edges stay sharp, and what lies between them becomes flat.

    Args:
        photograph: (3, H, W) uint8.

    Returns:
        (3, H, W) uint8.
    """
    image = F.autocontrast(F.adjust_saturation(photograph, SATURATION)).float()
    image = kuwahara(kuwahara(image, REACH), REACH)
    value = image.amax(0, keepdim=True).clamp(min=1)
    step = 255 / (TONES - 1)
    return (image * ((value / step).round() * step / value)).round().clamp(0, 255).to(torch.uint8)


def kuwahara(image: Tensor, reach: int) -> Tensor:
    """The mean of the least varying of four squares of side ``reach`` + 1 around each pixel, as float (C, H, W)."""
    side = reach + 1
    padded = torch.nn.functional.pad(image[None], (reach,) * 4, mode="replicate")
    grey = padded.mean(1, keepdim=True)
    both = torch.nn.functional.avg_pool2d(torch.cat([padded, grey.square(), grey], 1), side, 1)[0]
    means, varies = both[:-2], both[-2] - both[-1].square()
    height, width = image.shape[-2:]
    corners = [(top, left) for top in (0, reach) for left in (0, reach)]
    best = torch.stack([varies[t : t + height, w : w + width] for t, w in corners]).argmin(0)
    squares = torch.stack([means[:, t : t + height, w : w + width] for t, w in corners])
    return squares.gather(0, best.expand(1, len(image), -1, -1))[0]
