"""The real photographs that lie inside scikit-image and scikit-learn, whole."""

from typing import Literal

from torch import Tensor

from leyden.data.source import Source
from leyden.data.source.builtin.image_patches import FOLDERS, photographs
from leyden.data.source.files.image_folder import read_image

GREY = ("brick.png", "camera.png", "coins.png", "grass.png", "gravel.png")
"""Tested on besides the pavilion, which is one picture only. Left out of scikit-image's grey pictures: what is no
photograph, and moon.png, cell.png and clock_motion.png, which are out of focus."""


class WholeImages(Source):
    """Thirteen photographs in RGB, each of its own size, without classes (every target is 0).

    Training sees an astronaut, coffee, a motorcycle, a rocket, a flower and stained tissue, validation a cat, testing a
    Chinese pavilion and, grey, bricks, a man with a camera, coins, grass and gravel.
    ``leyden.data.source.builtin.image_patches`` cuts patches of one size from the coloured ones.
    """

    name = "whole_images"
    channels = 3
    image_size = 96

    def __init__(self) -> None:
        self.class_names: list[str] = []

    def split(self, stage: Literal["train", "val", "test"]) -> "Whole":
        """Photographs uint8 (3, H, W) and targets, all 0."""
        grey = [read_image(FOLDERS[0] / name) for name in GREY] if stage == "test" else []
        return Whole(photographs(stage) + grey)


class Whole:
    """Pictures of any sizes in memory, as a split; every target is 0.

    Args:
        pictures: uint8 (C, H, W) each.
    """

    def __init__(self, pictures: list[Tensor]) -> None:
        self.pictures = pictures

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.pictures[index], 0
