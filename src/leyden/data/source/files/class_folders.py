"""Folders of images for few-shot learning: training, validation and test have classes of their own."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from leyden.core.splits import by_name, check_holdout
from leyden.data.source import ImageSource
from leyden.data.source.files.image_folder import ImageList
from leyden.data.source.files.layout import why_no_folder
from leyden.data.source.files.listing import Listing, list_images
from leyden.data.splits import STAGES, Split, Stage, Subset

log = logging.getLogger(__name__)

KNOWN = "image of a class of training, left out of the other parts"


class ClassFolders(ImageSource):
    """``root/<part>/.../<class>/``: a class is a folder that holds images itself, at any depth below its part.

    Its name is its path below the part, such as ``Greek/character01`` of Omniglot or ``n01532829`` of miniImageNet. No
    class is in two parts: what validation or test share with training by name is left out of them, and the log says how
    much that is.

    Args:
        root: the folder.
        train: the folder below ``root`` of training's classes, or a list of such.
        test: of the test's.
        val: of validation's; None: some of training's classes become validation's, by whole groups where classes lie in
            groups (Omniglot's alphabets).
        channels: 3 for colour, 1 for grey; images are converted.
        image_size: side in pixels, where ``data.image_size`` is null: images differ in size.
        holdout: where ``val`` is None, the share of training's groups that becomes validation, one at least.
        index_cache: folder where the list of the files is kept for later starts; None: nowhere.
        in_memory_limit: GB; a split that takes more is not decoded as a whole where ``data.in_memory`` is "auto". None:
            only the free memory counts.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: a part holds no images in folders, or no class of its own.
    """

    def __init__(
        self,
        root: str,
        train: str | list[str] = "train",
        test: str | list[str] = "test",
        val: str | list[str] | None = None,
        channels: int = 3,
        image_size: int = 84,
        holdout: float = 0.2,
        index_cache: str | None = None,
        in_memory_limit: float | None = None,
    ) -> None:
        check_holdout(holdout)
        self.root = Path(root).expanduser()
        self.parts: dict[Stage, list[str]] = {"train": _listed(train), "val": _listed(val), "test": _listed(test)}
        self.name = f"class folders {self.root}"
        self.channels, self.image_size, self.holdout = channels, image_size, holdout
        self.index_cache = Path(index_cache) if index_cache else None
        self.in_memory_limit = in_memory_limit
        self._splits: dict[Stage, Split] = {}

    def prepare(self) -> None:
        """Finds the classes and the files; no image is opened yet."""
        if self._splits:
            return
        found = {stage: self._found(parts) for stage, parts in self.parts.items() if parts}
        names = {stage: list(dict.fromkeys(classes)) for stage, (_, classes) in found.items()}
        if "val" not in names:
            names["val"] = self._held_out(names["train"])
            found["val"] = found["train"]
            names["train"] = [name for name in names["train"] if name not in set(names["val"])]
        taken = set[str]()
        for stage in STAGES:
            known = taken & set(names[stage])
            own = [name for name in names[stage] if name not in known]
            if not own:
                raise ValueError(
                    f"{self.root}: all {len(known)} classes of {stage} are in another part, too: give data.source."
                    f"{stage} classes of its own"
                )
            if known:
                log.info("%s: %d classes of %s left out, as they are in another part", self.name, len(known), stage)
                self.tally.add(KNOWN, self.root / sorted(known)[0])
            names[stage] = own
            taken |= set(own)
        self.class_names = [name for stage in STAGES for name in names[stage]]
        log.info("%s: classes of training, validation, test: %s", self.name, [len(names[stage]) for stage in STAGES])
        self._splits = {stage: self._split(*found[stage], names[stage]) for stage in STAGES}

    def split(self, stage: Stage) -> Split:
        """Images of their own sizes (channels, H, W), decoded one by one, and labels: places in ``class_names``."""
        self.prepare()
        return self._splits[stage]

    def _found(self, parts: Sequence[str]) -> tuple[Listing, list[str]]:
        """The files of some folders, and the class of each."""
        for part in parts:
            if not (self.root / part).is_dir():
                packed = self.root / f"{part}.zip"
                why = f"{packed.name} lies there: unpack it" if packed.is_file() else why_no_folder(self.root / part)
                raise FileNotFoundError(
                    f"data.source.root={self.root}, folder {part}: {why} (looked from {Path.cwd()})"
                )
        files = list_images(self.root, parts, self.index_cache, self.tally)
        folders = [os.path.dirname(os.fsdecode(path)) for path in files.paths.tolist()]
        classes = [
            os.path.relpath(folder, parts[top]) for folder, top in zip(folders, files.tops.tolist(), strict=True)
        ]
        if not classes or "." in classes:
            where = self.root / parts[0]
            raise ValueError(
                f"{where} holds {'images beside class folders' if classes else 'no images'}: give a folder of images "
                "per class"
            )
        return files, classes

    def _held_out(self, names: Sequence[str]) -> list[str]:
        """The classes of some groups, chosen by a hash of their names."""
        groups = sorted({name.split(os.sep)[0] for name in names})
        kept = max(1, round(self.holdout * len(groups)))
        chosen = {groups[i] for i in by_name(groups, [1 - kept / len(groups), kept / len(groups)])[1]}
        return [name for name in names if name.split(os.sep)[0] in chosen]

    def _split(self, files: Listing, classes: Sequence[str], names: Sequence[str]) -> Split:
        places = {name: self.class_names.index(name) for name in names}
        chosen = np.array([i for i, name in enumerate(classes) if name in places])
        labels = torch.tensor([places[classes[i]] for i in chosen])
        images = ImageList(files.take(chosen), self.channels, self.in_memory_limit, self.tally)
        return Subset(images, torch.arange(len(chosen)), labels)


def _listed(folders: str | list[str] | None) -> list[str]:
    return [folders] if isinstance(folders, str) else list(folders or [])
