"""What was found for a query: images below a text, texts beside an image; right ones in green, wrong ones in red."""

from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torchvision.transforms.v2.functional import pil_to_tensor, to_pil_image

RIGHT, WRONG, INK = (24, 140, 60), (200, 40, 40), (40, 40, 40)
SIDE, FRAME, GAP = 72, 4, 6
"""Pixels of an image, of the frame around it, and between images."""
LETTERS = 15
"""Pixels of the text."""


class FoundImages(NamedTuple):
    """Images that were found for a text, the best first."""

    query: str
    images: Sequence[Tensor]
    """uint8 (1 or 3, h, h)."""
    right: Sequence[bool]


class FoundTexts(NamedTuple):
    """Texts that were found for an image, the best first."""

    query: Tensor
    """uint8 (1 or 3, h, h)."""
    texts: Sequence[str]
    right: Sequence[bool]


def draw_retrieval(images: Sequence[FoundImages], texts: Sequence[FoundTexts]) -> Tensor:
    """Both ways side by side: for each text its images on the left, for each image its texts on the right.

    Args:
        images: at least one, of equally many images each.
        texts: at least one.

    Returns:
        uint8 (3, H, W).
    """
    left = [_image_row(found) for found in images]
    right = [_text_row(found) for found in texts]
    columns = [_column(title, rows) for title, rows in (("text: its images", left), ("image: its texts", right))]
    canvas = Image.new("RGB", (sum(c.width for c in columns) + 5 * GAP, max(c.height for c in columns)), "white")
    canvas.paste(columns[0], (GAP, 0))
    canvas.paste(columns[1], (columns[0].width + 4 * GAP, 0))
    return pil_to_tensor(canvas)


def _image_row(found: FoundImages) -> Image.Image:
    font, step = ImageFont.load_default(LETTERS), SIDE + 2 * FRAME + GAP
    width = max(step * len(found.images), int(font.getlength(found.query)) + 1)
    row = Image.new("RGB", (width, LETTERS + 6 + SIDE + 2 * FRAME), "white")
    ImageDraw.Draw(row).text((0, 0), found.query, INK, font)
    for i, (image, right) in enumerate(zip(found.images, found.right, strict=True)):
        row.paste(_framed(image, RIGHT if right else WRONG), (i * step, LETTERS + 6))
    return row


def _text_row(found: FoundTexts) -> Image.Image:
    font, left = ImageFont.load_default(LETTERS), SIDE + 2 * FRAME + GAP
    longest = max(int(font.getlength(text)) for text in found.texts) + 1
    row = Image.new("RGB", (left + longest, max(SIDE + 2 * FRAME, len(found.texts) * (LETTERS + 4))), "white")
    row.paste(_framed(found.query, INK), (0, 0))
    for i, (text, right) in enumerate(zip(found.texts, found.right, strict=True)):
        ImageDraw.Draw(row).text((left, i * (LETTERS + 4)), text, RIGHT if right else WRONG, font)
    return row


def _framed(image: Tensor, colour: tuple[int, int, int]) -> Image.Image:
    own = to_pil_image(image.cpu().expand(3, -1, -1))
    factor = max(1, SIDE // max(own.size))
    own = own.resize((own.width * factor, own.height * factor), Image.Resampling.NEAREST)
    own = own if max(own.size) == SIDE else own.resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    framed = Image.new("RGB", (SIDE + 2 * FRAME, SIDE + 2 * FRAME), colour)
    framed.paste(own, (FRAME, FRAME))
    return framed


def _column(title: str, rows: Sequence[Image.Image]) -> Image.Image:
    column = Image.new("RGB", (max(r.width for r in rows), 28 + sum(r.height + 2 * GAP for r in rows)), "white")
    ImageDraw.Draw(column).text((0, 4), title, INK, ImageFont.load_default(18))
    top = 28
    for row in rows:
        column.paste(row, (0, top))
        top += row.height + 2 * GAP
    return column
