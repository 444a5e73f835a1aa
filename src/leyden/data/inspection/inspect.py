"""A look at every example of a source: how many there are of what, what is wrong with them, and which to show."""

import hashlib
import math
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from leyden.data.columns import Scenes
from leyden.data.inspection.duplicates import find_alike, fingerprints
from leyden.data.inspection.music import MusicInspection, inspect_music
from leyden.data.inspection.rows import TableInspection, inspect_table
from leyden.data.inspection.texts import TextInspection, inspect_texts
from leyden.data.inspection.volumes import VolumeInspection, inspect_volumes
from leyden.data.issues import DataIssue, Effect, printable
from leyden.data.source import Source
from leyden.data.source.annotations.annotated import MIN_BOX_SIZE, AnnotatedImages, Corners, validate_box
from leyden.data.source.files.image_folder import ImageList
from leyden.data.source.mixed_rows.mixed_source import MixedSource
from leyden.data.source.pairs_of_images.pair_source import Beside
from leyden.data.splits import STAGES, Split, Stage, Subset

SIZES = (32**2, 96**2)
"""Square pixels of the source's images: COCO's border between small and medium boxes, and between those and large."""
BROKEN = "unusable image"
AT_ONCE = 1024
"""Examples that are waiting to be looked at."""


class Shown(NamedTuple):
    """An example to draw."""

    caption: str
    image: Tensor
    """uint8 (C, H, W)."""
    target: Any
    bad: list[Corners]
    """Boxes (xyxy) that are not used as they stand."""


@dataclass(frozen=True)
class Inspection:
    """What was seen."""

    splits: dict[Stage, Split]
    counts: dict[Stage, Tensor]
    """For each split (classes, 3) int64: small, medium and large boxes; for classification all images are "small"."""
    empty: dict[Stage, int]
    """Images without objects."""
    spared: dict[Stage, int]
    """Difficult objects and crowds."""
    issues: list[DataIssue]


class _Seen(NamedTuple):
    digest: bytes
    hashes: np.ndarray | None
    size: tuple[int, int]
    target: Any
    error: str | None


def inspect(source: Source) -> Inspection | TextInspection | TableInspection | VolumeInspection | MusicInspection:
    """Decodes every example once.

    Raises:
        ValueError: the source has rows of numbers alone, or its files cannot be told apart into splits.
        FileNotFoundError: there are no such files.
    """
    if isinstance(source, MixedSource):
        return inspect_table(source)
    if source.produces == "volumes":
        return inspect_volumes(source)
    if source.produces == "music":
        return inspect_music(source)
    return inspect_texts(source) if source.produces in ("text", "text pairs") else inspect_images(source)


def inspect_images(source: Source) -> Inspection:
    """The same of images; raises as ``inspect``."""
    if source.produces not in ("images", "boxes", "image pairs", "captioned images"):
        raise ValueError(f"{source.name} produces {source.produces}; choose a data/source with images or texts")
    splits, issues = source.inspect()
    classes = len(source.class_names)
    counts, empty, spared, copies = {}, {}, {}, _Copies(splits)
    for stage, split in splits.items():
        counts[stage] = torch.zeros(max(1, classes), 3, dtype=torch.int64)
        empty[stage] = spared[stage] = 0
        for index, seen in enumerate(_looks(split)):
            place = _place(split, stage, index)
            if seen.error is not None:
                what = seen.error.removeprefix(f"{place}: ")
                issues.append(DataIssue(BROKEN, "stops", place, None, what, place))
                continue
            issues += _flaws(seen, place)
            issues += copies.same(seen, stage, index)
            _count(seen.target, counts[stage])
            if isinstance(seen.target, dict):
                empty[stage] += not len(seen.target["labels"])
                known = [key for key in ("difficult", "crowd") if key in seen.target]
                spared[stage] += sum(int(seen.target[key].sum()) for key in known)
    return Inspection(splits, counts, empty, spared, issues + copies.alike())


