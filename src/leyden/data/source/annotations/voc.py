"""PASCAL VOC's layout: an XML file with boxes for each image (Everingham et al. 2010; also torchvision's folders)."""

import re
from pathlib import Path
from typing import ClassVar
from xml.etree.ElementTree import Element

from leyden.data.source.annotations.annotated import Box, Corners, ImageEntry, Reading
from leyden.data.source.annotations.box_source import BoxSource, OnBadBox
from leyden.data.source.annotations.layouts.places import Places
from leyden.data.source.annotations.layouts.tree import Tree, other_format
from leyden.data.source.annotations.layouts.voc import Named, find_image, find_xml
from leyden.data.source.annotations.lines import read_xml
from leyden.data.source.annotations.text import MalformedError, clean_name, real_number, whole_number
from leyden.data.source.files.layout import IMAGE_ENDINGS
from leyden.data.splits import Stage

SIDES = ("xmin", "ymin", "xmax", "ymax")
YEAR = re.compile(r"VOC(\d{4})", re.IGNORECASE)
SHOWN = 60
"""Characters of a value that a message shows."""


class VOC(BoxSource):
    """Images with an XML file each; both lie anywhere below ``root``.

    Which are in which split says, in this order:

    - lists in ``ImageSets/Main`` whose names speak of it (``train.txt``; ``trainval.txt`` in place of a missing
      ``train.txt``), also inside ``VOCdevkit/VOC2007`` and so on: torchvision's ``VOCDetection``;
    - folders at any level: ``train``, ``Annotations/val``, ``Test/xmls``.

    An XML file's image has its name and lies closest to it, or is the one that the file speaks of.

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

    means = "xmin, ymin, xmax and ymax in pixels, the first being 1"
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
        tree = Tree(self.root, self.tally)
        reading = Reading()
        places = Places(tree)
        read: set[Path] = set()
        for folder in self._folders(tree):
            for stage, named in find_xml(tree, folder, reading):
                read |= {one.xml for one in named}
                part = reading.parts.setdefault(stage, [])
                part += [image for one in named if (image := _read(one, stage, places, reading)) is not None]
        if not any(reading.parts.values()) and not reading.stopped():
            raise FileNotFoundError(
                f"data.source.root={self.root}: no XML files in it; it should hold JPEGImages, Annotations and "
                f"ImageSets/Main, or VOCdevkit, or images with XML files beside them{other_format(tree, '.xml')}"
            )
        for path in tree.ending(".xml"):
            if path not in read:
                reading.find("not in the data", "note", path, None, "no list or split speaks of this file")
        reading.pass_over(tree.plain_images())
        return reading

    def _folders(self, tree: Tree) -> list[Path]:
        """Those with a layout of their own: the years, or the root."""
        years: dict[str, Path] = {}
        for file in tree.ending(".xml"):
            for folder in file.parents:
                if folder != self.root and folder.is_relative_to(self.root) and (found := YEAR.fullmatch(folder.name)):
                    years.setdefault(found[1], folder)
        wanted = self.years if self.years is not None else sorted(years)
        missing = [year for year in wanted if year not in years]
        if missing:
            raise FileNotFoundError(
                f"data.source.years={wanted}: {self.root} has no VOC{missing[0]}, only {', '.join(years) or 'no year'}"
            )
        return [years[year] for year in wanted] or [self.root]


def _read(named: Named, stage: Stage, places: Places, reading: Reading) -> ImageEntry | None:
    """An image by its XML file; what cannot be read is an issue."""
    xml, file, line = named
    try:
        root, doubt = read_xml(xml)
    except (MalformedError, OSError) as error:
        reading.find_broken(xml, error)
        return None
    if root.tag.lower() != "annotation" and root.find("object") is None:
        what = f"<{root.tag[:SHOWN]}> begins this file, which is no annotation of VOC's, but another program's XML"
        reading.find("broken annotation", "stops", xml, 1, what)
        return None
    if doubt is not None:
        reading.find("wrong encoding", "note", xml, 1, doubt)
    found = find_image(xml, places.tree)
    if len(found) > 1:
        what = f"{' and '.join(path.name for path in found)} share these boxes; the first is taken"
        reading.find("doubtful name", "warning", xml, 1, what, found[0])
    path = found[0] if found else _spoken(root, xml, stage, places, reading)
    if path is None:
        what = f"there is no image {xml.stem}.jpg (or .png ...) for {xml}"
        reading.find("missing image", "stops", file, line, what)
        return None
    return ImageEntry(path, xml, 1, _size(root), [_box(element) for element in root.findall("object")])


def _spoken(root: Element, xml: Path, stage: Stage, places: Places, reading: Reading) -> Path | None:
    """The image that an XML file speaks of, where none has its own name."""
    for tag in ("filename", "path"):
        written = (root.findtext(tag) or "").strip()
        path, told = places.find(written, [xml.parent, places.tree.root], stage) if written else (None, None)
        if path is None and written and not Path(written).suffix:
            path = next(iter(places.tree.images_by_stem(written)), None)
        if path is not None and path.suffix.lower() in IMAGE_ENDINGS:
            if told is not None:
                reading.find("path from elsewhere", "note", xml, 1, told, path)
            return path
    return None


def _size(root: Element) -> tuple[int, int] | None:
    """What the file says, unless it says nothing or 0, as some tools write."""
    width, height = (whole_number(root.findtext(f"size/{side}") or "0") or 0 for side in ("width", "height"))
    return (width, height) if width > 0 and height > 0 else None


def _box(element: Element) -> Box:
    place = element.find("bndbox")
    words = [(place.findtext(side) or "?").strip() if place is not None else "?" for side in SIDES]
    line = element if place is None else place
    return Box(
        corners=from_pascal(*map(real_number, words)),
        name=clean_name(element.findtext("name") or ""),
        line=int(line.get("line", "1")),
        text=" ".join(words)[:SHOWN],
        difficult=(element.findtext("difficult") or "").strip().lower() in ("1", "true", "1.0"),
    )


def from_pascal(xmin: float, ymin: float, xmax: float, ymax: float) -> Corners:
    """First and last pixels, counted from 1, to continuous corners."""
    return xmin - 1, ymin - 1, xmax, ymax
