"""Images in folders that are named after their classes."""

import logging
import os
import unicodedata
from pathlib import Path

import numpy as np
import torch

from leyden.core.splits import check_holdout, stratified
from leyden.data.columns import Images
from leyden.data.issues import DataIssue, Effect, Tally, log_issues, printable
from leyden.data.source import ImageSource
from leyden.data.source.annotations.layouts.tree import Tree, other_format
from leyden.data.source.files.decoder import read_image
from leyden.data.source.files.layout import IMAGE_ENDINGS, subfolders, why_no_folder
from leyden.data.source.files.listing import Listing, list_images
from leyden.data.source.files.splits_by_name import given_splits, refuse_splits_as_classes, splits_of_classes
from leyden.data.splits import STAGES, Split, Stage, Subset

log = logging.getLogger(__name__)


class ImageFolder(ImageSource):
    """``root/<class>/...`` or ``root/{train,val,test}/<class>/...``, the image files at any depth below a class.

    Splits are known by their folders' names in any case, also ``Training``, ``val2017`` or ``test_images``, and a
    folder around everything is passed through; a layout that can be read in two ways is refused. What the three are
    made of, stratified by class and the same each time; a class that has an image for each part is in every part:

    | folders in root | train | val | test |
    |---|---|---|---|
    | train, val, test | train | val | test |
    | train, test | 1 - holdout of train | holdout of train | test |
    | train, val | 1 - holdout of train | holdout of train | val |
    | classes (or train alone) | 60 % | 10 % | 30 % |

    The third row is how many published sets come (ants and bees, ImageNet): the best checkpoint must not be chosen on
    what the test score is computed from, so their val folder is kept for the test.

    Where there are images and no class folders, the examples have no classes, as GANs need none.

    Args:
        root: the folder.
        train: the folder below ``root`` with the class folders of training, "." for ``root`` itself; None: found by
            name, with those of val and test.
        val: likewise, only where ``train`` is given; None: there is none.
        test: likewise.
        channels: 3 for colour, 1 for grey; images are converted.
        holdout: in the second and third row, the share of train that becomes validation, above 0 and below 1.
        index_cache: folder where the list of the files is kept for later starts; None: nowhere.
        in_memory_limit: GB; a split that takes more is not decoded as a whole where ``data.in_memory`` is "auto". None:
            only the free memory counts.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: no images, a layout that is not clear, or a class that training does not know.
    """

    image_size = 64
    """Pixels, where ``data.image_size`` is null: images differ in size."""

    def __init__(
        self,
        root: str,
        train: str | None = None,
        val: str | None = None,
        test: str | None = None,
        channels: int = 3,
        holdout: float = 0.1,
        index_cache: str | None = None,
        in_memory_limit: float | None = None,
    ) -> None:
        check_holdout(holdout)
        self.root = Path(root).expanduser()
        self.folders: dict[Stage, str | None] = {"train": train, "val": val, "test": test}
        self.name = f"image folder {self.root}"
        self.channels = channels
        self.holdout = holdout
        self.index_cache = Path(index_cache) if index_cache else None
        self.in_memory_limit = in_memory_limit
        self._splits: dict[Stage, Split] = {}
        self._issues: list[DataIssue] = []

    def prepare(self) -> None:
        """Finds the classes and the files; no image is opened yet."""
        if self._splits:
            return
        if not self.root.is_dir():
            raise FileNotFoundError(
                f"data.source.root={self.root}: {why_no_folder(self.root)} (looked from {Path.cwd()}); it should hold "
                "a folder of images per class, or train, val and test with such folders"
            )
        given = given_splits(self.root, self.folders)
        places = given or splits_of_classes(self.root, self.tally)
        self.class_names = [_class_name(path) for path in subfolders(places["train"], self.tally)]
        self._issues = []
        self._find_alike(places["train"])
        files = {stage: self._files(stage, places[stage]) for stage in STAGES if stage in places}
        if given is None:
            refuse_splits_as_classes(self.root, places["train"], _inner(files["train"], self.class_names))
        splits = self._shared_out(files, places)
        log_issues(log, self.name, self._issues)
        self._splits = splits

    def split(self, stage: Stage) -> Split:
        """Images of their own sizes (channels, H, W), decoded one by one, and their labels if there are classes."""
        self.prepare()
        return self._splits[stage]

    def inspect(self) -> tuple[dict[Stage, Split], list[DataIssue]]:
        """The splits, and what is odd about their folders."""
        self.prepare()
        return dict(self._splits), list(self._issues)

    def _files(self, stage: Stage, folder: Path) -> Listing:
        """The image files of a split, by class."""
        known = {name: name for name in self.class_names}
        folded = {_folded(name): name for name in self.class_names}
        spelt = dict[str, str]()
        for path in subfolders(folder, self.tally):
            name = known.get(path.name) or folded.get(_folded(path.name))
            if name is None or name in spelt:
                raise ValueError(
                    f"{path}: the class {path.name!r} is not among those of training: {self.class_names}; rename the "
                    "folder, or move it away"
                )
            spelt[name] = path.name
        # Beside class folders only these are looked into: a name that is not there holds nothing.
        tops = [spelt.get(name, name) for name in self.class_names] or [""]
        files = list_images(folder, tops, self.index_cache, self.tally)
        if not len(files):
            raise ValueError(
                f"{folder} holds no image with an ending among {', '.join(IMAGE_ENDINGS)}{self._passed()}: convert or "
                "rename what it holds, or give another folder"
            )
        counts = np.bincount(files.tops, minlength=len(self.class_names))
        absent = [name for name, count in zip(self.class_names, counts, strict=False) if not count]
        if absent and stage == "train":
            hint = other_format(Tree(self.root, Tally()), "")
            raise ValueError(
                f"{folder / absent[0]} holds no image with an ending among {', '.join(IMAGE_ENDINGS)}{self._passed()}: "
                f"move it away, or convert its images{hint}"
            )
        for name in absent:
            self._find("class without images", "warning", folder, f"{stage} has no image of {name!r}")
        loose = [path for path in folder.iterdir() if path.name.lower().endswith(IMAGE_ENDINGS)] if known else []
        if loose:
            self._find("image beside class folders", "left out", loose[0], f"{len(loose)} such images are not read")
        return files

    def _find_alike(self, folder: Path) -> None:
        """Classes that people take for one; single letters are not, as a and A of an alphabet."""
        known: dict[str, str] = {}
        for name in self.class_names:
            before = known.setdefault(_folded(name), name)
            if before != name and len(_folded(name)) > 1:
                what = f"the classes {before!r} and {name!r} differ by case or spaces only: are they one?"
                self._find("doubtful name", "warning", folder / name, what)

    def _passed(self) -> str:
        return f" (passed over: {self.tally})" if str(self.tally) else ""

    def _find(self, kind: str, effect: Effect, file: Path, what: str) -> None:
        self._issues.append(DataIssue(kind, effect, file, None, what))

    def _shared_out(self, files: dict[Stage, Listing], places: dict[Stage, Path]) -> dict[Stage, Split]:
        """The three splits by the table of the class."""
        told = ", ".join(f"{stage} is {os.path.relpath(path, self.root)}" for stage, path in places.items())
        log.info("%s: %d classes; %s", self.name, len(self.class_names), told)
        whole = {stage: self._split(listing) for stage, listing in files.items()}
        if len(whole) == 1:
            return self._parts(files["train"], {"train": 0.6, "val": 0.1, "test": 0.3})
        if len(whole) == 3:
            return whole
        tested: Stage = "test" if "test" in whole else "val"
        log.info("%s: %.0f %% of train validates, %s tests", self.name, 100 * self.holdout, places[tested].name)
        return self._parts(files["train"], {"train": 1 - self.holdout, "val": self.holdout}) | {"test": whole[tested]}

    def _parts(self, files: Listing, fractions: dict[Stage, float]) -> dict[Stage, Split]:
        parts = stratified(torch.from_numpy(files.tops), list(fractions.values()))
        counts = np.bincount(files.tops, minlength=len(self.class_names) or 1)
        for stage, part in zip(fractions, parts, strict=True):
            if not len(part):
                each = "each class" if self.class_names else "the images"
                raise ValueError(
                    f"{files.folder}: no image is left for {stage}: of {each} one is needed for each of "
                    f"{', '.join(fractions)}, but there are {counts.max()} at most: add images, or set "
                    "data.source.train, data.source.val and data.source.test to folders of their own"
                )
            here = np.bincount(files.tops[part.numpy()], minlength=len(counts))
            for name in (name for name, count in zip(self.class_names, here, strict=False) if not count):
                self._find("class without images", "warning", Path(files.folder), f"{stage} has no image of {name!r}")
        return {stage: self._split(files, part) for stage, part in zip(fractions, parts, strict=True)}

    def _split(self, files: Listing, chosen: torch.Tensor | None = None) -> Split:
        """Some of the files, with labels where there are classes; None takes all."""
        if not self.class_names:
            listed = files if chosen is None else files.take(chosen.numpy())
            return ImageList(listed, self.channels, self.in_memory_limit, self.tally)
        indices = torch.arange(len(files)) if chosen is None else chosen
        images = ImageList(files, self.channels, self.in_memory_limit, self.tally)
        return Subset(images, indices, torch.from_numpy(files.tops)[indices])


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


def _class_name(folder: Path) -> str:
    """The folder's name, which reports, checkpoints and tables must be able to write."""
    try:
        folder.name.encode()
    except UnicodeEncodeError:
        latin = os.fsencode(folder.name).decode("latin-1")
        what = f"the folder's name is not UTF-8 (in Latin 1 it is {latin!r}): rename it"
        raise ValueError(f"{printable(folder)}: {what}") from None
    return folder.name


def _folded(name: str) -> str:
    """One form for names that people take for the same: macOS writes é as two letters, others write Cats or cats."""
    return unicodedata.normalize("NFC", name).strip("\ufeff\u200b").strip().casefold()


def _inner(files: Listing, class_names: list[str]) -> dict[str, set[str]]:
    """The names of the folders in each class folder, those with the most images first."""
    counts = np.bincount(files.tops, minlength=len(class_names))
    inner: dict[str, set[str]] = {class_names[i]: set() for i in np.argsort(-counts, kind="stable") if class_names}
    for path in map(os.fsdecode, files.folders.tolist()):
        parts = path.split("/")
        if len(parts) > 1:
            inner[parts[0]].add(parts[1])
    return inner
