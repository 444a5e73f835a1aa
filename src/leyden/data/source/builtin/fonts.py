"""Printed digits: 0 to 9 in twenty typefaces that come with matplotlib; a domain beside handwritten digits."""

from leyden.core.seeding import mix
from leyden.data.columns import LabelledImages
from leyden.data.source import ImageSource
from leyden.data.splits import STAGES, InMemory, Stage
from leyden.data.typefaces import FACES, printed


class Fonts(ImageSource):
    """Grey images of the digits, white on black, each drawn anew in a typeface.

    No typeface is in two splits: fourteen are for training, two for validation, four for testing, with sans serif,
    serif and fixed-width ones in each of the large splits. An image is a pure function of (seed, split, index).

    Args:
        image_size: side of the images in pixels.
        per_face: images of each digit in each typeface.
        degrees: greatest rotation to either side.
        seed: of how the digits are turned, moved and scaled.

    Raises:
        ValueError: a number is below its least value.
    """

    name = "fonts"
    channels = 1

    def __init__(self, image_size: int = 32, per_face: int = 20, degrees: float = 12.0, seed: int = 0) -> None:
        if image_size < 8 or per_face < 1 or degrees < 0:
            raise ValueError("data.source: image_size from 8, per_face from 1, degrees from 0")
        self.image_size = image_size
        self.class_names = [str(digit) for digit in range(10)]
        self.per_face, self.degrees, self.seed = per_face, degrees, seed

    def split(self, stage: Stage) -> InMemory[LabelledImages]:
        """Images (N, 1, S, S) and labels 0..9, typeface after typeface."""
        seed = mix(self.seed, STAGES.index(stage))
        digits, faces = self.class_names, faces_of(stage)
        images, labels = printed(digits, faces, self.per_face, self.image_size, self.degrees, seed)
        return InMemory(LabelledImages(images, labels))


def faces_of(stage: Stage) -> list[str]:
    """The typefaces of a split: every fifth is for testing, two more for validation."""
    test = list(FACES[::5])
    val = [FACES[6], FACES[17]]
    return {"train": [face for face in FACES if face not in (*test, *val)], "val": val, "test": test}[stage]
