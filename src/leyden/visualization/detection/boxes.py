"""Pictures with boxes drawn into them: what is there, what a detector says, and whether it is right."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torchvision.transforms.v2.functional import pil_to_tensor, to_pil_image

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Colour = tuple[int, int, int]
Box = tuple[float, float, float, float]
TARGET, PREDICTED, PAPER = (60, 230, 90), (255, 60, 200), (255, 255, 255)
HIT, FALSE_ALARM, MISS, IGNORED = TARGET, PREDICTED, (255, 180, 0), (170, 170, 170)
"""Verdicts. Misses are also dashed, for those who do not tell green from amber."""
LEGEND: dict[str, Colour] = {
    "hit": HIT,
    "its object": PAPER,
    "false alarm": FALSE_ALARM,
    "miss": MISS,
    "does not count": IGNORED,
}


class Mark(NamedTuple):
    """A box to be drawn."""

    box: Sequence[float]
    """xyxy pixels of the image."""
    colour: Colour
    text: str = ""
    """On a plate above the box; none where it is empty."""
    dashed: bool = False
    thin: bool = False


def draw_boxes(
    image: Tensor,
    prediction: dict[str, Tensor],
    class_names: Sequence[str],
    target: dict[str, Tensor] | None = None,
    side: int = 320,
) -> Tensor:
    """An image with its objects as green and the detections as magenta boxes, the latter with class and score.

    Args:
        image: uint8 (1 or 3, H, W); enlarged by a whole factor until its longer side is nearly ``side``.
        prediction: "boxes" (n, 4) xyxy pixels of ``image``, "labels" (n,), "scores" (n,).
        class_names: by label.
        target: "boxes", "labels" where known.
        side: pixels.

    Returns:
        uint8 (3, H', W').
    """
    target_marks = [Mark(box, TARGET) for box in target["boxes"].tolist()] if target is not None else []
    # The highest score last, so that its label lies on top.
    predicted_marks = [Mark(box, PREDICTED, text) for box, text in reversed(_captions(prediction, class_names))]
    return draw_marks(image, target_marks + predicted_marks, side)


def draw_evaluated(
    image: Tensor,
    prediction: dict[str, Tensor],
    target: dict[str, Tensor],
    found: Tensor,
    class_names: Sequence[str],
    side: int = 320,
) -> Tensor:
    """An image with hits (green), false alarms (magenta) and misses (amber, dashed), each with its class.

    Below a hit lies the object itself as a thin white box. Grey is what does not count: difficult objects and crowds,
    and detections on them.

    Args:
        image: uint8 (1 or 3, H, W), as for :func:`draw_boxes`.
        prediction: "boxes" (n, 4) xyxy pixels, "labels" (n,), "scores" (n,).
        target: "boxes" (m, 4), "labels" (m,), and where known "difficult" (m,) and "crowd" (m,) bool.
        found: (n,) int64 index of the object that each detection found; -1: none, -2: it does not count.
        class_names: by label.
        side: pixels.

    Returns:
        uint8 (3, H', W').
    """
    spared = torch.zeros(len(target["labels"]), dtype=torch.bool)
    for key in ("difficult", "crowd"):
        spared |= target.get(key, spared).cpu()
    hit = torch.zeros_like(spared)
    hit[found[found >= 0].cpu()] = True
    marks = []
    for box, label, counts_not, was_hit in zip(
        target["boxes"].tolist(), target["labels"].tolist(), spared.tolist(), hit.tolist(), strict=True
    ):
        if counts_not:
            marks.append(Mark(box, IGNORED, dashed=True))
        elif was_hit:
            marks.append(Mark(box, PAPER, thin=True))
        else:
            marks.append(Mark(box, MISS, class_names[label], dashed=True))
    verdicts = [(FALSE_ALARM, IGNORED)[-1 - number] if number < 0 else HIT for number in found.tolist()]
    captions = zip(_captions(prediction, class_names), verdicts, strict=True)
    predicted_marks = [Mark(box, colour, text if colour != IGNORED else "") for (box, text), colour in captions]
    return draw_marks(image, marks + predicted_marks[::-1], side)


def draw_scenes(
    images: Tensor,
    predictions: Sequence[dict[str, Tensor]],
    targets: Sequence[dict[str, Tensor]],
    found: Sequence[Tensor],
    class_names: Sequence[str],
    columns: int = 4,
) -> Tensor:
    """Images (N, C, H, W) uint8 of a batch in rows, drawn as by :func:`draw_evaluated`, with a legend: (3, H', W')."""
    tiles = [
        draw_evaluated(image, prediction, target, verdicts, class_names, side=320)
        for image, prediction, target, verdicts in zip(images, predictions, targets, found, strict=True)
    ]
    return draw_tiles(tiles, LEGEND, columns)


def draw_marks(image: Tensor, marks: Sequence[Mark], side: int = 320) -> Tensor:
    """An image with boxes, the last on top: uint8 (1 or 3, H, W), enlarged by a whole factor, to (3, H', W')."""
    factor = max(1, side // max(image.shape[1:]))
    canvas = to_pil_image(image.cpu().expand(3, -1, -1))
    canvas = canvas.resize((canvas.width * factor, canvas.height * factor), Image.Resampling.NEAREST)
    draw = ImageDraw.Draw(canvas)
    line = max(2, max(canvas.size) // 160)
    font = ImageFont.load_default(max(12, max(canvas.size) // 26))
    boxes = [[x * factor for x in mark.box] for mark in marks]
    for mark, box in zip(marks, boxes, strict=True):
        if mark.dashed:
            _dashed(draw, box, mark.colour, line)
        else:
            draw.rectangle(box, outline=mark.colour, width=max(1, line // 2) if mark.thin else line)
    taken: list[Box] = []
    for mark, box in reversed(list(zip(marks, boxes, strict=True))):  # the last has the first choice
        if mark.text:
            taken.append(_label(draw, mark.text, box, mark.colour, font, canvas.size, taken))
    return pil_to_tensor(canvas)


def draw_tiles(
    tiles: Sequence[Tensor], legend: dict[str, Colour], columns: int = 4, captions: Sequence[str] = ()
) -> Tensor:
    """Pictures (3, h, w) uint8 of one size in rows below a legend, on white: (3, H', W').

    ``captions``, if there are any, stand below the pictures.

    Raises:
        ValueError: no images.
    """
    if not tiles:
        raise ValueError("a sheet needs images")
    height, width = tiles[0].shape[1:]
    gap, head, font = 6, 30, ImageFont.load_default(16)
    below = 20 if captions else 0
    rows, columns = -(-len(tiles) // columns), min(columns, len(tiles))
    width_of_legend = sum(int(font.getlength(name)) + 40 for name in legend)
    canvas = Image.new(
        "RGB", (max(width_of_legend, columns * (width + gap) + gap), rows * (height + gap + below) + gap + head), PAPER
    )
    draw, left = ImageDraw.Draw(canvas), gap
    for name, colour in legend.items():
        draw.rectangle((left, 8, left + 14, 22), fill=colour, outline="grey")
        draw.text((left + 20, 5), name, "black", font)
        left += int(font.getlength(name)) + 40
    for i, tile in enumerate(tiles):
        x, y = gap + i % columns * (width + gap), head + gap + i // columns * (height + gap + below)
        canvas.paste(to_pil_image(tile), (x, y))
        if captions:
            draw.text((x, y + height + 3), captions[i], "black", ImageFont.load_default(13))
    return pil_to_tensor(canvas)


def _captions(prediction: dict[str, Tensor], class_names: Sequence[str]) -> list[tuple[list[float], str]]:
    rows = zip(prediction["boxes"].tolist(), prediction["labels"].tolist(), prediction["scores"].tolist(), strict=True)
    return [(box, f"{class_names[label]}: {score:.0%}") for box, label, score in rows]


def _dashed(draw: ImageDraw.ImageDraw, box: Sequence[float], colour: Colour, line: int) -> None:
    """A rectangle of dashes four times as long as the line is wide."""
    x1, y1, x2, y2 = box
    for fixed, low, high, across in ((y1, x1, x2, False), (y2, x1, x2, False), (x1, y1, y2, True), (x2, y1, y2, True)):
        start = low
        while start < high:
            stop = min(start + 4 * line, high)
            ends = [(fixed, start), (fixed, stop)] if across else [(start, fixed), (stop, fixed)]
            draw.line(ends, colour, line)
            start += 7 * line


def _label(
    draw: ImageDraw.ImageDraw,
    text: str,
    box: Sequence[float],
    colour: Colour,
    font: Font,
    size: tuple[int, int],
    taken: Sequence[Box],
) -> Box:
    """Text on a plate above the box or, where that is outside or taken, in it or below: on the place least taken."""
    left, top, correct, bottom = draw.textbbox((0, 0), text, font)
    width, height = correct - left + 4, bottom - top + 4
    x1, y1, x2, y2 = box
    places = [(x1, y1 - height), (x1, y1), (x2 - width, y1 - height), (x1, y2), (x2 - width, y2 - height)]
    whole = [(x, y) for x, y in places if 0 <= y <= size[1] - height] or [(x1, max(y1, 0))]
    corners = [(min(max(x, 0), size[0] - width), y) for x, y in whole]
    plates = [(x, y, x + width, y + height) for x, y in corners]
    plate = min(plates, key=lambda plate: sum(_shared(plate, other) for other in taken))  # the first of equal ones
    draw.rectangle(plate, fill=colour)
    red, green, blue = colour
    ink = "white" if 0.3 * red + 0.59 * green + 0.11 * blue < 150 else "black"
    draw.text((plate[0] + 2 - left, plate[1] + 2 - top), text, ink, font)
    return plate


def _shared(one: Box, other: Box) -> float:
    """Area that two boxes share."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, width) * max(0.0, height)
