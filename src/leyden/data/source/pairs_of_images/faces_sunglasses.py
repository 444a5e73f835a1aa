"""The faces of scikit-image's subset of Labelled Faces in the Wild, with sunglasses drawn on them."""

import math
from typing import Literal

import torch
from torch import Tensor

from leyden.core.seeding import mix
from leyden.data.columns import ImagePairs, Images
from leyden.data.source import ImageSource
from leyden.data.source.builtin.faces import Faces
from leyden.data.source.pairs_of_images.pair_source import ImagePairSource
from leyden.data.splits import STAGES, InMemory, Stage

SIDE, FINE = 25, 8
"""Pixels of a face's side; points per pixel and direction that decide how much of it the glasses cover."""
EYES, APART, MIDDLE = 8.4, 4.2, 10.4
"""Row of the eyes in the mean of the 100 faces, half the distance between them, and the column between them."""
EDITED_ROWS = (4 / SIDE, 13 / SIDE)
"""Glasses of any seed lie between these, as fractions of the height; a test draws 2,000."""
HALVES = 2
"""Into which the training faces are cut for domains without pairs."""


def draw_sunglasses(face: Tensor, generator: torch.Generator) -> Tensor:
    """A face with sunglasses: two dark lenses, a bridge between them, an arm to either side.

    Place (by up to 0.7 pixels), tilt (4 degrees), size, roundness and darkness are drawn anew each time.

    Args:
        face: uint8 (1, 25, 25), the eyes on row 8.
        generator: of the random numbers.
    """
    u = torch.rand(8, generator=generator, dtype=torch.float64).tolist()
    row, column = EYES + 1.0 * (u[0] - 0.5), MIDDLE + 1.4 * (u[1] - 0.5)
    angle = math.radians(8 * (u[2] - 0.5))
    half_width, half_height = 3.0 + 0.6 * u[3], 2.0 + 0.6 * u[4]
    roundness, grey, opacity = 2 + 2 * u[5], 8 + 28 * u[6], 0.92 + 0.08 * u[7]
    places = (torch.arange(SIDE * FINE, dtype=torch.float64) + 0.5) / FINE - 0.5
    y, x = (places - row)[:, None], (places - column)[None]
    across, down = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    lens = ((across.abs() - APART) / half_width).abs() ** roundness + (down / half_height).abs() ** roundness <= 1
    top = (down + 0.55 * half_height).abs() <= 0.45
    bridge = top & (across.abs() <= APART - 0.6 * half_width)
    arm = top & (across.abs() >= APART + 0.6 * half_width) & (across.abs() <= APART + half_width + 1.2)
    covered = (lens | bridge | arm).double().unfold(0, FINE, FINE).unfold(1, FINE, FINE).mean((2, 3))
    return (face + opacity * covered * (grey - face.double())).round().to(torch.uint8)


class SunglassesFaces:
    """The 100 faces without and with sunglasses.

    Args:
        seed: of the glasses; the splits do not depend on it.
    """

    def __init__(self, seed: int) -> None:
        source = Faces()
        self._pairs: dict[Stage, ImagePairs] = {}
        for number, stage in enumerate(STAGES):
            columns = source.split(stage).columns
            faces = columns.images[columns.labels == 0]
            generators = [torch.Generator().manual_seed(mix(seed, number, i)) for i in range(len(faces))]
            worn = [draw_sunglasses(face, generator) for face, generator in zip(faces, generators, strict=True)]
            self._pairs[stage] = ImagePairs(faces, torch.stack(worn))

    def of(self, stage: Stage) -> ImagePairs:
        """The pairs of a stage: 60 for training, 10 for validation, 30 for testing, as ``Faces`` has them."""
        return self._pairs[stage]


class FacesSunglasses(ImagePairSource):
    """25x25 grey faces (A), and the same ones with sunglasses (B); outside ``edited_rows`` both are equal.

    The splits never change: 60 pairs for training, 10 for validation, 30 for testing.

    Args:
        seed: of the glasses.

    Raises:
        FileNotFoundError: the installed scikit-image lacks the file.
    """

    name = "faces with and without sunglasses"
    channels_a = channels_b = 1
    image_size = 32
    edited_rows = EDITED_ROWS

    def __init__(self, seed: int = 0) -> None:
        self._faces = SunglassesFaces(seed)

    def split(self, stage: Stage) -> InMemory[ImagePairs]:
        """Pairs (N, 1, 25, 25)."""
        return InMemory(self._faces.of(stage))

    def both_domains(self, stage: Stage) -> tuple[Tensor, Tensor]:
        """The faces of a stage without and with glasses."""
        return self._faces.of(stage)


class FacesDomain(ImageSource):
    """One of two domains without pairs: faces without sunglasses, or faces with them.

    The 60 training faces are cut into halves, one for each domain, so that no face is in the training of both. All
    faces of validation and test are in either, in the same order: translations can be compared with what was drawn.

    Args:
        glasses: "without" or "with": which domain this is.
        seed: of the glasses.

    Raises:
        ValueError: another word.
        FileNotFoundError: the installed scikit-image lacks the file.
    """

    channels = 1
    image_size = 32
    edited_rows = EDITED_ROWS

    def __init__(self, glasses: Literal["without", "with"] = "without", seed: int = 0) -> None:
        if glasses not in ("without", "with"):
            raise ValueError(f"glasses={glasses!r}: the domain is one of without, with")
        self.domain = ("without", "with").index(glasses)
        self.name = f"faces {glasses} sunglasses"
        self._faces = SunglassesFaces(seed)

    def split(self, stage: Stage) -> InMemory[Images]:
        """Images (N, 1, 25, 25): 30 for training, 10 for validation, 30 for testing."""
        images = self._faces.of(stage)[self.domain]
        return InMemory(Images(images[self.domain :: HALVES] if stage == "train" else images))

    def both_domains(self, stage: Stage) -> tuple[Tensor, Tensor]:
        """The faces of a stage as this domain has them, and as the other does."""
        pairs = self._faces.of(stage)
        return pairs[self.domain], pairs[1 - self.domain]
