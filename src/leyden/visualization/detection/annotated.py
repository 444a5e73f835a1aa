"""Pictures with the boxes that their data has, as a person checks them."""

import colorsys
from collections.abc import Sequence

from torch import Tensor
from torchvision.transforms.v2 import functional as F

from leyden.visualization.detection.boxes import Colour, Mark, draw_marks

BAD: Colour = (255, 0, 0)
LEAST = 6
"""Pixels on each side that a bad box is drawn larger, so that one without an area is seen."""


def draw_annotated(
    image: Tensor,
    target: dict[str, Tensor],
    class_names: Sequence[str],
    bad: Sequence[Sequence[float]] = (),
    side: int = 320,
) -> Tensor:
    """An image with each box in its class's colour and with its name; bad boxes are dashed and red.

    Args:
        image: uint8 (1 or 3, H, W); resized until its longer side is ``side``.
        target: "boxes" (n, 4) xyxy pixels of ``image``, "labels" (n,), also "difficult" and "crowd" (n,) bool, which
            are named.
        class_names: by label.
        bad: finite xyxy boxes that are cut or not used; where they leave the image they are drawn at its border.
        side: pixels.

    Returns:
        uint8 (3, H', W').
    """
    height, width = image.shape[1:]
    scale = side / max(height, width)
    shown = F.resize(image, [max(1, round(height * scale)), max(1, round(width * scale))], antialias=True)
    flags = [key for key in ("difficult", "crowd") if key in target]
    marks = []
    for i, (box, label) in enumerate(zip(target["boxes"].tolist(), target["labels"].tolist(), strict=True)):
        text = " ".join([class_names[label], *(key for key in flags if target[key][i])])
        marks.append(Mark([x * scale for x in box], class_colour(label), text))
    for box in bad:
        x1, y1, x2, y2 = (min(max(x * scale, 0), shown.shape[2 - i % 2] - 1) for i, x in enumerate(box))
        larger = [min(x1, x2) - LEAST, min(y1, y2) - LEAST, max(x1, x2) + LEAST, max(y1, y2) + LEAST]
        marks.append(Mark(larger, BAD, dashed=True))
    return draw_marks(shown, marks, side)


def class_colour(label: int) -> Colour:
    """Steps of the golden section around the circle of hues, so that neighbours differ; never red, which is for bad."""
    hue = 0.08 + 0.84 * ((0.3 + 0.618034 * label) % 1)
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.9, 0.85)
    return round(255 * red), round(255 * green), round(255 * blue)
