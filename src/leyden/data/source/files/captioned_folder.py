"""Images of the user's own with captions: in a table beside them, or in a text file beside each."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from leyden.core.splits import by_name, check_holdout
from leyden.data.columns import CaptionedImages
from leyden.data.issues import DataIssue, Effect, Tally, log_issues
from leyden.data.source.files.decoder import read_image
from leyden.data.source.files.image_folder import ImageList
from leyden.data.source.files.layout import IMAGE_ENDINGS, is_clutter, stage_of, why_no_folder
from leyden.data.source.files.listing import Listing, list_images
from leyden.data.source.scenes.captioned_scenes import CaptionSource
from leyden.data.source.text.table_file import check_column, read_table
from leyden.data.source.text.text_source import read_lines
from leyden.data.splits import STAGES, Stage

log = logging.getLogger(__name__)

TABLES = tuple(f"{name}.{ending}" for name in ("captions", "metadata") for ending in ("csv", "tsv", "jsonl"))
"""Files with captions that are found by their names, in any folder."""
FRACTIONS = (0.6, 0.1, 0.3)


class Caption(NamedTuple):
    """One of an image's."""

    image: str
    """Its file, from the root on."""
    text: str
    file: Path
    """Where it stands."""
    line: int | None


class CaptionedFolder(CaptionSource):
    """``root/**/*.jpg`` with captions in ``captions.csv``, ``metadata.csv`` or ``metadata.jsonl``, or ``.txt`` files.

    A table has the columns ``file_name`` (from its own folder on) and ``text``, as ``imagefolder`` of Hugging Face has
    them; there may be one at the root, or one in each folder. Where there is no table, ``a.txt`` beside ``a.jpg`` has
    its captions, one a line. An image may have several captions, each an example; they all describe the same, and so
    do equal captions of several images.

    Folders named after splits right below the root (train, val, test) are these; where val or test is missing,
    ``holdout`` of train validates, and the one that is there tests. Without any, 60 % of the images are for training,
    10 % for validation and 30 % for testing.

    Images without caption and captions without image are left out, and told by the log and by ``leyden check-data``.

    Args:
        root: the folder.
        table: name of the tables; None: ``captions`` or ``metadata`` with the ending csv, tsv or jsonl.
        image_column: with the files' paths.
        text_column: with the captions.
        channels: 3 for colour, 1 for grey; images are converted.
        holdout: share of train that validates where there is no val or no test, above 0 and below 1.
        index_cache: folder where the list of the files is kept for later starts; None: nowhere.
        in_memory_limit: GB; a split that takes more is not decoded as a whole where ``data.in_memory`` is "auto". None:
            only the free memory counts.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: no images, no captions, a table without these columns, or a split without an image.
    """

    image_size = 64
    """Pixels, where ``data.image_size`` is null: images differ in size."""

    def __init__(
        self,
        root: str,
        table: str | None = None,
        image_column: str = "file_name",
        text_column: str = "text",
        channels: int = 3,
        holdout: float = 0.1,
        index_cache: str | None = None,
        in_memory_limit: float | None = None,
    ) -> None:
        check_holdout(holdout)
        self.root = Path(root).expanduser()
        self.name = f"captioned images of {self.root}"
        self.tables = TABLES if table is None else (table,)
        self.image_column, self.text_column = image_column, text_column
        self.channels, self.holdout = channels, holdout
        self.index_cache = Path(index_cache) if index_cache else None
        self.in_memory_limit = in_memory_limit
        self._splits: dict[Stage, CaptionedList] = {}
        self._issues: list[DataIssue] = []

    def prepare(self) -> None:
        """Finds the images and reads the captions; no image is opened yet."""
        if self._splits:
            return
        if not self.root.is_dir():
            raise FileNotFoundError(
                f"data.source.root={self.root}: {why_no_folder(self.root)} (looked from {Path.cwd()}); it should hold "
                "images, and captions.csv with the columns file_name and text, or a .txt file beside each image"
            )
        listing = list_images(self.root, cache=self.index_cache)  # what else lies there are captions
        if not len(listing):
            raise ValueError(f"{self.root} holds no image with an ending among {', '.join(IMAGE_ENDINGS)}")
        self._issues = []
        numbers = {os.path.normpath(os.fsdecode(path)): number for number, path in enumerate(listing.paths)}
        kept = self._matched(numbers)
        labels, self.class_names = described([caption.image for caption in kept], [caption.text for caption in kept])
        self._splits = self._shared_out(listing, numbers, kept, labels)
        log_issues(log, self.name, self._issues)

    def split(self, stage: Stage) -> "CaptionedList":
        """Images of their own sizes (channels, H, W), decoded one by one, with their captions."""
        self.prepare()
        return self._splits[stage]

    def captions(self, stage: Stage) -> list[str]:
        """Those of ``split(stage)``, in its order."""
        return self.split(stage).captions

    def inspect(self) -> tuple[dict[Stage, "CaptionedList"], list[DataIssue]]:  # type: ignore[override]
        """The splits, and what lacks its partner."""
        self.prepare()
        return dict(self._splits), list(self._issues)

    def _matched(self, numbers: dict[str, int]) -> list[Caption]:
        """The captions whose image is there, the same ones of an image once."""
        tables = sorted(path for name in self.tables for path in self.root.rglob(name) if not _hidden(path, self.root))
        found = (
            [caption for table in tables for caption in self._of_table(table)] if tables else self._of_texts(numbers)
        )
        if not found:
            raise ValueError(
                f"{self.root} has no captions: add captions.csv with the columns {self.image_column} and "
                f"{self.text_column}, or a .txt file beside each image, of its name; a table of another name is "
                "data.source.table"
            )
        kept: dict[tuple[str, str], Caption] = {}
        for caption in found:
            if not caption.text:
                self._find("empty caption", "left out", caption, "the image has no description here: write one")
            elif caption.image not in numbers:
                what = f"there is no image {caption.image!r} in {self.root}: paths count from the table's folder on"
                self._find("caption without image", "left out", caption, what)
            else:
                kept.setdefault((caption.image, caption.text), caption)
        named = {image for image, _ in kept}
        for image in numbers:
            if image not in named:
                bare = Caption(image, "", self.root / image, None)
                self._find("image without caption", "left out", bare, "it has no description: write one")
        if not kept:
            raise ValueError(f"{self.root}: of {len(found)} captions none has an image; first {self._issues[0]}")
        return list(kept.values())

    def _of_table(self, table: Path) -> Iterator[Caption]:
        """The rows of a table."""
        rows = read_table(table, "utf-8", self.tally)
        check_column(rows, self.image_column, table, "image_column")
        check_column(rows, self.text_column, table, "text_column")
        for line in rows.index:
            name, text = (rows.at[line, column] for column in (self.image_column, self.text_column))
            place = os.path.normpath(os.path.relpath(table.parent / name.strip(), self.root))
            yield Caption(place, " ".join(text.split()), table, int(line))

    def _of_texts(self, numbers: dict[str, int]) -> list[Caption]:
        """A caption for each line of the text files beside images."""
        found = []
        for image in numbers:
            file = (self.root / image).with_suffix(".txt")
            if file.is_file():
                lines = enumerate(read_lines(file, "utf-8"), 1)
                own = [Caption(image, " ".join(text.split()), file, line) for line, text in lines]
                found += [caption for caption in own if caption.text] or [Caption(image, "", file, None)]
        return found

    def _shared_out(
        self, listing: Listing, numbers: dict[str, int], kept: list[Caption], labels: Tensor
    ) -> dict[Stage, "CaptionedList"]:
        stages = self._stages(list(dict.fromkeys(caption.image for caption in kept)))
        splits = {}
        for stage in STAGES:
            rows = [row for row, caption in enumerate(kept) if stages[caption.image] == stage]
            if not rows:
                raise ValueError(f"{self.root}: no image with a caption is left for {stage}: add some")
            files = listing.take(np.array([numbers[kept[row].image] for row in rows]))
            captions = [kept[row].text for row in rows]
            splits[stage] = CaptionedList(
                files, captions, labels[rows], self.channels, self.in_memory_limit, self.tally
            )
        return splits

    def _stages(self, images: list[str]) -> dict[str, Stage]:
        """The split of each image: by its first folder, or drawn by a hash of its path."""
        named = {image: stage_of(Path(image).parts[0]) if len(Path(image).parts) > 1 else None for image in images}
        known = {stage for stage in named.values() if stage}
        if None in named.values() or known == {"train"} or "train" not in known:
            if known - {"train"}:
                first = next(image for image, stage in named.items() if stage is None or "train" not in known)
                raise ValueError(
                    f"{self.root}: some folders are splits ({', '.join(sorted(known))}), but {first} is in none or "
                    "there is no train: move it into train, val or test, or rename these folders"
                )
            return self._drawn(images, dict(zip(STAGES, FRACTIONS, strict=True)))
        if len(known) == 3:
            return {image: stage for image, stage in named.items() if stage}
        tested = "test" if "test" in known else "val"
        train = [image for image, stage in named.items() if stage == "train"]
        parts = self._drawn(train, {"train": 1 - self.holdout, "val": self.holdout})
        return parts | {image: "test" for image, stage in named.items() if stage == tested}

    def _drawn(self, images: list[str], fractions: dict[Stage, float]) -> dict[str, Stage]:
        parts = by_name(images, list(fractions.values()))
        return {images[i]: stage for stage, part in zip(fractions, parts, strict=True) for i in part}

    def _find(self, kind: str, effect: Effect, caption: Caption, what: str) -> None:
        self._issues.append(DataIssue(kind, effect, caption.file, caption.line, what))


