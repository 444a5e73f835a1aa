"""Letters of three alphabets in sixteen typefaces: many classes with few examples each, for few-shot learning."""

import torch

from leyden.core.seeding import mix
from leyden.data.columns import LabelledImages
from leyden.data.source import ImageSource
from leyden.data.splits import STAGES, InMemory, Stage
from leyden.data.typefaces import UNICODE_FACES, printed

ALPHABETS: dict[Stage, str] = {
    "train": "ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghjnqrty0123456789",  # of small letters those that look unlike capitals
    "val": "ΓΔΘΛΞΠΣΦΨΩ",
    "test": "БДЖИЙЛЦЧШЩЪЫЬЭЮЯ",
}
"""Latin letters and digits, Greek capitals, Cyrillic capitals: no character of one looks like one of another."""


class Glyphs(ImageSource):
    """Grey images of characters, white on black; each split has an alphabet of its own, so its classes are new ones.

    An image is a pure function of (seed, split, index).

    Args:
        image_size: side of the images in pixels.
        per_face: images of each character in each of the sixteen typefaces.
        degrees: greatest rotation to either side.
        seed: of how the characters are turned, moved and scaled.

    Raises:
        ValueError: a number is below its least value.
    """

    name = "glyphs"
    channels = 1

    def __init__(self, image_size: int = 28, per_face: int = 2, degrees: float = 15.0, seed: int = 0) -> None:
        if image_size < 8 or per_face < 1 or degrees < 0:
            raise ValueError("data.source: image_size from 8, per_face from 1, degrees from 0")
        self.image_size = image_size
        self.class_names = list("".join(ALPHABETS[stage] for stage in STAGES))
        self.per_face, self.degrees, self.seed = per_face, degrees, seed
        self._drawn: dict[Stage, InMemory[LabelledImages]] = {}

    def split(self, stage: Stage) -> InMemory[LabelledImages]:
        """Images (N, 1, S, S) and labels, which are places in ``class_names``; typeface after typeface."""
        if stage not in self._drawn:
            self._drawn[stage] = self._draw(stage)
        return self._drawn[stage]

    def _draw(self, stage: Stage) -> InMemory[LabelledImages]:
        seed, characters = mix(self.seed, STAGES.index(stage)), ALPHABETS[stage]
        images, numbers = printed(characters, UNICODE_FACES, self.per_face, self.image_size, self.degrees, seed)
        places = torch.tensor([self.class_names.index(character) for character in characters])
        return InMemory(LabelledImages(images, places[numbers]))
