"""Who is in which split, so that no image is in two."""

import os
from collections.abc import Sequence
from pathlib import Path

from leyden.core.splits import by_name
from leyden.data.source.annotations.annotated import Annotated, ImageEntry, Reading
from leyden.data.splits import STAGES, Stage


def share_out(parts: dict[Stage, list[Annotated]], holdout: float, seed: int) -> dict[Stage, list[Annotated]]:
    """The three splits by the table of ``BoxSource``, of the splits that the data has."""
    train, val, test = (parts.get(stage, []) for stage in STAGES)
    if val and test:
        return {"train": train, "val": val, "test": test}
    if not val and not test:
        return dict(zip(STAGES, _by_name(train, (0.6, 0.1, 0.3), seed), strict=True))
    learnt, held = _by_name(train, (1 - holdout, holdout), seed)
    return {"train": learnt, "val": held, "test": test or val}


def _by_name(examples: list[Annotated], fractions: tuple[float, ...], seed: int) -> list[list[Annotated]]:
    parts = by_name([example.entry.path.name for example in examples], fractions, seed)
    return [[examples[i] for i in part] for part in parts]


def separate(reading: Reading) -> None:
    """Takes an image that is listed twice once, and leaves one that is in two splits to the one that measures.

    A val or test that is all of train measures nothing, and is dropped.
    """
    keys = _Keys()
    for stage, part in reading.parts.items():
        reading.parts[stage] = list(_once(stage, part, keys, reading).values())
    pairs: tuple[tuple[Stage, Stage], ...] = (("val", "test"), ("train", "test"), ("train", "val"))
    for stage, measuring in pairs:
        first, second = reading.parts.get(stage, []), reading.parts.get(measuring, [])
        held = {keys.of(entry.path) for entry in second}
        both = [entry for entry in first if keys.of(entry.path) in held]
        if not both:
            continue
        if len(both) == len(first):
            entry: ImageEntry = both[0]
            dropped: Stage = measuring if stage == "train" else "val"
            what = f"all {len(both)} images of {stage} are in {measuring}: {dropped} is drawn from train instead"
            reading.find("in two splits", "warning", entry.written, entry.line, what, entry.path)
            reading.parts[dropped] = []
            continue
        for entry in both:
            what = f"{entry.path.name} is in {measuring} and in {stage}: it stays in {measuring}, which would else"
            what += " measure what was learnt by heart"
            reading.find("in two splits", "left out", entry.written, entry.line, what, entry.path)
        gone = {entry.path for entry in both}
        reading.parts[stage] = [entry for entry in first if entry.path not in gone]


def _once(stage: Stage, part: Sequence[ImageEntry], keys: "_Keys", reading: Reading) -> dict[str, ImageEntry]:
    kept: dict[str, ImageEntry] = {}
    for entry in part:
        if kept.setdefault(keys.of(entry.path), entry) is not entry:
            what = f"{entry.path.name} stands in {stage} a second time"
            reading.find("listed twice", "left out", entry.written, entry.line, what, entry.path)
    return kept


class _Keys:
    """One text for each file, whatever links lead to it or to its folder."""

    def __init__(self) -> None:
        self.folders: dict[Path, str] = {}

    def of(self, path: Path) -> str:
        if os.path.islink(path):
            return os.path.realpath(path)
        folder = self.folders.setdefault(path.parent, "") or os.path.realpath(path.parent)
        self.folders[path.parent] = folder
        return os.path.join(folder, path.name)
