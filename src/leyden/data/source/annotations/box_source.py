"""What sources of annotated images share: what becomes of bad boxes, and who is in which split."""

import logging
import math
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

import torch

from leyden.core.splits import check_holdout
from leyden.data.columns import Target
from leyden.data.issues import DataIssue, Effect, log_issues
from leyden.data.source import ImageSource
from leyden.data.source.annotations.annotated import (
    MIN_BOX_SIZE,
    Annotated,
    AnnotatedImages,
    Box,
    Corners,
    ImageEntry,
    Reading,
    learnable,
    validate_box,
)
from leyden.data.source.annotations.sharing import separate, share_out
from leyden.data.source.annotations.text import alike, clean_name
from leyden.data.source.files.decoder import read_image_size
from leyden.data.source.files.layout import why_no_folder
from leyden.data.splits import STAGES, Split, Stage

log = logging.getLogger(__name__)

OnBadBox = Literal["drop", "clip", "fail"]
WHOLE = 1.01
"""The greatest coordinate of boxes that are given as fractions of an image's sides."""
MANY = 5
"""Boxes that stick out and are no slip."""
TOLD = 5
"""Issues and names that an error shows."""


class BoxSource(ImageSource):
    """Images with boxes in files. A child class reads one format.

    What the three splits are made of, the same each time:

    | the data has | train | val | test |
    |---|---|---|---|
    | train, val, test | train | val | test |
    | train, test | 1 - holdout of train | holdout of train | test |
    | train, val | 1 - holdout of train | holdout of train | val |
    | no splits (or train alone) | 60 % | 10 % | 30 % |

    Parts of train are drawn by a hash of the images' names, so neither the order of files nor a few more images
    change much. Images without objects belong to the data.

    A box is bad if a coordinate is no number, if it has no area, or if it lies outside the image or sticks out.

    Args:
        kind: what error messages call the format.
        root: the folder.
        classes: their names in the order of the labels; null: those that the data lists or uses.
        channels: 3 for colour, 1 for grey.
        on_bad_box: "clip" cuts boxes that stick out to the image and leaves other bad ones out, "drop" leaves all
            bad ones out, "fail" stops; in each case they are counted.
        holdout: see the table; above 0 and below 1.
        seed: of the hash.
    """

    produces: ClassVar[str] = "boxes"
    image_size = 320
    """Pixels, where ``data.image_size`` is null: images differ in size."""
    min_box_size: ClassVar[float] = MIN_BOX_SIZE
    """A box that is not wider and higher than so many pixels has no area."""
    means: ClassVar[str]
    """What the four numbers of a box are in the format."""
    knows: ClassVar[tuple[Literal["difficult", "crowd", "area"], ...]] = ()
    """What the format says of an object besides its class."""

    def __init__(
        self,
        kind: str,
        root: str,
        classes: list[str] | None,
        channels: int,
        on_bad_box: OnBadBox,
        holdout: float,
        seed: int,
    ) -> None:
        check_holdout(holdout)
        self.root = Path(root).expanduser()
        self.kind = kind
        self.name = f"{kind} {self.root}"
        self.classes = classes
        self.channels = channels
        self.on_bad_box = on_bad_box
        self.holdout = holdout
        self.seed = seed
        self._splits: dict[Stage, AnnotatedImages] = {}

    @abstractmethod
    def read(self) -> Reading:
        """Reads the files with the boxes; no image is decoded.

        Raises:
            FileNotFoundError: the layout is not the format's; the message says what is expected.
        """

    def prepare(self) -> None:
        """Reads the boxes; what is left out or doubtful is counted and logged.

        Raises:
            FileNotFoundError: there is no such folder, or nothing of the format in it.
            ValueError: something that must not be trained on; the message has file and line.
        """
        if self._splits:
            return
        splits, issues = self._survey()
        stops = [issue for issue in issues if issue.effect == "stops"]
        if stops:
            more = f"\nand {len(stops) - TOLD} more" if len(stops) > TOLD else ""
            listed = "\n".join(f"{issue} ({issue.kind})" for issue in stops[:TOLD])
            raise ValueError(f"{self.name} cannot be trained on (leyden check-data lists everything):\n{listed}{more}")
        log_issues(log, self.name, issues)
        self._splits = splits

    def split(self, stage: Stage) -> AnnotatedImages:
        """Images of their own sizes (channels, H, W), decoded one by one, and their targets."""
        self.prepare()
        return self._splits[stage]

    def inspect(self) -> tuple[dict[Stage, Split], list[DataIssue]]:
        """What can be trained on, and everything else, without stopping at it."""
        splits, issues = self._survey()
        return dict(splits), issues

    def _survey(self) -> tuple[dict[Stage, AnnotatedImages], list[DataIssue]]:
        if not self.root.is_dir():
            raise FileNotFoundError(
                f"data.source.root={self.root}: {why_no_folder(self.root)} (looked from {Path.cwd()})"
            )
        reading = self.read()
        self._name_classes(reading)
        separate(reading)
        parts = {stage: self._usable(part, reading) for stage, part in reading.parts.items()}
        splits = share_out(parts, self.holdout, self.seed)
        if not (parts.get("val") or parts.get("test")):
            what = "the data has no splits: a hash of the images' names deals them out, 60, 10 and 30 %"
            reading.find("no splits", "note", self.root, None, what)
        self._find_misread(parts, reading)
        self._find_untrained(splits, reading)
        return {stage: AnnotatedImages(splits[stage], self.channels, self.tally) for stage in STAGES}, reading.issues

    def _name_classes(self, reading: Reading) -> None:
        """Sets the names in the order of the labels; those that are equal or nearly so are issues."""
        used = {box.name for part in reading.parts.values() for entry in part for box in entry.boxes} - {""}
        own = [clean_name(name) for name in self.classes or []]
        self.class_names = own or reading.class_names or sorted(used)
        places = reading.class_places if not own else []
        same: dict[str, str] = {}
        for number, name in enumerate(self.class_names):
            file, line = places[number] if places else (self.root, None)
            if name in self.class_names[:number]:
                what = f"two classes are called {name!r}: rename one{self.one_class(name)}"
                reading.find("doubtful name", "stops", file, line, what)
            elif same.setdefault(alike(name), name) != name and {name, same[alike(name)]} <= used:
                what = f"the classes {same[alike(name)]!r} and {name!r} differ by case or spaces only: are they one?"
                reading.find("doubtful name", "warning", file, line, what)

    def one_class(self, name: str) -> str:
        """What else may be done where two classes have a name; empty if nothing."""
        return ""

    def _usable(self, part: list[ImageEntry], reading: Reading) -> list[Annotated]:
        usable = []
        for entry in part:
            size = entry.size
            if size is None:
                try:
                    size = read_image_size(entry.path)
                except ValueError as error:
                    reading.find("unusable image", "stops", entry.path, None, _without(error, entry.path), entry.path)
                    continue
            usable.append(Annotated(entry, size, *self._target(entry, size, reading)))
        return usable

    def _target(self, entry: ImageEntry, size: tuple[int, int], reading: Reading) -> tuple[Target, list[Corners]]:
        """What is left of the boxes by the policy, and the bad ones."""
        kept: list[Box] = []
        bad: list[Corners] = []
        for box in entry.boxes:
            what = f"{box.name} [{box.text}]"
            if box.name not in self.class_names:
                some = ", ".join(self.class_names[:TOLD]) + (", ..." if len(self.class_names) > TOLD else "")
                what += f" is none of the {len(self.class_names)} classes: {some}"
                near = next((name for name in self.class_names if alike(name) == alike(box.name)), None)
                what += f"; is {near!r} meant?" if near is not None else ""
                reading.find("unknown class", "stops", entry.written, box.line, what, entry.path)
                continue
            flaw, clipped = validate_box(box.corners, size, self.min_box_size)
            if flaw is not None:
                saved = flaw == "sticks out" and self.on_bad_box == "clip"
                effect: Effect = "stops" if self.on_bad_box == "fail" else "note" if saved else "left out"
                what = f"{what} in {size[0]}x{size[1]}"
                reading.find(flaw, effect, entry.written, box.line, what, entry.path)
                bad.append(box.corners)
                if not saved:
                    continue
            kept.append(box._replace(corners=clipped))
        if not kept:
            what = f"{entry.path.name} shows no object"
            reading.find("no object", "note", entry.written, entry.line, what, entry.path)
        target = {
            "boxes": torch.tensor([box.corners for box in kept], dtype=torch.float32).reshape(-1, 4),
            "labels": torch.tensor([self.class_names.index(box.name) for box in kept], dtype=torch.int64),
        }
        for key in self.knows:
            values = [_area(box) if key == "area" else getattr(box, key) for box in kept]
            target[key] = torch.tensor(values, dtype=torch.float32 if key == "area" else torch.bool)
        if entry.number is not None:
            target["image_id"] = torch.tensor(entry.number)
        return target, bad

    def _find_misread(self, parts: Mapping[Stage, list[Annotated]], reading: Reading) -> None:
        """Coordinates that mean something else than the format's: fractions for pixels, corners for sizes."""
        examples = [example for part in parts.values() for example in part if example.entry.boxes]
        boxes = [(box.corners, example) for example in examples for box in example.entry.boxes]
        greatest = max((value for corners, _ in boxes for value in corners if math.isfinite(value)), default=math.inf)
        if greatest <= WHOLE and all(min(example.size) > 2 for example in examples):
            entry: ImageEntry = examples[0].entry
            what = f"no box reaches beyond the first pixel: these are fractions, but {self.kind} has {self.means}"
            reading.find("fractions for pixels", "stops", entry.written, entry.boxes[0].line, what, entry.path)
            return
        out = [example for corners, example in boxes if validate_box(corners, example.size, 0)[0] == "sticks out"]
        if len(out) >= MANY and len(out) > len(boxes) / 4:
            entry = out[0].entry
            what = f"{len(out)} of {len(boxes)} boxes stick out of their images: {self.kind} has {self.means}"
            reading.find("doubtful coordinates", "warning", entry.written, entry.line, what, entry.path)

    def _find_untrained(self, splits: dict[Stage, list[Annotated]], reading: Reading) -> None:
        """A split without boxes, and classes that are tested and never trained."""
        for stage in STAGES:
            if not any(len(example.target["labels"]) for example in splits[stage]):
                effect: Effect = "stops" if stage == "train" or not splits[stage] else "warning"
                what = f"none of {len(splits[stage])} {stage} images has a box that can be used"
                if not splits[stage]:
                    what = (
                        f"there is no {stage} image: add images (to be shared out it takes three), or a {stage} split"
                    )
                reading.find("no boxes", effect, self.root, None, what)
        trained = {label for e in splits["train"] for label in learnable(e.target)["labels"].tolist()}
        for stage in STAGES[1:]:
            told: set[str] = set()
            for example in splits[stage]:
                names = {self.class_names[label] for label in set(example.target["labels"].tolist()) - trained} - told
                for box in example.entry.boxes:
                    if box.name in names - told:
                        told.add(box.name)
                        what = f"{box.name} [{box.text}] is in {stage}, but there is none to learn from in train"
                        written, path = example.entry.written, example.entry.path
                        reading.find("untrained class", "warning", written, box.line, what, path)


def _area(box: Box) -> float:
    x1, y1, x2, y2 = box.corners
    return (x2 - x1) * (y2 - y1) if box.area is None else box.area


def _without(error: ValueError, path: Path) -> str:
    return str(error).removeprefix(f"{path}: ")
