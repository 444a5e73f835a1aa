"""Images that a CSV file lists, with a column for each of their targets: classes or numbers."""

import logging
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from leyden.core.splits import by_name
from leyden.data.columns import Images
from leyden.data.issues import Tally
from leyden.data.source import ImageSource
from leyden.data.source.files.decoder import read_image
from leyden.data.source.files.layout import stage_of
from leyden.data.source.targets import Target, class_target
from leyden.data.splits import STAGES, Stage

log = logging.getLogger(__name__)
FRACTIONS = (0.6, 0.1, 0.3)


class ImageTable(ImageSource):
    """A CSV file with a row per image: its path, from the file's own folder on, and any number of targets.

    A column of words is a target of classes, one of numbers a number, unless it is among ``classes``. An empty cell
    is an unknown target: the image teaches the others. Where no column names the split, 60 / 10 / 30 % of the images
    are train, val and test, by a hash of their paths.

    Args:
        file: the table, with a heading.
        image_column: with the paths.
        classes: columns of numbers that are classes all the same, such as the number of a species.
        leave_out: columns that are no targets.
        split_column: with train, val or test (or another common name of these); null: there is none.
        channels: 3 for colour, 1 for grey; images are converted.
        in_memory_limit: GB; a split that takes more is not decoded as a whole where ``data.in_memory`` is "auto". null:
            only the free memory counts.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a column is missing, an image is not there, no target is left, or a split has no image.
    """

    image_size = 64
    """Pixels, where ``data.image_size`` is null: images differ in size."""

    def __init__(
        self,
        file: str,
        image_column: str = "image",
        classes: list[str] | None = None,
        leave_out: list[str] | None = None,
        split_column: str | None = None,
        channels: int = 3,
        in_memory_limit: float | None = None,
    ) -> None:
        self.file = Path(file).expanduser()
        self.name = f"images of {self.file.name}"
        self.image_column, self.split_column = image_column, split_column
        self.classes, self.leave_out = classes or [], leave_out or []
        self.channels, self.in_memory_limit = channels, in_memory_limit
        self._paths: dict[Stage, list[str]] = {}
        self._targets: dict[Stage, dict[str, Target]] = {}

    def prepare(self) -> None:
        """Reads the table; no image is opened yet."""
        if self._paths:
            return
        if not self.file.is_file():
            raise FileNotFoundError(f"data.source.file={self.file}: no such file (looked from {Path.cwd()})")
        table = pd.read_csv(self.file, dtype={self.image_column: str})
        for column in (self.image_column, *self.classes, *self.leave_out, *filter(None, [self.split_column])):
            if column not in table:
                raise ValueError(f"{self.file} has no column {column!r}: it has {', '.join(map(str, table.columns))}")
        names = table.pop(self.image_column).astype(str).tolist()
        paths = [str(self.file.parent / name) for name in names]
        absent = [path for path in paths if not Path(path).is_file()]
        if absent:
            raise ValueError(
                f"{self.file}: {len(absent)} of {len(paths)} images are not there, such as {absent[0]}: paths count "
                "from the folder of the table on"
            )
        parts = self._parts(table, names)
        columns = {str(name): self._target(table[name]) for name in table if name not in self.leave_out}
        if not columns:
            raise ValueError(f"{self.file}: no column is left that is a target; leave out fewer")
        for stage, rows in parts.items():
            if not rows:
                raise ValueError(f"{self.file}: no image is left for {stage}: add images, or name it in a split column")
            self._targets[stage] = {name: Target(t.values[rows], t.class_names) for name, t in columns.items()}
            self._paths[stage] = [paths[row] for row in rows]
        log.info("%s: %s", self.name, ", ".join(f"{name} ({_kind(target)})" for name, target in columns.items()))

    def split(self, stage: Stage) -> "ImagePaths":
        """Images of their own sizes uint8 (channels, H, W), decoded one by one."""
        self.prepare()
        return ImagePaths(self._paths[stage], self.channels, self.tally)

    def targets(self, stage: Stage) -> dict[str, Target]:
        """The columns of a split's images, by the table's headings."""
        self.prepare()
        return self._targets[stage]

    def _parts(self, table: pd.DataFrame, names: list[str]) -> dict[Stage, list[int]]:
        """The rows of each split; the column that names them is taken out of the table."""
        if self.split_column is None:
            return dict(zip(STAGES, by_name(names, FRACTIONS), strict=True))
        parts: dict[Stage, list[int]] = {stage: [] for stage in STAGES}
        for row, word in enumerate(table.pop(self.split_column).astype(str)):
            stage = stage_of(word)
            if stage is None:
                raise ValueError(f"{self.file}, row {row + 2}: {word!r} is no split: write train, val or test")
            parts[stage].append(row)
        return parts

    def _target(self, column: Any) -> Target:
        """A column of numbers, or of words."""
        if column.dtype.kind in "iuf" and column.name not in self.classes:
            return Target(torch.from_numpy(column.to_numpy("float32", copy=True)), [])
        known = column.notna().tolist()
        whole = column.dtype.kind == "f" and (column.dropna() % 1 == 0).all()  # numbers with empty cells are floats
        texts = [str(int(v) if whole else v) if k else None for v, k in zip(column, known, strict=True)]
        names = sorted({text for text in texts if text is not None}, key=_numbers_first)
        return class_target(texts, names)


class ImagePaths:
    """Image files as a split, decoded when asked for.

    Args:
        files: their paths.
        channels: 3 for colour, 1 for grey.
        tally: counts what decoding changes.
    """

    def __init__(self, files: list[str], channels: int, tally: Tally) -> None:
        self.files, self.channels, self.tally = files, channels, tally

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Images:
        return Images(read_image(self.files[index], self.channels, self.tally))


def _numbers_first(text: str) -> tuple[float, str]:
    return (int(text), "") if text.isdecimal() else (float("inf"), text)


def _kind(target: Target) -> str:
    return f"{len(target.class_names)} classes" if target.class_names else "number"
