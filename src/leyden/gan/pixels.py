"""Conversion between uint8 images, as data are stored and shown, and those in -1..1 that networks take."""

import torch
from torch import Tensor


def to_signed(images: Tensor) -> Tensor:
    """uint8 0..255 as float32 -1..1, the range of tanh."""
    return images.float() / 127.5 - 1


def to_uint8(signed: Tensor) -> Tensor:
    """Float -1..1 as uint8 0..255, rounded: the inverse of ``to_signed``."""
    return ((signed.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
