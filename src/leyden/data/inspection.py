"""A look at every example of a source: how many there are of what, what is wrong with them, and which to show."""

import hashlib
import math
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from leyden.data.columns import Scenes
from leyden.data.issues import DataIssue, Effect
from leyden.data.source import ImageSource, Source
from leyden.data.source.annotations.annotated import MIN_BOX_SIZE, AnnotatedImages, Corners, validate_box
from leyden.data.splits import Split, Stage

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
    size: tuple[int, int]
    target: Any
    error: str | None


def inspect(source: Source) -> Inspection:
    """Decodes every example once.

    Raises:
        ValueError: the source has rows and no images, or it stops at the first mistake by itself.
        FileNotFoundError: there are no such files.
    """
    if not isinstance(source, ImageSource):
        raise ValueError(f"{source.name} produces {source.produces}; choose a data/source with images, such as voc")
    splits, issues = source.inspect()
    classes = len(source.class_names)
    counts, empty, spared, first = {}, {}, {}, dict[bytes, tuple[Stage, Path]]()
    for stage, split in splits.items():
        counts[stage] = torch.zeros(max(1, classes), 3, dtype=torch.int64)
        empty[stage] = spared[stage] = 0
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            # Part by part, because a pool makes all that it has still to do into objects at once.
            parts = (range(i, min(i + AT_ONCE, len(split))) for i in range(0, len(split), AT_ONCE))
            looks = chain.from_iterable(pool.map(partial(_look, split), part) for part in parts)
            for index, seen in enumerate(looks):
                place = _place(split, stage, index)
                if seen.error is not None:
                    what = seen.error.removeprefix(f"{place}: ")
                    issues.append(DataIssue(BROKEN, "stops", place, None, what, place))
                    continue
                issues += _flaws(seen, place)
                before, earlier = first.setdefault(seen.digest, (stage, place))
                if earlier != place:
                    what = f"{stage} has the very image that {before} has as {earlier}"
                    effect: Effect = "note" if before == stage else "warning"
                    issues.append(DataIssue("same image", effect, place, None, what, place))
                _count(seen.target, counts[stage])
                if isinstance(seen.target, dict):
                    empty[stage] += not len(seen.target["labels"])
                    known = [key for key in ("difficult", "crowd") if key in seen.target]
                    spared[stage] += sum(int(seen.target[key].sum()) for key in known)
    return Inspection(splits, counts, empty, spared, issues)


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
    caption = "\n".join([f"{stage}: {_place(split, stage, index).name}", ", ".join(dict.fromkeys(kinds))]).strip()
    bad = split.examples[index].bad if isinstance(split, AnnotatedImages) else []
    return Shown(
        caption, example.images, _target(example), [corners for corners in bad if all(map(math.isfinite, corners))]
    )


def _look(split: Split, index: int) -> _Seen:
    try:
        example = split[index]
    except ValueError as error:  # every source says so of what it cannot read
        return _Seen(b"", (0, 0), None, str(error))
    image = example.images
    digest = hashlib.blake2b(str(image.shape).encode() + image.contiguous().numpy().tobytes())
    return _Seen(digest.digest(), (image.shape[-1], image.shape[-2]), _target(example), None)


def _target(example: Any) -> Any:
    """The objects of a scene (a dict), else the class of an image, which is 0 where there are no classes."""
    if isinstance(example, Scenes):
        return example.targets
    return int(example._asdict().get("labels", 0))


def _place(split: Split, stage: Stage, index: int) -> Path:
    """The image's file, or the number of an example that has none."""
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
