"""Rows of small images, each beside its label: traversals of latents, columns below what is the same in them."""

from collections.abc import Mapping, Sequence

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from leyden.data.source.files.pillow import pil_to_tensor, to_pil_image
from leyden.visualization.grid import upscale

PAPER, INK, FONT, GAP = "white", (40, 40, 40), 14, 2


def draw_rows(rows: Mapping[str, Tensor], title: str = "", columns: Sequence[str] = (), side: int = 48) -> Tensor:
    """Images in rows with labels on the left.

    Args:
        rows: by label uint8 images (N, 1 or 3, H, W) of one size; labels may have several lines.
        title: above all.
        columns: a heading for each column, or none.
        side: pixels that an image's side is enlarged to by whole pixels, at least.

    Returns:
        uint8 (3, H', W').
    """
    font, heading = ImageFont.load_default(FONT), ImageFont.load_default(FONT + 3)
    pen = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    left = max(int(pen.multiline_textbbox((0, 0), label, font)[2]) for label in rows) + 12
    tiles = {
        label: [to_pil_image(upscale(i.expand(3, -1, -1), side)) for i in images] for label, images in rows.items()
    }
    width, height = next(iter(tiles.values()))[0].size
    top = 8 + (26 if title else 0) + (22 if columns else 0)
    across = left + max(len(row) for row in tiles.values()) * (width + GAP)
    canvas = Image.new(
        "RGB", (max(across, int(heading.getlength(title)) + 12), top + len(rows) * (height + GAP)), PAPER
    )
    pen = ImageDraw.Draw(canvas)
    pen.text((6, 4), title, INK, heading)
    for place, text in enumerate(columns):
        pen.text((left + place * (width + GAP) + width // 2, top - 4), text, INK, font, anchor="ms")
    for line, (label, row) in enumerate(tiles.items()):
        y = top + line * (height + GAP)
        pen.multiline_text((6, y + height // 2), label, INK, font, anchor="lm")
        for place, tile in enumerate(row):
            canvas.paste(tile, (left + place * (width + GAP), y))
    return pil_to_tensor(canvas)