class CaptionedList(ImageList):
    """Image files with captions as a split, decoded when asked for.

    Args:
        files: where the images are, one more than once where it has several captions.
        captions: of each.
        labels: (N,) int64, which description each is.
        channels, in_memory_limit, tally: see ``ImageList``.
    """

    def __init__(
        self,
        files: Listing,
        captions: list[str],
        labels: Tensor,
        channels: int,
        in_memory_limit: float | None = None,
        tally: Tally | None = None,
    ) -> None:
        super().__init__(files, channels, in_memory_limit, tally)
        self.captions, self.labels = captions, labels

    def __getitem__(self, index: int) -> CaptionedImages:  # type: ignore[override]
        image = read_image(self.files[index], self.channels, self.tally)
        return CaptionedImages(image, self.captions[index], self.labels[index])  # type: ignore[arg-type]


def described(images: list[str], captions: list[str]) -> tuple[Tensor, list[str]]:
    """Which captions describe the same: those that are equal but for case and a full stop, and those of one image.

    Args:
        images: N names, equal where the image is the same.
        captions: of each.

    Returns:
        Labels (N,) int64, and a caption for each label, in alphabetical order.
    """
    own = np.unique(images, return_inverse=True)[1]
    texts = np.unique([caption.casefold().rstrip(". ") for caption in captions], return_inverse=True)[1]
    size = int(own.max() + 1 + texts.max() + 1)
    graph = coo_array((np.ones(len(own)), (own, texts + own.max() + 1)), shape=(size, size))
    group = connected_components(graph, directed=False)[1][own]
    first: dict[int, str] = {}
    for number, caption in zip(group.tolist(), captions, strict=True):
        first.setdefault(number, caption)
    order = {number: place for place, number in enumerate(sorted(first, key=lambda number: first[number]))}
    return torch.tensor([order[number] for number in group.tolist()]), [first[number] for number in order]


def _hidden(path: Path, root: Path) -> bool:
    return any(is_clutter(part) for part in path.relative_to(root).parts)
