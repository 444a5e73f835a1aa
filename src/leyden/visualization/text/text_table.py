"""Texts below each other, each beside its heading: what a model read, what it wrote, what it should have written."""

from collections.abc import Mapping, Sequence

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from leyden.data.source.files.pillow import pil_to_tensor
from leyden.visualization.labelled import INK, PAPER

WIDTH, MARGIN, HEADING, SIZE = 1100, 16, 130, 15
"""Pixels: of the image, its border, the column of headings, the letters."""
LINE = SIZE + 5
PALE, RULE = (120, 120, 120), (210, 210, 210)
STRONG = (0, 114, 178)
MOST_LINES = 4
"""Of one text; what is longer ends with an ellipsis."""


def draw_text_table(examples: Sequence[Mapping[str, str]], title: str = "", strong: Sequence[str] = ()) -> Tensor:
    """Examples, each a block of headings with their texts.

    Args:
        examples: texts by heading, in the order in which they stand.
        title: above them.
        strong: headings whose texts are coloured.

    Returns:
        uint8 (3, H, 1100).
    """
    font, bold = ImageFont.load_default(SIZE), ImageFont.load_default(SIZE + 4)
    room = WIDTH - HEADING - 2 * MARGIN
    blocks = [[(heading, _broken(text, font, room)) for heading, text in example.items()] for example in examples]
    heights = [sum(len(lines) for _, lines in block) * LINE + MARGIN for block in blocks]
    top = MARGIN + (LINE + MARGIN if title else 0)
    image = Image.new("RGB", (WIDTH, top + sum(heights)), PAPER)
    draw = ImageDraw.Draw(image)
    if title:
        draw.text((MARGIN, MARGIN), title, INK, bold)
    y = top
    for block, height in zip(blocks, heights, strict=True):
        draw.line((MARGIN, y - MARGIN // 2, WIDTH - MARGIN, y - MARGIN // 2), RULE)
        for heading, lines in block:
            draw.text((MARGIN, y), heading, PALE, font)
            for line in lines:
                draw.text((MARGIN + HEADING, y), line, STRONG if heading in strong else INK, font)
                y += LINE
        y += height - sum(len(lines) for _, lines in block) * LINE
    return pil_to_tensor(image)


def _broken(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, room: int) -> list[str]:
    """A text in lines that are no wider than ``room``, ``MOST_LINES`` of them at most."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= room:
            lines[-1] = longer
        elif len(lines) == MOST_LINES:
            lines[-1] += " ..."
            break
        else:
            while font.getlength(word) > room:  # such as a path
                word = word[:-1]
            lines.append(word)
    return lines
