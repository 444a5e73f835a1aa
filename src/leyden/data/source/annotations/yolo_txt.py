"""YOLO's layout: a text file per image, a line per object."""

from pathlib import Path

import yaml
from torchvision.datasets.folder import IMG_EXTENSIONS

from leyden.data.source.annotations.annotated import Box, Corners, ImageEntry, Reading
from leyden.data.source.annotations.box_source import FOLDERS, BoxSource, OnBadBox, split_folders
from leyden.data.source.files.decoder import read_image_size
from leyden.data.splits import Stage

NAMES = ("data.yaml", "dataset.yaml", "classes.txt", "obj.names", "*.names", "*.yaml")
"""Where the names of the classes are looked for."""


class YOLO(BoxSource):
    """Images, each with lines ``class centre-x centre-y width height``, fractions of its size, in a text file.

    Layouts below ``root``: ``images/{train,val,test}`` with ``labels/{train,val,test}``; ``{train,val,test}/images``
    with ``labels`` beside; lists ``{train,val,test}.txt`` of images; ``images`` and ``labels`` without splits; or all
    in one folder. The text file of an image has its name and lies where its path says ``labels`` for ``images``, else
    beside it. An image without a text file, or with an empty one, shows no object.

    Args:
        root: the folder.
        names: of the classes, in the order of their numbers: a list, or a file below ``root`` (one name a line, or YAML
            with ``names``); null: the first such file that is there.
        channels: 3 for colour, 1 for grey.
        on_bad_box: "clip", "drop" or "fail", see ``BoxSource``.
        holdout: share of train that validates where the data has no own val or test.
        seed: of the parts of train.
    """

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
        reading = Reading()
        reading.class_names = self._class_names()
        for stage, paths in self._images().items():
            reading.parts[stage] = [self._image(*place, reading.class_names, reading) for place in paths]
        if not any(reading.parts.values()):
            raise FileNotFoundError(
                f"data.source.root={self.root}: no images in it; it should hold images/train and labels/train, "
                "train/images and train/labels, images and labels, or images with text files beside them"
            )
        return reading

    def _class_names(self) -> list[str]:
        if isinstance(self.names, list):
            return self.names
        if self.names is not None:
            candidates = [self.root / Path(self.names).expanduser()]
        else:
            candidates = [path for pattern in NAMES for path in sorted(self.root.glob(pattern))]
        names = next((names for path in candidates if (names := read_names(path))), None)
        if names is None:
            looked = ", ".join(NAMES) if self.names is None else str(candidates[0])
            raise FileNotFoundError(
                f"no names of classes in {self.root} (looked for {looked}): set data.source.names=[cat,dog], or a file"
            )
        return names

    def _images(self) -> dict[Stage, list[tuple[Path, Path, int | None]]]:
        """The images of each split, with the file and line that name them (the image itself, where none does)."""
        lists = {stage: [self.root / f"{name}.txt" for name in names] for stage, names in FOLDERS.items()}
        listed = {stage: file for stage, files in lists.items() for file in files if file.is_file()}
        if "train" in listed:
            return {stage: _from_list(file, self.root) for stage, file in listed.items()}
        whole = self.root / "images" if (self.root / "images").is_dir() else self.root
        folders = split_folders(whole) or split_folders(self.root) or {"train": whole}
        return {
            stage: [(path, path, None) for path in sorted(folder.rglob("*")) if path.suffix.lower() in IMG_EXTENSIONS]
            for stage, folder in folders.items()
        }

    def _image(self, path: Path, written: Path, line: int | None, names: list[str], reading: Reading) -> ImageEntry:
        labels = text_file(path, self.root)
        try:
            size = read_image_size(path)
        except ValueError:
            return ImageEntry(path, written, line, None, [])  # the base class says why
        if not labels.is_file():
            return ImageEntry(path, written, line, size, [])
        boxes = []
        for number, text in enumerate(labels.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if not (words := text.split()):
                continue
            if len(words) != 5:
                what = f"{text.strip()[:60]!r} should be five numbers: class, centre x, centre y, width, height"
                reading.find("broken annotation", "stops", labels, number, what)
                continue
            label = words[0]
            name = names[int(label)] if label.isdigit() and int(label) < len(names) else f"class {label}"
            boxes.append(Box(from_fractions(words[1:], size), name, number, " ".join(words[1:])))
        return ImageEntry(path, labels, 1, size, boxes)


def from_fractions(words: list[str], size: tuple[int, int]) -> Corners:
    """Centre and size as fractions of the image to xyxy pixels; NaN where a word is no number."""
    try:
        x, y, width, height = map(float, words)
    except ValueError:
        return (float("nan"),) * 4
    across, down = size
    return (x - width / 2) * across, (y - height / 2) * down, (x + width / 2) * across, (y + height / 2) * down


def text_file(image: Path, root: Path) -> Path:
    """Where the boxes of an image stand."""
    inner = image.relative_to(root).parts if image.is_relative_to(root) else image.parts
    base = root if image.is_relative_to(root) else Path()
    if "images" in inner[:-1]:
        place = len(inner) - 2 - inner[-2::-1].index("images")  # the last folder of that name
        other = base.joinpath(*inner[:place], "labels", *inner[place + 1 :]).with_suffix(".txt")
        if other.is_file() or not image.with_suffix(".txt").is_file():
            return other
    return image.with_suffix(".txt")


def read_names(file: Path) -> list[str] | None:
    """The class names in a YAML file's ``names`` (a list, or numbers to names) or in the lines of a text file.

    Raises:
        ValueError: the file is no YAML, or its numbers are not 0 .. C - 1.
    """
    if not file.is_file():
        return None
    text = file.read_text(encoding="utf-8", errors="replace")
    if file.suffix not in (".yaml", ".yml"):
        return [line.strip() for line in text.splitlines() if line.strip()] or None
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"{file}: this is not YAML ({error})") from error
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, dict):
        if sorted(names) != list(range(len(names))):
            raise ValueError(f"{file}: names should be numbered 0 .. {len(names) - 1}, but are {sorted(names)}")
        names = [names[number] for number in range(len(names))]
    return [str(name) for name in names] if names else None


def _from_list(file: Path, root: Path) -> list[tuple[Path, Path, int | None]]:
    lines = enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
    return [(root / line.strip().removeprefix("./"), file, number) for number, line in lines if line.strip()]
