"""YOLO's layout: a text file per image, a line per object."""

import math
from contextlib import suppress
from pathlib import Path

from leyden.data.source.annotations.annotated import Box, Corners, ImageEntry, Reading
from leyden.data.source.annotations.box_source import BoxSource, OnBadBox
from leyden.data.source.annotations.layouts.places import is_file
from leyden.data.source.annotations.layouts.tree import Tree, other_format
from leyden.data.source.annotations.layouts.yolo import Labels, Named, find_images
from leyden.data.source.annotations.layouts.yolo_yaml import PATTERNS, Description, describe, find_descriptions
from leyden.data.source.annotations.text import MalformedError, clean_name, read_lines, real_number, whole_number
from leyden.data.source.files.decoder import read_image_size

SHOWN = 60
"""Characters of a line that a message shows."""


class YOLO(BoxSource):
    """Images, each with lines ``class centre-x centre-y width height``, fractions of its size, in a text file.

    Which images are in which split says, in this order:

    - ``train``, ``val`` and ``test`` of a YAML file below ``root`` (folders, lists of folders, files that list images;
      relative to its ``path``, to itself or to ``root``, or paths of another computer), or of darknet's ``obj.data``;
    - lists ``train.txt``, ``val.txt``, ``test.txt`` of images;
    - folders at any level: ``images/train``, ``train/images``, ``val2017``, ``Validation`` (see ``layout.stage_of``).

    The text file of an image has its name and lies where its path says ``labels`` for ``images``, beside it, or
    anywhere in its split. An image without a text file, or with an empty one, shows no object.

    Args:
        root: the folder.
        names: of the classes, in the order of their numbers: a list, or a file below ``root`` (one name a line, or YAML
            with ``names`` or ``nc``); null: the first such file that is there.
        channels: 3 for colour, 1 for grey.
        on_bad_box: "clip", "drop" or "fail", see ``BoxSource``.
        holdout: share of train that validates where the data has no own val or test.
        seed: of the parts of train.
    """

    means = "centre x, centre y, width and height as fractions of the image's sides"

    def __init__(
        self,
        root: str,
        names: list[str] | str | None = None,
        channels: int = 3,
        on_bad_box: OnBadBox = "clip",
        holdout: float = 0.1,
        seed: int = 0,
    ) -> None:
        super().__init__("YOLO", root, None, channels, on_bad_box, holdout, seed)
        self.names = names

    def read(self) -> Reading:
        """Reads the text files, and the sizes in the heads of the images."""
        tree = Tree(self.root, self.tally)
        reading = Reading()
        about = self._describe(tree, reading)
        labels = Labels(tree)
        for stage, images in find_images(tree, about, reading).items():
            reading.parts[stage] = [self._image(image, labels, reading) for image in images]
        if not any(reading.parts.values()) and not reading.stopped():
            raise FileNotFoundError(
                f"data.source.root={self.root}: no images in it; it should hold images/train and labels/train, "
                "train/images and train/labels, images and labels, or images with text files beside them"
            )
        if not labels.used and not reading.stopped():
            some = next(iter(labels.by_stem.values()))[0] if labels.by_stem else self.root
            what = f"no image has the name of this or another text file{other_format(tree, '.txt')}"
            reading.find("missing annotation", "stops", some, None, what)
        for path in labels.orphans():
            if tree.images_by_stem(path.stem):
                reading.find("not in the data", "note", path, None, "its image is in no split")
            else:
                reading.find("text without image", "left out", path, None, "there is no image of this name")
        reading.pass_over(tree.plain_images())
        return reading

    def _describe(self, tree: Tree, reading: Reading) -> Description | None:
        """The file with the splits; its names, or those that are set, become those of ``reading``."""
        about = describe(tree, None, reading)
        names = about.names if about is not None else []
        if isinstance(self.names, list):
            names = [clean_name(name) for name in self.names]
        elif self.names is not None:
            file = self.root / Path(self.names).expanduser()
            named = describe(tree, file, reading) if is_file(file) else None
            names = named.names if named is not None else []
            about = named if named is not None and named.splits else about
        if not names and not reading.stopped():
            looked = self.names if isinstance(self.names, str) else ", ".join(PATTERNS)
            cure = "set data.source.names=[cat,dog], or a file"
            known = find_descriptions(tree)
            if self.names is not None or not known:
                raise FileNotFoundError(f"no names of classes in {self.root} (looked for {looked}): {cure}")
            reading.find("broken annotation", "stops", known[0], 1, f"there are no names of classes in it; {cure}")
        reading.class_names = names or None
        if about is not None and names == about.names:
            reading.class_places = [(about.file, None)] * len(names)
        return about

    def _image(self, image: Named, labels: Labels, reading: Reading) -> ImageEntry:
        path, file = image.path, labels.file(image.path)
        size = None
        with suppress(ValueError):  # the base class says why
            size = read_image_size(path)
        if file is None:
            return ImageEntry(path, image.written, image.line, size, [])
        if labels.used[file] != path:
            what = f"{labels.used[file]} and {path} share these boxes; keep one of the two images"
            reading.find("doubtful name", "warning", file, 1, what, path)
        boxes = read_boxes(file, size or (1, 1), reading)  # what is wrong with the file is said in any case
        return ImageEntry(path, file, 1, size, boxes if size is not None else [])


def read_boxes(file: Path, size: tuple[int, int], reading: Reading) -> list[Box]:
    """The boxes in a text file; lines that are no boxes are issues.

    Args:
        file: with five numbers in each line.
        size: width and height of the image.
        reading: has the class names (None: numbers stand for names), and takes the issues.
    """
    boxes = []
    try:
        lines = read_lines(file)
    except (MalformedError, OSError) as error:
        reading.find_broken(file, error)
        return []
    for number, text in enumerate(lines, 1):
        if not (words := text.split()):
            continue
        if len(words) != 5:
            what = f"{text.strip()[:SHOWN]!r} should be five numbers: class, centre x, centre y, width, height"
            reading.find("broken annotation", "stops", file, number, what)
            continue
        label, names = whole_number(words[0]), reading.class_names
        known = label is not None and label >= 0 and (names is None or label < len(names))
        name = names[label] if known and names is not None and label is not None else f"class {words[0][:SHOWN]}"
        if names is None and known:
            name = f"class {label}"
        boxes.append(Box(from_fractions(words[1:], size), name, number, " ".join(words[1:])[:SHOWN]))
    return boxes


def from_fractions(words: list[str], size: tuple[int, int]) -> Corners:
    """Centre and size as fractions of the image to xyxy pixels; NaN where a word is no number."""
    x, y, width, height = map(real_number, words)
    if any(map(math.isnan, (x, y, width, height))):
        return (math.nan,) * 4
    across, down = size
    return (x - width / 2) * across, (y - height / 2) * down, (x + width / 2) * across, (y + height / 2) * down
