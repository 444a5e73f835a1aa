"""Texts with coloured tokens, and who attends to whom."""

import textwrap
from collections.abc import Sequence
from typing import NamedTuple

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from leyden.data.source.files.pillow import pil_to_tensor

PAPER, INK = (255, 255, 255), (40, 40, 40)
FOR, AGAINST = (31, 97, 170), (200, 48, 32)
FONT, LINE, MARGIN = 15, 25, 10
"""Points; pixels between lines of text, and to the edge."""
OPACITY = 0.65
"""Of the strongest colour, so that the word stays legible."""


class ColouredText(NamedTuple):
    """A text, token by token."""

    caption: str
    tokens: Sequence[str]
    """Each with the space that stands before it."""
    values: Sequence[float]
    """What each speaks for the class (above 0) or against it."""


def draw_tokens(texts: Sequence[ColouredText], title: str = "", width: int = 760) -> Tensor:
    """Texts whose tokens are blue where they speak for the class and red where they speak against it.

    Each text has a scale of its own: its strongest token has the full colour.

    Args:
        texts: one or more.
        title: above them.
        width: of the image in pixels; longer texts are broken into lines.

    Returns:
        uint8 (3, H, width).
    """
    font, small, heading = (ImageFont.load_default(size) for size in (FONT, 12, 16))
    placed, y = [], MARGIN + (28 if title else 0)
    for text in texts:
        lines = _lines(text, font, width - 2 * MARGIN)
        placed.append((y, text, lines))
        y += 20 + LINE * len(lines) + 12
    image = Image.new("RGB", (width, y), PAPER)
    draw = ImageDraw.Draw(image)
    draw.text((MARGIN, MARGIN), title, INK, heading)
    for top, text, lines in placed:
        draw.text((MARGIN, top), text.caption, (110, 110, 110), small)
        most = max((abs(value) for value in text.values), default=0.0) or 1.0
        for row, line in enumerate(lines):
            for token, value, left in line:
                box = (left, top + 19 + LINE * row, left + font.getlength(token), top + 17 + LINE * (row + 1))
                strength, colour = OPACITY * abs(value) / most, FOR if value > 0 else AGAINST
                draw.rectangle(box, tuple(round(255 + strength * (c - 255)) for c in colour))
                draw.text((left, box[1] + 2), token, INK, font)
    return pil_to_tensor(image)


def _lines(text: ColouredText, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> list[list]:
    """Tokens with their values and left edges, line by line; a line breaks before a space, or where it must."""
    lines: list[list] = [[]]
    x = 0.0
    for token, value in zip(text.tokens, text.values, strict=True):
        if lines[-1] and x + font.getlength(token) > width:
            lines.append([])
            x = 0.0
        shown = token if lines[-1] else token.lstrip()
        lines[-1].append((shown, value, MARGIN + x))
        x += font.getlength(shown)
    return lines


def draw_attention(maps: Sequence[Tensor], tokens: Sequence[str], title: str = "") -> Tensor:
    """The weights by which each token (row) attends to each other (column): the last layer's mean, and each head.

    Args:
        maps: (H, T, T) of each layer, rows that add up to 1.
        tokens: T, as they are written beside the large panel.
        title: above all.

    Returns:
        uint8 (3, H', W').
    """
    from leyden.visualization.figure import LABEL, TITLE, new_figure, render  # here: matplotlib

    side = 620
    figure = new_figure(side + 560, side + 40, textwrap.shorten(title, 110))
    large, small = figure.subplots(1, 2, width_ratios=[side, 560])
    large.imshow(maps[-1].mean(0).cpu().numpy(), cmap="Blues", vmin=0)
    large.set_xticks(range(len(tokens)), tokens, rotation=90, fontsize=11)
    large.set_yticks(range(len(tokens)), tokens, fontsize=11)
    large.set_title("last layer, mean of its heads", fontsize=TITLE - 3)
    heads, places = _all_heads(maps)
    small.imshow(heads.numpy(), cmap="Blues", vmin=0, vmax=1)
    small.set_xticks(places[: len(maps[0])], range(1, len(maps[0]) + 1), fontsize=11)
    small.set_yticks(places[: len(maps)], range(1, len(maps) + 1), fontsize=11)
    small.set_xlabel("head", fontsize=LABEL)
    small.set_ylabel("layer", fontsize=LABEL)
    small.set_title("each head", fontsize=TITLE - 3)
    for spine in small.spines.values():
        spine.set_visible(False)
    return render(figure)


def _all_heads(maps: Sequence[Tensor]) -> tuple[Tensor, list[float]]:
    """A matrix with a square for each layer (row) and head (column), and where the squares' middles are."""
    tokens, gap = maps[0].shape[-1], max(1, maps[0].shape[-1] // 8)
    step = tokens + gap
    matrix = torch.full((len(maps) * step - gap, len(maps[0]) * step - gap), torch.nan)
    for row, own in enumerate(maps):
        for column, head in enumerate(own.cpu()):
            matrix[row * step : row * step + tokens, column * step : column * step + tokens] = head
    middles = [place * step + (tokens - 1) / 2 for place in range(max(matrix.shape) // step + 1)]
    return matrix, middles
