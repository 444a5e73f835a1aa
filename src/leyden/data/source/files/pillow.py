"""Images between Pillow and torch as in torchvision, for what does without: to import it takes 0.8 s."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor


def pil_to_tensor(image: Image.Image) -> Tensor:
    """An image of mode RGB or L as uint8 (3 or 1, H, W)."""
    return torch.from_numpy(np.array(image)).view(image.height, image.width, -1).permute(2, 0, 1)


def to_pil_image(image: Tensor) -> Image.Image:
    """uint8 (3 or 1, H, W) as an image of mode RGB or L."""
    pixels = image.numpy(force=True)
    return Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0)))
