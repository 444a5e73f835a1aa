"""Images of any sizes in folders, without classes."""

import logging
import os
from pathlib import Path

import numpy as np

from leyden.data.source import ImageSource
from leyden.data.source.files.image_folder import ImageList
from leyden.data.source.files.layout import IMAGE_ENDINGS, why_no_folder
from leyden.data.source.files.listing import Listing, list_images
from leyden.data.source.files.splits_by_name import given_splits, splits_of_images
from leyden.data.splits import Stage

log = logging.getLogger(__name__)

TENTH = 10
LEAST_TESTED = 6
"""Images that the evaluation of generated ones needs, which goes by five neighbours."""


class ImageFiles(ImageSource):
    """Image files below folders, at any depth, in the order of their paths; without classes.

    What has no folder is taken out of the training images: every tenth of them validates, and every tenth of those
    that are left tests; of fewer than 60 that are left six, or a third if that is less.

    Args:
        root: the folder with all images.
        train: folder of the training images below it, "." for ``root`` itself. None: folders that are named after
            splits (also ``Training``, ``val2017``) are those, and where there are none, ``root`` is.
        val: folder of the validation images, only where ``train`` is given; None: there is none.
        test: likewise.
        channels: 3 for colour, 1 for grey; images are converted.
        index_cache: folder where the list of the files is kept for later starts; None: nowhere.
        in_memory_limit: GB; a split that takes more is not decoded as a whole where ``data.in_memory`` is "auto". None:
            only the free memory counts.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: a folder holds no image or lies inside another one, there are too few images to share, or it cannot
            be told which folders are splits.
    """

    image_size = 96

    def __init__(
        self,
        root: str,
        train: str | None = None,
        val: str | None = None,
        test: str | None = None,
        channels: int = 3,
        index_cache: str | None = None,
        in_memory_limit: float | None = None,
    ) -> None:
        self.root = Path(root).expanduser()
        self.folders: dict[Stage, str | None] = {"train": train, "val": val, "test": test}
        self.name = f"images in {self.root}"
        self.channels = channels
        self.index_cache = Path(index_cache) if index_cache else None
        self.in_memory_limit = in_memory_limit
        self._files: dict[Stage, Listing] = {}

    def prepare(self) -> None:
        """Finds the files; no image is opened yet."""
        if self._files:
            return
        if not self.root.is_dir():
            raise FileNotFoundError(
                f"data.source.root={self.root}: {why_no_folder(self.root)} (looked from {Path.cwd()})"
            )
        folders = given_splits(self.root, self.folders) or splits_of_images(self.root)
        told = ", ".join(f"{stage} is {os.path.relpath(path, self.root)}" for stage, path in folders.items())
        log.info("%s: %s", self.name, told)
        found = {stage: self._find(folder) for stage, folder in folders.items()}
        least: dict[Stage, int] = {"val": 1, "test": LEAST_TESTED}
        for stage, fewest in least.items():
            if stage not in found:
                numbers = np.arange(len(found["train"]))
                wanted = max(1, min(fewest, len(numbers) // 3))
                step = min(TENTH, max(1, len(numbers) // wanted))
                held = numbers[step - 1 :: step]
                found[stage] = found["train"].take(held)
                found["train"] = found["train"].take(np.delete(numbers, held))
        if not len(found["train"]):
            raise ValueError(f"{folders['train']} has too few images to share them out: give 3 or more")
        self._files = found

    def split(self, stage: Stage) -> ImageList:
        """Images of their own sizes uint8 (channels, H, W), decoded one by one."""
        self.prepare()
        return ImageList(self._files[stage], self.channels, self.in_memory_limit, self.tally)

    def _find(self, folder: Path) -> Listing:
        found = list_images(folder, cache=self.index_cache, tally=self.tally)
        if not len(found):
            passed = f" (passed over: {self.tally})" if str(self.tally) else ""
            raise ValueError(
                f"{folder} holds no image with an ending among {', '.join(IMAGE_ENDINGS)}{passed}: convert or rename "
                "what it holds, or give another folder"
            )
        return found