def _looks(split: Split) -> Iterator[_Seen]:
    """A look at each example, in order, with all cores."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        # Part by part, because a pool makes all that it has still to do into objects at once.
        for i in range(0, len(split), AT_ONCE):
            yield from pool.map(partial(_look, split), range(i, min(i + AT_ONCE, len(split))))


class _Copies:
    """Finds images that are there twice."""

    def __init__(self, splits: dict[Stage, Split]) -> None:
        self.splits = splits
        self.first: dict[bytes, tuple[Stage, Path]] = {}
        self.seen: list[tuple[Stage, int]] = []
        """Those that are compared by what they show; exact copies are known already."""
        self.hashes: list[np.ndarray] = []

    def same(self, seen: _Seen, stage: Stage, index: int) -> Iterator[DataIssue]:
        """An issue if the very pixels came before."""
        place = _place(self.splits[stage], stage, index)
        before, earlier = self.first.setdefault(seen.digest, (stage, place))
        if earlier != place:
            what = f"{stage} has the very image that {before} has as {earlier}"
            effect: Effect = "note" if before == stage else "warning"
            yield DataIssue("same image", effect, place, None, what, place)
        elif seen.hashes is not None:
            self.seen.append((stage, index))
            self.hashes.append(seen.hashes)

    def alike(self) -> list[DataIssue]:
        """Issues for images that are re-encoded, resized or lightly cropped ones of another split."""
        if not self.hashes:
            return []
        groups = np.array([STAGES.index(stage) for stage, _ in self.seen])
        pairs, more = find_alike(np.stack(self.hashes), groups, self._image)
        issues = []
        for first, second in pairs:
            (before, _), (stage, _), place = self.seen[first], self.seen[second], self._file(second)
            what = (
                f"{stage} has nearly the image that {before} has as {self._file(first)}: another encoding, size or cut"
            )
            issues.append(DataIssue("nearly same image", "warning", place, None, what, place))
        if more:
            what = f"{more:,} further pairs of images have like hashes and were not compared"
            issues.append(DataIssue("nearly same image", "note", Path(), None, what))
        return issues

    def _image(self, number: int) -> Tensor:
        stage, index = self.seen[number]
        image: Tensor = self.splits[stage][index].images
        return image

    def _file(self, number: int) -> Path:
        stage, index = self.seen[number]
        return _place(self.splits[stage], stage, index)


def examples_to_show(seen: Inspection, count: int) -> list[Shown]:
    """At most ``count`` examples: up to half of them with issues, the others evenly spread over all splits."""
    places = [(stage, index) for stage, split in seen.splits.items() for index in range(len(split))]
    told: dict[Path, list[str]] = {}
    for issue in seen.issues:
        if issue.image is not None:
            told.setdefault(issue.image, []).append(issue.kind)
    kinds = {(stage, index): told.get(_place(seen.splits[stage], stage, index), []) for stage, index in places}
    whole = [place for place in places if BROKEN not in kinds[place]]
    chosen = [place for place in whole if kinds[place]][: count // 2]
    others = [place for place in whole if place not in set(chosen)]
    wanted = min(count - len(chosen), len(others))
    chosen += [others[i * len(others) // wanted] for i in range(wanted)]
    return [_show(seen.splits[place[0]], *place, kinds[place]) for place in chosen]


def _show(split: Split, stage: Stage, index: int, kinds: list[str]) -> Shown:
    example = split[index]
    name = printable(_place(split, stage, index).name)
    caption = "\n".join([f"{stage}: {name}", ", ".join(dict.fromkeys(kinds))]).strip()
    bad = split.examples[index].bad if isinstance(split, AnnotatedImages) else []
    return Shown(
        caption, example.images, _target(example), [corners for corners in bad if all(map(math.isfinite, corners))]
    )


def _look(split: Split, index: int) -> _Seen:
    try:
        example = split[index]
        image = example.images
        digest = hashlib.blake2b(str(image.shape).encode() + image.contiguous().numpy().tobytes()).digest()
        return _Seen(digest, fingerprints(image), (image.shape[-1], image.shape[-2]), _target(example), None)
    except Exception as error:  # whatever one file holds, the others are to be looked at
        return _Seen(b"", None, (0, 0), None, str(error) or type(error).__name__)


def _target(example: Any) -> Any:
    """The objects of a scene (a dict), else the class of an image, which is 0 where there are no classes."""
    if isinstance(example, Scenes):
        return example.targets
    return int(example._asdict().get("labels", 0))


def _place(split: Split, stage: Stage, index: int) -> Path:
    """The image's file, or the number of an example that has none."""
    if isinstance(split, Subset):
        return _place(split.split, stage, int(split.indices[index]))
    if isinstance(split, ImageList) or (isinstance(split, Beside) and split.files):
        return Path(split.files[index])
    return split.examples[index].entry.path if isinstance(split, AnnotatedImages) else Path(f"{stage}/{index}")


def _flaws(seen: _Seen, place: Path) -> list[DataIssue]:
    """Bad boxes that a source handed out; those with a policy hand out none."""
    if not isinstance(seen.target, dict):
        return []
    flaws = ((box, validate_box(tuple(box), seen.size, MIN_BOX_SIZE)[0]) for box in seen.target["boxes"].tolist())
    return [DataIssue(flaw, "warning", place, None, f"box {box} in {seen.size}", place) for box, flaw in flaws if flaw]


def _count(target: Any, counts: Tensor) -> None:
    if isinstance(target, dict):
        sizes = target["boxes"][:, 2:] - target["boxes"][:, :2]
        kinds = torch.bucketize(sizes.prod(1), torch.tensor(SIZES, dtype=torch.float32), right=True)
        counts.index_put_((target["labels"], kinds), torch.ones(len(kinds), dtype=torch.int64), accumulate=True)
    elif target is not None:
        counts[target, 0] += 1
