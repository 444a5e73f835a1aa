"""Images of descriptions: rows, each below the text that it is to show."""

from collections.abc import Mapping, Sequence

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from leyden.data.source.files.pillow import pil_to_tensor, to_pil_image
from leyden.visualization.grid import grid, upscale

TEXT, HEADING = 13, 16
"""Pixels of letters."""
SIDE = 40
"""Pixels of an image's side at least; smaller ones are enlarged by whole pixels."""
GAP = 24


def draw_described(columns: Mapping[str, tuple[Sequence[str], Sequence[Tensor] | Tensor]]) -> Tensor:
    """Columns of rows of images, each row below its text, each column below its heading, on white.

    Args:
        columns: by heading R texts and for each a stack of images uint8 (K, 1 or 3, S, S), all of one size.

    Returns:
        uint8 (3, H, W).
    """
    drawn = {heading: _column(heading, *rows) for heading, rows in columns.items()}
    width = sum(image.width for image in drawn.values()) + GAP * (len(drawn) - 1)
    canvas = Image.new("RGB", (width, max(image.height for image in drawn.values())), "white")
    left = 0
    for image in drawn.values():
        canvas.paste(image, (left, 0))
        left += image.width + GAP
    return pil_to_tensor(canvas)


def _column(heading: str, texts: Sequence[str], stacks: Sequence[Tensor] | Tensor) -> Image.Image:
    large, small = ImageFont.load_default(HEADING), ImageFont.load_default(TEXT)
    rows = [to_pil_image(grid(upscale(stack, SIDE), len(stack))) for stack in stacks]
    line = TEXT + 7 if any(texts) else 0
    longest = max([large.getlength(heading), *(small.getlength(text) for text in texts)])
    width = max(int(longest) + 2, *(row.width for row in rows))
    canvas = Image.new("RGB", (width, HEADING + 12 + sum(row.height + line for row in rows)), "white")
    pen, top = ImageDraw.Draw(canvas), HEADING + 12
    pen.text((0, 4), heading, "black", large)
    for text, row in zip(texts, rows, strict=True):
        pen.text((1, top + 2), text, "black", small)
        canvas.paste(row, (0, top + line))
        top += line + row.height
    return canvas
