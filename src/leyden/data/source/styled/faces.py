"""The faces of scikit-image's subset of Labelled Faces in the Wild, as photographs or drawn in several styles."""

import math
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn import functional as F

from leyden.core.seeding import mix
from leyden.data.columns import LabelledImages
from leyden.data.source import ImageSource
from leyden.data.source.builtin.faces import Faces
from leyden.data.source.styled.filters import STYLES, draw
from leyden.data.splits import STAGES, InMemory, Stage

PHOTOGRAPH = "photograph"
"""The name of a style that leaves faces as they are."""
HALVES = 2
"""Into which the training faces are cut: no face trains both photographs and drawings."""
SHIFT, TURN, SCALE, LIGHT = 0.04, 6.0, 0.06, 0.15
"""Greatest changes of a further view: of the place, as a fraction of the side, the angle in degrees, the size, and the
exponent of the brightness."""


@runtime_checkable
class OfStyles(Protocol):
    """A source that knows what the contents of a stage look like in each of its styles.

    Evaluations then know what a change of style should have made.
    """

    class_names: Sequence[str]
    """Of the styles."""

    def drawn(self, stage: Stage) -> Tensor:
        """uint8 (styles, N, C, H, W): the N contents of a stage, in the order in which other domains have them."""
        ...


class StyledFaces(ImageSource):
    """Faces as grey photographs, or drawn in some styles (``leyden.data.source.styled.filters``): the classes.

    The 60 training faces are cut into halves, of which photographs have one and drawings the other, so that no face is
    seen both ways; each comes in several views, a little moved, turned, scaled, mirrored and lit. The 10 faces of the
    validation and the 30 of the test, which are in neither, come as they are, and in every style.

    Args:
        styles: of ``photograph``, ``engraving``, ``oil``, ``cyanotype``, ``halftone``.
        image_size: side of the square images in pixels; the faces have 25.
        views: of each training face.
        seed: of the views.

    Raises:
        ValueError: no styles, an unknown one, photographs beside drawings, no views, or a side that is too small.
        FileNotFoundError: the installed scikit-image lacks the file.
    """

    def __init__(
        self,
        styles: Sequence[str] = ("engraving", "oil", "cyanotype", "halftone"),
        image_size: int = 48,
        views: int = 8,
        seed: int = 0,
    ) -> None:
        known = (PHOTOGRAPH, *STYLES)
        if not styles or not set(styles) <= set(known) or (PHOTOGRAPH in styles and len(styles) > 1):
            raise ValueError(
                f"data.source.styles={list(styles)}: give {PHOTOGRAPH}, or one or more of {', '.join(STYLES)}"
            )
        if views < 1 or image_size < 8:
            raise ValueError(
                f"views={views}, image_size={image_size} of the source: a face has a view or more, of 8 pixels or more"
            )
        self.class_names, self.image_size, self.views, self.seed = list(styles), image_size, views, seed
        self.photographs = PHOTOGRAPH in styles
        self.channels = 1 if self.photographs else 3
        self.name = "photographs of faces" if self.photographs else f"faces as {', '.join(styles)}"
        self._faces = Faces(others=False)

    def contents(self, stage: Stage) -> Tensor:
        """The grey faces of a stage before they are drawn, uint8 (N, 1, S, S): for training all views of one half."""
        faces = self._faces.split(stage).columns.images.float()
        half = int(not self.photographs)
        if stage == "train":
            generator = torch.Generator().manual_seed(mix(self.seed, STAGES.index(stage), half))
            views = [view(faces[half::HALVES], self.image_size, generator) for _ in range(self.views)]
            return torch.stack(views, 1).flatten(0, 1)
        return _at_size(faces, self.image_size)

    def drawn(self, stage: Stage) -> Tensor:
        """uint8 (styles, N, C, S, S): ``contents`` in each of the styles."""
        contents = self.contents(stage)
        if self.photographs:
            return contents[None]
        return torch.stack([torch.stack([draw(face, style) for face in contents]) for style in self.class_names])

    def split(self, stage: Stage) -> InMemory[LabelledImages]:
        """Images (N, C, S, S), all faces in the first style, then all in the next; labels: the style."""
        images = self.drawn(stage)
        labels = torch.arange(len(images)).repeat_interleave(images.shape[1])
        return InMemory(LabelledImages(images.flatten(0, 1), labels))


def view(faces: Tensor, image_size: int, generator: torch.Generator) -> Tensor:
    """A view of each face, as one may have been photographed another time: moved, turned, scaled, mirrored, lit.

    Args:
        faces: (N, 1, H, W) float, 0 to 255.
        image_size: side of the result in pixels.
        generator: of the random numbers.

    Returns:
        uint8 (N, 1, image_size, image_size).
    """
    u = 2 * torch.rand(6, len(faces), generator=generator) - 1
    angle, scale, mirrored = u[0] * math.radians(TURN), 1 + SCALE * u[1], torch.sign(u[2])
    rows = (torch.stack([scale * angle.cos() * mirrored, -angle.sin() * scale, 2 * SHIFT * u[3]], 1),
            torch.stack([scale * angle.sin() * mirrored, angle.cos() * scale, 2 * SHIFT * u[4]], 1))  # fmt: skip
    places = F.affine_grid(torch.stack(rows, 1), [len(faces), 1, image_size, image_size], align_corners=False)
    seen = F.grid_sample(faces / 255, places, mode="bicubic", padding_mode="reflection", align_corners=False)
    return (255 * seen.clamp(0, 1) ** (LIGHT * u[5]).exp().view(-1, 1, 1, 1)).round().to(torch.uint8)


def _at_size(faces: Tensor, image_size: int) -> Tensor:
    return (
        F.interpolate(faces, (image_size, image_size), mode="bicubic", antialias=True)
        .round()
        .clamp(0, 255)
        .to(torch.uint8)
    )
