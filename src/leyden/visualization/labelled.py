"""Images with captions below them: one, or a sheet of many."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from leyden.data.source.files.pillow import pil_to_tensor, to_pil_image

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
PAPER, INK = (255, 255, 255), (40, 40, 40)
FONT = 12
"""Pixels of a caption's letters, at least."""
SHEET_SIDE = 112
"""Pixels that the longer side of a sheet's images is fitted to."""


def draw_labelled(image: Tensor, caption: str, side: int = 160) -> Tensor:
    """An image with a caption below it.

    Args:
        image: uint8 (1 or 3, H, W); smaller ones are enlarged by whole pixels, larger ones keep their size.
        caption: one or more lines.
        side: what the longer side is enlarged to, at most.

    Returns:
        uint8 (3, H', W').
    """
    return pil_to_tensor(_tile(_enlarged(image, side), caption, None))


def draw_sheet(
    images: Sequence[Tensor],
    captions: Sequence[str],
    empty: str,
    columns: int = 6,
    side: int = SHEET_SIDE,
    title: str = "",
) -> Tensor:
    """Images in rows, each with its caption.

    Args:
        images: N of uint8 (1 or 3, H, W), of any sizes.
        captions: N of them, one or more lines each.
        empty: what is written where there are no images.
        columns: images in a row.
        side: pixels that an image's longer side is fitted to, see ``thumbnail``.
        title: above them.

    Returns:
        uint8 (3, H', W').
    """
    if not images:
        return pil_to_tensor(_tile(Image.new("RGB", (side * 2, 8), PAPER), empty, None))
    font = ImageFont.load_default(max(FONT, side // 24))  # large images are seen from farther away
    text = max(_text_size(caption, font)[0] for caption in captions)
    fitted = [_fitted(image, side) for image in images]
    across = max(text, *(image.width for image in fitted)) + 8
    tiles = [_tile(image, caption, across, font) for image, caption in zip(fitted, captions, strict=True)]
    width, height = tiles[0].width, max(tile.height for tile in tiles)
    columns = min(columns, len(tiles))
    heading = ImageFont.load_default(14)
    least, top = (_text_size(title, heading)[0] + 16, 36) if title else (0, 8)
    size = max(least, columns * width + 8), -(-len(tiles) // columns) * (height + 8) + top
    canvas = Image.new("RGB", size, PAPER)
    ImageDraw.Draw(canvas).text((8, 8), title, INK, heading)
    for i, tile in enumerate(tiles):
        canvas.paste(tile, (8 + i % columns * width, top + i // columns * (height + 8)))
    return pil_to_tensor(canvas)


def thumbnail(image: Tensor, side: int = SHEET_SIDE) -> Tensor:
    """An image as a sheet shows it: so many can be kept until the sheet is drawn.

    Args:
        image: uint8 (1 or 3, H, W); smaller ones are enlarged by whole pixels, larger ones shrunk.
        side: pixels; the longer side becomes at most this.

    Returns:
        uint8 (3, H', W') of the same proportions.
    """
    return pil_to_tensor(_fitted(image, side))


def _fitted(image: Tensor, side: int) -> Image.Image:
    fitted = _enlarged(image, side)
    fitted.thumbnail((side, side))  # leaves what is small enough as it is
    return fitted


def _enlarged(image: Tensor, side: int) -> Image.Image:
    """By whole pixels, up to ``side``; what is larger keeps its size."""
    small = to_pil_image(image.cpu().expand(3, -1, -1))
    factor = max(1, side // max(small.size))
    return small.resize((small.width * factor, small.height * factor), Image.Resampling.NEAREST)


def _text_size(text: str, font: Font) -> tuple[int, int]:
    _, _, correct, bottom = ImageDraw.Draw(Image.new("RGB", (1, 1))).multiline_textbbox((0, 0), text, font)
    return int(correct) + 1, int(bottom) + 1


def _tile(image: Image.Image, caption: str, width: int | None, font: Font | None = None) -> Image.Image:
    font = font or ImageFont.load_default(FONT)
    text_width, text_height = _text_size(caption, font)
    width = width or max(image.width, text_width + 8)
    tile = Image.new("RGB", (width, image.height + text_height + 8), PAPER)
    tile.paste(image, (0, 0))
    ImageDraw.Draw(tile).multiline_text((0, image.height + 3), caption, INK, font)
    return tile
