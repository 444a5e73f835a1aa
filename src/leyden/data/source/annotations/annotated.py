"""Images with boxes as files have them, and as training takes them (``leyden.data.columns.Target``).

Each reader turns its format's corners into continuous ones, and nobody else does.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from leyden.data.columns import Scenes, Target
from leyden.data.issues import DataIssue, Effect, Tally
from leyden.data.source.annotations.text import MalformedError, printable
from leyden.data.source.files.decoder import read_image
from leyden.data.splits import Stage

Corners = tuple[float, float, float, float]
ROUNDING = 0.5
"""Pixels that a box may stick out, because files have rounded numbers; it is cut to the image, and is not bad."""

MIN_BOX_SIZE = 0.01
"""Pixels: a box that is not wider and higher has no area."""


class Box(NamedTuple):
    """One object as its file has it."""

    corners: Corners
    """xyxy pixels; NaN for what is no number."""
    name: str
    """Of its class."""
    line: int
    text: str
    """The numbers as they stand in the file, for messages."""
    difficult: bool = False
    """Hard even for people, says VOC: to be neither hit nor miss."""
    crowd: bool = False
    """A box around many objects, says COCO: what lies on it is to be neither hit nor false alarm."""
    area: float | None = None
    """Of the object's outline, square pixels."""


class ImageEntry(NamedTuple):
    """An image and its boxes; nothing of it has been decoded."""

    path: Path
    written: Path
    """The file that its boxes stand in."""
    line: int | None
    """Where that file speaks of the image; None if it is the image itself."""
    size: tuple[int, int] | None
    """Width and height by that file; None where it does not say."""
    boxes: list[Box]
    number: int | None = None
    """The image's own, in COCO's files."""


class Reading:
    """What a reader found: the data's own splits, the names of the classes if they are listed, and mistakes.

    All images are in ``parts["train"]`` where the data has no splits.
    """

    def __init__(self) -> None:
        self.parts: dict[Stage, list[ImageEntry]] = {}
        self.class_names: list[str] | None = None
        self.class_places: list[tuple[Path, int | None]] = []
        """Where each of them stands, if that is known."""
        self.issues: list[DataIssue] = []

    def find(
        self, kind: str, effect: Effect, file: Path, line: int | None, what: str, image: Path | None = None
    ) -> None:
        """Keeps an issue."""
        self.issues.append(DataIssue(kind, effect, file, line, printable(what), image))

    def find_broken(self, file: Path, error: MalformedError | OSError) -> None:
        """Keeps that a file cannot be read."""
        line = error.line if isinstance(error, MalformedError) else None
        what = str(error) if isinstance(error, MalformedError) else f"cannot be read ({error.strerror or error})"
        self.find("broken annotation", "stops", file, line, what)

    def pass_over(self, images: Sequence[Path]) -> None:
        """Keeps which images are there and in no split."""
        taken = {entry.path for part in self.parts.values() for entry in part}
        told = {issue.file for issue in self.issues if issue.image is not None and issue.image not in taken}
        for path in images:
            if path not in taken and path not in told:
                self.find(
                    "not in the data", "note", path, None, "no annotation that is read speaks of this image", path
                )

    def stopped(self) -> bool:
        """Whether a mistake was found that a run stops at."""
        return any(issue.effect == "stops" for issue in self.issues)


class Annotated(NamedTuple):
    """An image that can be trained on."""

    entry: ImageEntry
    size: tuple[int, int]
    target: Target
    bad: list[Corners]
    """Boxes that are cut or left out."""


class AnnotatedImages:
    """A split of image files with boxes, decoded when asked for."""

    def __init__(self, examples: Sequence[Annotated], channels: int, tally: Tally | None = None) -> None:
        self.examples = list(examples)
        self.channels = channels
        self.tally = tally

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> Scenes:
        """A uint8 image (channels, H, W) and its target.

        Raises:
            ValueError: the image cannot be read, or has another size than the file with its boxes says.
        """
        entry, size, target, _ = self.examples[index]
        image = read_image(entry.path, self.channels, self.tally)
        width, height = image.shape[2], image.shape[1]
        if (width, height) != size:
            raise ValueError(
                f"{entry.path}: this image has {width}x{height} pixels (turned upright, where its EXIF data says "
                f"so), but {entry.written}:{entry.line} speaks of {size[0]}x{size[1]}: its boxes would lie "
                "elsewhere; correct one of the two"
            )
        return Scenes._make((image, target))


def learnable(target: Target) -> Target:
    """The "boxes" and "labels" of what training learns: neither difficult objects nor crowds.

    The code of the R-CNN papers learns no difficult object either (``use_diff`` is false there). The price is that the
    places of such objects count as background.
    """
    nothing = torch.zeros(len(target["labels"]), dtype=torch.bool)
    kept = ~(target.get("difficult", nothing) | target.get("crowd", nothing))
    return {"boxes": target["boxes"][kept], "labels": target["labels"][kept]}


def validate_box(corners: Corners, size: tuple[int, int], min_box_size: float) -> tuple[str | None, Corners]:
    """What is wrong with a box, if anything, and the part of it that lies in the image.

    Args:
        corners: xyxy pixels.
        size: width and height of the image.
        min_box_size: pixels; a box must be wider and higher.

    Returns:
        "not a number", "no area", "outside", "sticks out" (by more than ``ROUNDING``) or None; and the cut corners.
    """
    width, height = size
    x1, y1, x2, y2 = corners
    clipped = (max(x1, 0.0), max(y1, 0.0), min(x2, width), min(y2, height))
    if not all(map(math.isfinite, corners)):
        return "not a number", clipped
    if x2 - x1 <= min_box_size or y2 - y1 <= min_box_size:
        return "no area", clipped
    if clipped[2] - clipped[0] <= min_box_size or clipped[3] - clipped[1] <= min_box_size:
        return "outside", clipped
    if max(-x1, -y1, x2 - width, y2 - height) > ROUNDING:
        return "sticks out", clipped
    return None, clipped
