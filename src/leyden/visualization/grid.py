"""Many small images as one that people can see."""

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.v2.functional import pil_to_tensor, to_pil_image
from torchvision.utils import make_grid


def grid(images: Tensor, columns: int = 8) -> Tensor:
    """Images (N, C, H, W) uint8, row by row, one dark pixel between them: (3, h, w) uint8."""
    return make_grid(images.cpu(), nrow=columns, padding=1, pad_value=48)


def grids(titled: dict[str, Tensor], columns: int = 8) -> dict[str, Tensor]:
    """A ``grid`` of each of several stacks of images (N, C, H, W) of one size, all as large as the largest.

    What fewer images leave free is dark, so that all are shown to one scale side by side.
    """
    drawn = {title: grid(images, columns) for title, images in titled.items()}
    height, width = (max(image.shape[side] for image in drawn.values()) for side in (1, 2))
    return {t: F.pad(i, (0, width - i.shape[2], 0, height - i.shape[1]), value=48) for t, i in drawn.items()}


def upscale(image: Tensor, least: int = 512) -> Tensor:
    """Enlarges (C, H, W) by the smallest whole factor that makes its shorter side ``least`` pixels or more.

    Pixels stay what they were (nearest neighbour), so that no interpolation is taken for the network's work.
    """
    factor = max(1, -(-least // min(image.shape[-2:])))
    return image.repeat_interleave(factor, -2).repeat_interleave(factor, -1)


def side_by_side(titled: dict[str, Tensor], gap: int = 16) -> Tensor:
    """Images (3, h, w) uint8 of one height side by side, each below its title, on white: (3, H, W) uint8."""
    font = ImageFont.load_default(20)
    height = 32 + max(image.shape[1] for image in titled.values())
    widths = {title: max(image.shape[2], int(font.getlength(title)) + 1) for title, image in titled.items()}
    width = sum(widths.values()) + gap * (len(titled) - 1)
    canvas = Image.new("RGB", (width, height), "white")
    left = 0
    for title, image in titled.items():
        ImageDraw.Draw(canvas).text((left, 4), title, "black", font)
        canvas.paste(to_pil_image(image), (left, 32))
        left += widths[title] + gap
    return pil_to_tensor(canvas)
