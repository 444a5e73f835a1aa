"""The real photographs that lie inside scikit-image and scikit-learn, whole."""

from leyden.data.source import ImageSource
from leyden.data.source.builtin.image_patches import FOLDERS, photographs
from leyden.data.source.files.decoder import read_image
from leyden.data.splits import Stage, VariedImages

GREY = ("brick.png", "camera.png", "coins.png", "grass.png", "gravel.png")
"""Tested on besides the pavilion, which is one image only. Left out of scikit-image's grey images: what is no
photograph, and moon.png, cell.png and clock_motion.png, which are out of focus."""


class WholeImages(ImageSource):
    """Thirteen photographs in RGB, each of its own size, without classes.

    Training sees an astronaut, coffee, a motorcycle, a rocket, a flower and stained tissue, validation a cat, testing a
    Chinese pavilion and, grey, bricks, a man with a camera, coins, grass and gravel.
    ``leyden.data.source.builtin.image_patches`` cuts patches of one size from the coloured ones.
    """

    name = "whole_images"
    channels = 3
    image_size = 96

    def split(self, stage: Stage) -> VariedImages:
        """Photographs uint8 (3, H, W)."""
        grey = [read_image(FOLDERS[0] / name) for name in GREY] if stage == "test" else []
        return VariedImages(photographs(stage) + grey)
