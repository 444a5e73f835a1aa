"""Images of any sizes in folders, without classes."""

from pathlib import Path

import numpy as np
from torchvision.datasets.folder import IMG_EXTENSIONS

from leyden.data.source import ImageSource
from leyden.data.source.files.image_folder import ImageList
from leyden.data.source.files.listing import Listing, list_images
from leyden.data.splits import Stage

TENTH = 10


class ImageFiles(ImageSource):
    """Image files below folders, at any depth, in the order of their paths; without classes.

    A folder that is not given is taken out of the training images: every tenth of them validates, and every tenth
    of those that are left tests.

    Args:
        root: the folder that the others are in.
        train: folder of the training images, "." for ``root`` itself.
        val: folder of the validation images, or None.
        test: folder of the test images, or None.
        channels: 3 for colour, 1 for grey; images are converted.
        index_cache: folder where the list of the files is kept for later starts; None: nowhere.
        in_memory_limit: GB; a split that takes more is not decoded as a whole where ``data.in_memory`` is "auto". None:
            only the free memory counts.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: a folder holds no image or lies inside another one, or there are too few images to share.
    """

    image_size = 96

    def __init__(
        self,
        root: str,
        train: str = "train",
        val: str | None = "val",
        test: str | None = "test",
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
        folders = {stage: self.root / folder for stage, folder in self.folders.items() if folder is not None}
        for stage, folder in folders.items():
            inside = [other for other, path in folders.items() if other != stage and folder.is_relative_to(path)]
            if inside:
                raise ValueError(
                    f"data.source.{stage}={self.folders[stage]} lies inside data.source.{inside[0]}="
                    f"{self.folders[inside[0]]}, so they would share images: give folders beside each other, "
                    "or null to share out the training images"
                )
        found = {stage: self._find(stage, folder) for stage, folder in folders.items()}
        for stage in ("val", "test"):
            if stage not in found:
                numbers = np.arange(len(found["train"]))
                held = numbers[TENTH - 1 :: TENTH] if len(numbers) >= TENTH else numbers[-1:]
                found[stage] = found["train"].take(held)
                found["train"] = found["train"].take(np.delete(numbers, held))
        if not len(found["train"]):
            raise ValueError(f"{folders['train']} has too few images to share them out: give 3 or more")
        self._files = found

    def split(self, stage: Stage) -> ImageList:
        """Images of their own sizes uint8 (channels, H, W), decoded one by one."""
        self.prepare()
        return ImageList(self._files[stage], self.channels, self.in_memory_limit, self.tally)

    def _find(self, stage: Stage, folder: Path) -> Listing:
        if not folder.is_dir():
            raise FileNotFoundError(f"data.source.{stage}: no folder {folder} (looked from {Path.cwd()})")
        found = list_images(folder, cache=self.index_cache, tally=self.tally)
        if not len(found):
            raise ValueError(f"{folder} holds no image with an ending among {', '.join(IMG_EXTENSIONS)}")
        return found
