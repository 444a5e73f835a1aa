"""What sources of pairs of images share, and what they may know of the two domains."""

from collections.abc import Sequence
from typing import ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor

from leyden.data.columns import Images
from leyden.data.issues import DataIssue
from leyden.data.source import Source
from leyden.data.splits import STAGES, Split, Stage, fit_size


class ImagePairSource(Source):
    """A source whose examples are ``ImagePairs``: the same in domain A and in domain B."""

    produces: ClassVar[str] = "image pairs"
    channels_a: int
    """1 for grey, 3 for RGB."""
    channels_b: int
    image_size: int
    """Side in pixels that images have by nature, or a sensible default where they differ."""

    def files(self, stage: Stage) -> Sequence[str]:
        """For each pair the file that it is told by; none where there are no files."""
        return ()

    def found_issues(self) -> list[DataIssue]:
        """What is wrong with the files."""
        return []

    def inspect(self) -> tuple[dict[Stage, Split], list[DataIssue]]:
        """All splits, each pair as one image with A on the left."""
        self.prepare()
        splits: dict[Stage, Split] = {stage: Beside(self.split(stage), self.files(stage)) for stage in STAGES}
        return splits, self.found_issues()


class Beside:
    """Pairs as single images, B right of A and as high: to look at.

    Args:
        split: of ``ImagePairs``.
        files: see ``ImagePairSource.files``.
    """

    def __init__(self, split: Split, files: Sequence[str] = ()) -> None:
        self.split = split
        self.files = files

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, index: int) -> Images:
        pair = self.split[index]
        channels = max(len(pair.a), len(pair.b))
        a, b = (image.expand(channels, -1, -1) for image in pair)
        height = a.shape[1]
        width = max(1, round(b.shape[2] * height / b.shape[1]))
        return Images(torch.cat([a, fit_size(b, height, width)], 2))


@runtime_checkable
class OfAttribute(Protocol):
    """A source whose two domains differ by one attribute in a known part of the image, such as sunglasses.

    Evaluations then measure whether a translation changes the attribute, and whether it leaves the rest alone.
    """

    edited_rows: tuple[float, float]
    """First and last row that the attribute may change, as fractions of the height from the top."""

    def both_domains(self, stage: Stage) -> tuple[Tensor, Tensor]:
        """The same images of a stage in the source's own domain (of pairs: A) and in the other, uint8 (N, C, H, W)."""
        ...
