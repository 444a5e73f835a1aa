"""Images in folders that are named after their classes."""

import logging
from pathlib import Path

import torch
from torchvision.datasets.folder import IMG_EXTENSIONS

from leyden.core.splits import check_holdout, stratified
from leyden.data.columns import Images
from leyden.data.issues import Tally
from leyden.data.source import ImageSource
from leyden.data.source.files.decoder import read_image
from leyden.data.source.files.listing import Listing, list_images
from leyden.data.splits import Stage, Subset

log = logging.getLogger(__name__)

VAL_NAMES = ("val", "valid", "validation")


class ImageFolder(ImageSource):
    """``root/<class>/...`` or ``root/{train,val,test}/<class>/...``, the image files at any depth below a class.

    What the three splits are made of, stratified by class and the same each time:

    | folders in root | train | val | test |
    |---|---|---|---|
    | train, val, test | train | val | test |
    | train, test | 1 - holdout of train | holdout of train | test |
    | train, val | 1 - holdout of train | holdout of train | val |
    | classes (or train alone) | 60 % | 10 % | 30 % |

    The third row is how many published sets come (ants and bees, ImageNet): the best checkpoint must not be chosen on
    what the test score is computed from, so their val folder is kept for the test.

    Args:
        root: the folder.
        channels: 3 for colour, 1 for grey; images are converted.
        holdout: in the second and third row, the share of train that becomes validation, above 0 and below 1.
        index_cache: folder where the list of the files is kept for later starts; None: nowhere.
        in_memory_limit: GB; a split that takes more is not decoded as a whole where ``data.in_memory`` is "auto". None:
            only the free memory counts.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: fewer than two classes, a class without images, or a class that training does not know.
    """

    image_size = 64
    """Pixels, where ``data.image_size`` is null: images differ in size."""

    def __init__(
        self,
        root: str,
        channels: int = 3,
        holdout: float = 0.1,
        index_cache: str | None = None,
        in_memory_limit: float | None = None,
    ) -> None:
        check_holdout(holdout)
        self.root = Path(root).expanduser()
        self.name = f"image folder {self.root}"
        self.channels = channels
        self.holdout = holdout
        self.index_cache = Path(index_cache) if index_cache else None
        self.in_memory_limit = in_memory_limit
        self._splits: dict[Stage, Subset] = {}

    def prepare(self) -> None:
        """Finds the classes and the files; no image is opened yet."""
        if self._splits:
            return
        if not self.root.is_dir():
            raise FileNotFoundError(
                f"data.source.root={self.root}: no such folder (looked from {Path.cwd()}); it should hold a folder of "
                "images per class, or train, val and test with such folders"
            )
        folders = {path.name: path for path in _folders(self.root)}
        train = folders.get("train", self.root)
        self.class_names = [path.name for path in _folders(train)]
        if len(self.class_names) < 2:
            raise ValueError(
                f"{train} has {len(self.class_names)} class folders {self.class_names}, but a classifier needs two or "
                "more: put the images of each class into a folder with the class's name"
            )
        training = self._images(train)
        val = next((folders[name] for name in VAL_NAMES if name in folders), None)
        test = folders.get("test")
        if "train" not in folders or (val is None and test is None):
            self._splits = _share_out(training, {"train": 0.6, "val": 0.1, "test": 0.3})
        elif val is not None and test is not None:
            self._splits = {"train": training, "val": self._images(val), "test": self._images(test)}
        else:
            tested = test or val
            assert tested is not None
            test_split = self._images(tested)
            parts = _share_out(training, {"train": 1 - self.holdout, "val": self.holdout})
            log.info("%s: %.0f %% of train validates, %s tests", self.name, 100 * self.holdout, tested.name)
            self._splits = parts | {"test": test_split}

    def split(self, stage: Stage) -> Subset:
        """Images of their own sizes (channels, H, W), decoded one by one, and their labels."""
        self.prepare()
        return self._splits[stage]

    def _images(self, folder: Path) -> Subset:
        unknown = [path for path in _folders(folder) if path.name not in self.class_names]
        if unknown:
            raise ValueError(
                f"{unknown[0]}: the class {unknown[0].name!r} is not among those of training: {self.class_names}"
            )
        files = list_images(folder, self.class_names, self.index_cache, self.tally)
        labels = torch.from_numpy(files.tops)
        empty = labels.bincount(minlength=len(self.class_names)) == 0
        if empty.any():
            missing = folder / self.class_names[int(empty.nonzero()[0])]
            raise ValueError(f"{missing} holds no image with an ending among {', '.join(IMG_EXTENSIONS)}")
        return Subset(
            ImageList(files, self.channels, self.in_memory_limit, self.tally), torch.arange(len(files)), labels
        )


class ImageList:
    """Image files as a split, decoded when asked for, without classes.

    Args:
        files: where they are.
        channels: 3 for colour, 1 for grey.
        in_memory_limit: see ``ImageFolder``.
        tally: counts what decoding changes.
    """

    def __init__(
        self, files: Listing, channels: int, in_memory_limit: float | None = None, tally: Tally | None = None
    ) -> None:
        self.files = files
        self.channels = channels
        self.in_memory_limit = in_memory_limit
        self.tally = tally

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Images:
        return Images(read_image(self.files[index], self.channels, self.tally))


def _share_out(split: Subset, fractions: dict[Stage, float]) -> dict[Stage, Subset]:
    parts = stratified(split.labels, list(fractions.values()))
    return {stage: Subset(split.split, part, split.labels[part]) for stage, part in zip(fractions, parts, strict=True)}


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
