"""Nine surfaces on real photographs inside scikit-image: each photograph in three parts, one for each split."""

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from leyden.data.columns import LabelledImages
from leyden.data.source import ImageSource
from leyden.data.source.builtin.image_patches import read_photograph, stage_generator
from leyden.data.splits import InMemory, Stage

SURFACES = {
    "brick": "brick.png",
    "coins": "coins.png",
    "fur": "chelsea.png",
    "grass": "grass.png",
    "gravel": "gravel.png",
    "print": "page.png",
    "stars": "hubble_deep_field.jpg",
    "tissue": "ihc.png",
    "vessels": "retina.jpg",
}
"""The photograph of each class."""
VALIDATED = 0.4
"""Of a photograph's right half, the upper part that validates."""
CENTRE = 0.7
"""Of ``retina.jpg``: the side of the square in its middle that is not black."""
LARGEST, SMALLEST = 72, 40
"""Sides in a photograph's pixels at which patches are cut."""
MEAN, CONTRAST, LEAST_CONTRAST = (90.0, 165.0), (30.0, 70.0), 4.0
"""Of a patch's grey values: the range of its mean and of its standard deviation, and below which one it is flat."""


class Surfaces(ImageSource):
    """Grey patches of brick, coins, fur, grass, gravel, print, stars, tissue and a retina's vessels, in RGB.

    Training sees the left half of each photograph, validation the upper part of the right half, testing the rest: no
    pixel is in two splits. Patches of one split may overlap each other. Brightness and contrast of a patch are drawn
    by chance, and there is no colour, so that neither tells the class.

    Args:
        image_size: side of the patches in pixels; they are cut at 40 to 72 pixels and resized.
        train: patches of each class for training.
        val: patches of each class for validation.
        test: patches of each class for testing.
        seed: of their places and light; the same for every run unless it is set.

    Raises:
        ValueError: a number is below its least value.
    """

    name = "surfaces"
    channels = 3

    def __init__(self, image_size: int = 96, train: int = 20, val: int = 20, test: int = 40, seed: int = 0) -> None:
        if image_size < 8 or min(train, val, test) < 1:
            raise ValueError("data.source: image_size from 8, train, val and test from 1")
        self.image_size = image_size
        self.class_names = list(SURFACES)
        self.counts = {"train": train, "val": val, "test": test}
        self.seed = seed

    def split(self, stage: Stage) -> InMemory[LabelledImages]:
        """Patches uint8 (N, 3, image_size, image_size) and labels 0..8, class after class."""
        generator, count = stage_generator(self.seed, stage), self.counts[stage]
        images = [
            lit_patch(part, self.image_size, torch.rand(5, generator=generator).tolist())
            for part in (part_of(name, stage) for name in SURFACES.values())
            for _ in range(count)
        ]
        labels = torch.arange(len(SURFACES)).repeat_interleave(count)
        return InMemory(LabelledImages(torch.stack(images).expand(-1, 3, -1, -1).contiguous(), labels))


def part_of(photograph: str, stage: Stage) -> Tensor:
    """The part of a photograph that belongs to a split: uint8 (1, H, W), grey."""
    image = F.rgb_to_grayscale(read_photograph(photograph))
    if photograph == "retina.jpg":
        image = F.center_crop(image, [round(CENTRE * side) for side in image.shape[1:]])
    left, right = image.tensor_split(2, dim=2)
    edge = round(VALIDATED * right.shape[1])
    return {"train": left, "val": right[:, :edge], "test": right[:, edge:]}[stage]


def lit_patch(part: Tensor, size: int, chance: list[float]) -> Tensor:
    """A square of a photograph's part in other light: uint8 (1, size, size); five numbers in [0, 1) say which."""
    side = SMALLEST + int(chance[0] * (LARGEST - SMALLEST + 1))
    top, left = (int(u * (length - side + 1)) for u, length in zip(chance[1:3], part.shape[1:], strict=True))
    patch = F.resize(part[:, top : top + side, left : left + side], [size], antialias=True).float()
    patch = (patch - patch.mean()) / patch.std().clamp(min=LEAST_CONTRAST)
    (dark, bright), (dull, sharp) = MEAN, CONTRAST
    light = dark + chance[3] * (bright - dark)
    return (patch * (dull + chance[4] * (sharp - dull)) + light).round().clamp(0, 255).to(torch.uint8)
