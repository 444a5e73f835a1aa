"""Pictures with boxes drawn into them: what is there and what a detector says."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torchvision.transforms.v2.functional import pil_to_tensor, to_pil_image

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
TRUTH, ANSWER, PAPER = (60, 230, 90), (255, 60, 200), (255, 255, 255)


def draw_boxes(
    image: Tensor,
    answer: dict[str, Tensor],
    class_names: Sequence[str],
    truth: dict[str, Tensor] | None = None,
    side: int = 320,
) -> Tensor:
    """An image with the truth as thin green and the answers as magenta boxes, the latter with class and score.

    Args:
        image: uint8 (1 or 3, H, W); enlarged by a whole factor until its longer side is nearly ``side``.
        answer: "boxes" (n, 4) xyxy pixels of ``image``, "labels" (n,), "scores" (n,).
        class_names: by label.
        truth: "boxes", "labels" where known.
        side: pixels.

    Returns:
        uint8 (3, H', W').
    """
    factor = max(1, side // max(image.shape[1:]))
    picture = to_pil_image(image.cpu().expand(3, -1, -1))
    picture = picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
    draw = ImageDraw.Draw(picture)
    line = max(2, max(picture.size) // 160)
    if truth is not None:
        for box in (truth["boxes"].cpu() * factor).tolist():
            draw.rectangle(box, outline=TRUTH, width=line)
    font = ImageFont.load_default(max(12, max(picture.size) // 26))
    rows = zip(
        (answer["boxes"].cpu() * factor).tolist(), answer["labels"].tolist(), answer["scores"].tolist(), strict=True
    )
    # The surest last, so that its label lies on top.
    for box, label, score in reversed(list(rows)):
        draw.rectangle(box, outline=ANSWER, width=line)
        _label(draw, f"{class_names[label]} {score:.0%}", box, font, picture.size)
    return pil_to_tensor(picture)


def draw_scenes(
    images: Tensor,
    answers: Sequence[dict[str, Tensor]],
    truths: Sequence[dict[str, Tensor]],
    class_names: Sequence[str],
    columns: int = 4,
) -> Tensor:
    """Images (N, C, H, W) uint8 of a batch in rows, truth in green, answers in magenta, with a legend: (3, H', W')."""
    tiles = [
        to_pil_image(draw_boxes(image, answer, class_names, truth, side=256))
        for image, answer, truth in zip(images, answers, truths, strict=True)
    ]
    width, height, gap, head = tiles[0].width, tiles[0].height, 6, 30
    rows = -(-len(tiles) // columns)
    columns = min(columns, len(tiles))
    canvas = Image.new("RGB", (columns * (width + gap) + gap, rows * (height + gap) + gap + head), PAPER)
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(16)
    draw.rectangle((gap, 8, gap + 14, 22), fill=TRUTH)
    draw.text((gap + 22, 5), "truth", "black", font)
    draw.rectangle((gap + 80, 8, gap + 94, 22), fill=ANSWER)
    draw.text((gap + 102, 5), "answer", "black", font)
    for i, tile in enumerate(tiles):
        canvas.paste(tile, (gap + i % columns * (width + gap), head + gap + i // columns * (height + gap)))
    return pil_to_tensor(canvas)


def _label(draw: ImageDraw.ImageDraw, text: str, box: Sequence[float], font: Font, size: tuple[int, int]) -> None:
    """Text on a plate above the box, or inside it where there is no room above."""
    left, top, right, bottom = draw.textbbox((0, 0), text, font)
    width, height = right - left + 4, bottom - top + 4
    x = min(max(box[0], 0), size[0] - width)
    y = box[1] - height if box[1] >= height else max(box[1], 0)
    draw.rectangle((x, y, x + width, y + height), fill=ANSWER)
    draw.text((x + 2 - left, y + 2 - top), text, "white", font)
