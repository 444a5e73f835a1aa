"""A confusion matrix as an image."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torchvision.transforms.v2.functional import pil_to_tensor

PAPER, INK = (255, 255, 255), (40, 40, 40)


def draw_confusion(matrix: Tensor, names: Sequence[str], cell: int = 44, title: str = "Confusion matrix") -> Tensor:
    """Draws a confusion matrix: a row per true class, a column per predicted class, the counts in the cells.

    A cell is the darker, the larger its share of its row: blue on the diagonal, red beside it.

    Args:
        matrix: (C, C) counts; row = true class, column = predicted class.
        names: of the C classes.
        cell: side of a cell in pixels; with more than 20 classes cells shrink and lose their numbers.
        title: above it.

    Returns:
        uint8 (3, H, W).
    """
    count = len(names)
    cell = cell if count <= 20 else max(6, 880 // count)
    font, small = ImageFont.load_default(14), ImageFont.load_default(12)
    label = max(int(small.getlength(name)) for name in names) if cell >= 14 else 0
    heading = ImageFont.load_default(16)
    left, top = 34 + label, 60 + (label if label > cell else 16)
    width = max(left + count * cell + 12, int(heading.getlength(title)) + 16)
    canvas = Image.new("RGB", (width, top + count * cell + 12), PAPER)
    draw = ImageDraw.Draw(canvas)
    draw.text((8, 6), title, INK, heading)
    draw.text((left + count * cell / 2, 32), "predicted class", INK, font, anchor="ma")
    _vertical(canvas, "true class", (6, top + count * cell // 2), font)
    counts = matrix.cpu().long()
    shares = counts / counts.sum(1, keepdim=True).clamp(min=1)
    for row in range(count):
        for column in range(count):
            colour = (31, 97, 170) if row == column else (200, 48, 32)
            share = float(shares[row, column]) ** 0.5  # a few errors among many correct predictions must be seen
            x, y = left + column * cell, top + row * cell
            fill = tuple(round(255 + (c - 255) * share) for c in colour)
            draw.rectangle((x, y, x + cell - 2, y + cell - 2), fill if counts[row, column] else (246, 246, 246))
            if cell >= 30 and counts[row, column]:
                ink = PAPER if share > 0.6 else INK
                draw.text((x + cell / 2 - 1, y + cell / 2 - 1), str(int(counts[row, column])), ink, font, anchor="mm")
    if cell >= 14:
        for i, name in enumerate(names):
            draw.text((left - 8, top + (i + 0.5) * cell), name, INK, small, anchor="rm")
            if label > cell:
                _vertical(canvas, name, (left + int((i + 0.5) * cell) - 8, top - 8 - label // 2), small)
            else:
                draw.text((left + (i + 0.5) * cell, top - 5), name, INK, small, anchor="ms")
    return pil_to_tensor(canvas)


def _vertical(
    canvas: Image.Image, text: str, centre: tuple[int, int], font: ImageFont.FreeTypeFont | ImageFont.ImageFont
) -> None:
    """Writes ``text`` upwards; ``centre`` is its left edge and the middle of its height."""
    tile = Image.new("RGB", (int(font.getlength(text)) + 2, 18), PAPER)
    ImageDraw.Draw(tile).text((1, 1), text, INK, font)
    tile = tile.rotate(90, expand=True)
    canvas.paste(tile, (centre[0], centre[1] - tile.height // 2))
