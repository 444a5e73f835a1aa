"""PASCAL VOC's layout: an XML file with boxes for each image (Everingham et al. 2010; also torchvision's folders)."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar
from xml.etree.ElementTree import Element

from torchvision.datasets.folder import IMG_EXTENSIONS

from leyden.data.source.annotations.annotated import Box, Corners, ImageEntry, Reading
from leyden.data.source.annotations.box_source import BoxSource, OnBadBox, split_folders
from leyden.data.source.annotations.lines import MalformedError, read_xml
from leyden.data.splits import Stage

SIDES = ("xmin", "ymin", "xmax", "ymax")
IMAGES, ANNOTATIONS = ("JPEGImages", "images"), ("Annotations", "annotations")
YEAR = re.compile(r"VOC(\d{4})")


class VOC(BoxSource):
    """Images with an XML file each, in one of three layouts below ``root``.

    - Pascal's: ``JPEGImages``, ``Annotations`` and ``ImageSets/Main/{train,val,test}.txt`` (``trainval.txt`` in place
      of a missing ``train.txt``), also inside ``VOCdevkit/VOC2007`` and so on: torchvision's ``VOCDetection``.
    - ``{train,val,test}``, each with those two folders, or with images and XML files side by side.
    - One such folder without splits.

    VOC's corners are the numbers of the first and the last pixel that the box covers, counted from 1: a box around the
    whole of an image is (1, 1, width, height), and this is how the files use them. So xmin - 1 and ymin - 1 are the
    continuous left and upper sides, xmax and ymax the right and lower ones. (To take 1 from all four, as some readers
    do, makes each box a pixel too small.) Widths, and so overlaps, are those of VOC's own development kit.

    A box with xmin = xmax or ymin = ymax has no area: VOC never meant one pixel, it is a click that missed.

    Args:
        root: the folder.
        years: of those in ``VOCdevkit``, such as ["2007", "2012"]; null: all that are there.
        classes: names in the order of the labels; null: those that occur, sorted.
        channels: 3 for colour, 1 for grey.
        on_bad_box: "clip", "drop" or "fail", see ``BoxSource``.
        holdout: share of train that validates where the data has no own val or test.
        seed: of the parts of train.
    """

    knows = ("difficult",)
    min_box_size: ClassVar[float] = 1.0

    def __init__(
        self,
        root: str,
        years: list[str] | None = None,
        classes: list[str] | None = None,
        channels: int = 3,
        on_bad_box: OnBadBox = "clip",
        holdout: float = 0.1,
        seed: int = 0,
    ) -> None:
        super().__init__("VOC", root, classes, channels, on_bad_box, holdout, seed)
        self.years = years

    def read(self) -> Reading:
        """Reads the XML files."""
        reading = Reading()
        for folder in self._folders():
            for stage, found in _listed(folder, reading):
                part = reading.parts.setdefault(stage, [])
                part += found
        if not any(reading.parts.values()) and not reading.issues:
            raise FileNotFoundError(
                f"data.source.root={self.root}: no XML files in it; it should hold JPEGImages, Annotations and "
                "ImageSets/Main, or VOCdevkit, or images with XML files beside them"
            )
        return reading

    def _folders(self) -> list[Path]:
        """Those with a layout of their own: the years, or the root."""
        parent = self.root / "VOCdevkit" if (self.root / "VOCdevkit").is_dir() else self.root
        years = {found[1]: path for path in sorted(parent.iterdir()) if (found := YEAR.fullmatch(path.name))}
        wanted = self.years if self.years is not None else list(years)
        missing = [year for year in wanted if year not in years]
        if missing:
            raise FileNotFoundError(
                f"data.source.years={wanted}: {parent} has no VOC{missing[0]}, only {', '.join(years) or 'no year'}"
            )
        return [years[year] for year in wanted] or [self.root]


def _listed(folder: Path, reading: Reading) -> Iterator[tuple[Stage, list[ImageEntry]]]:
    """The splits of a folder: those of its lists, else of its folders, else all of it as train."""
    sets = folder / "ImageSets" / "Main"
    train = "train" if (sets / "train.txt").is_file() else "trainval"
    lists: dict[Stage, Path] = {"train": sets / f"{train}.txt", "val": sets / "val.txt", "test": sets / "test.txt"}
    if any(file.is_file() for file in lists.values()):
        if train == "trainval":
            del lists["val"]  # it is inside
        places = _Places(folder)
        for stage, file in lists.items():
            if file.is_file():
                lines = enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
                named = [(words[0], line) for line, text in lines if (words := text.split())]
                yield stage, _read(places, [(name, file, line) for name, line in named], reading)
        return
    for stage, inner in (split_folders(folder) or {"train": folder}).items():
        places = _Places(inner)
        stems = sorted(path.stem for path in places.annotations.glob("*.xml"))
        yield stage, _read(places, [(stem, places.annotations / f"{stem}.xml", None) for stem in stems], reading)


class _Places:
    """Where the images and the XML files of one folder lie."""

    def __init__(self, folder: Path) -> None:
        self.annotations = _first(folder, ANNOTATIONS)
        self.images = _first(folder, IMAGES)
        self.by_stem: dict[str, list[Path]] = {}
        for path in sorted(self.images.iterdir()) if self.images.is_dir() else []:
            if path.suffix.lower() in IMG_EXTENSIONS:
                self.by_stem.setdefault(path.stem, []).append(path)


def _first(folder: Path, names: tuple[str, ...]) -> Path:
    return next((folder / name for name in names if (folder / name).is_dir()), folder)


def _read(places: _Places, wanted: list[tuple[str, Path, int | None]], reading: Reading) -> list[ImageEntry]:
    """Images by their names; ``wanted`` has with each the file and the line that name it."""
    images = []
    for name, file, line in wanted:
        annotation = places.annotations / f"{name}.xml"
        try:
            root = read_xml(annotation)
        except FileNotFoundError:
            reading.find("missing annotation", "stops", file, line, f"there is no {annotation}")
            continue
        except (MalformedError, OSError) as error:
            where = error.line if isinstance(error, MalformedError) else None
            reading.find("broken annotation", "stops", annotation, where, str(error))
            continue
        found = places.by_stem.get(name, [])
        if len(found) > 1:
            what = f"{' and '.join(path.name for path in found)} share these boxes; the first is taken"
            reading.find("doubtful name", "warning", annotation, 1, what, found[0])
        # Without an image of the XML file's own name, the one that it speaks of.
        spoken = places.images / (root.findtext("filename") or f"{name}.jpg").strip()
        path = found[0] if found else spoken if spoken.is_file() else places.images / f"{name}.jpg"
        if line is not None and not path.is_file():
            reading.find("missing image", "stops", file, line, f"there is no {places.images / name}.jpg (or .png ...)")
            continue
        images.append(ImageEntry(path, annotation, 1, _size(root), [_box(e) for e in root.findall("object")]))
    return images


def _size(root: Element) -> tuple[int, int] | None:
    """What the file says, unless it says nothing or 0, as some tools write."""
    words = [root.findtext(f"size/{side}") or "0" for side in ("width", "height")]
    width, height = (int(number) if (number := _number(word)) > 0 else 0 for word in words)
    return (width, height) if width and height else None


def _box(element: Element) -> Box:
    place = element.find("bndbox")
    words = [(place.findtext(side) or "?").strip() if place is not None else "?" for side in SIDES]
    line = element if place is None else place
    return Box(
        corners=from_pascal(*map(_number, words)),
        name=(element.findtext("name") or "").strip(),
        line=int(line.get("line", "1")),
        text=" ".join(words),
        difficult=(element.findtext("difficult") or "").strip() == "1",
    )


def from_pascal(xmin: float, ymin: float, xmax: float, ymax: float) -> Corners:
    """First and last pixels, counted from 1, to continuous corners."""
    return xmin - 1, ymin - 1, xmax, ymax


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return float("nan")
