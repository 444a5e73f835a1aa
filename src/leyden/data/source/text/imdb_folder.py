"""A text file for each text in a folder for each class, such as the large movie review set (Maas et al. 2011)."""

from collections.abc import Iterator
from pathlib import Path

from leyden.data.source.text.text_source import Text, TextSource, class_name, read_lines
from leyden.data.splits import Stage

SPLITS: dict[str, Stage] = {"train": "train", "val": "val", "valid": "val", "dev": "val", "test": "test"}
UNLABELLED = ("unsup", "unlabelled", "unlabeled")


class ImdbFolder(TextSource):
    """``train/pos/0_9.txt`` and so on, or ``pos`` and ``neg`` alone, without splits; any names of classes.

    ``<br />`` is a line's end; ``unsup`` is passed over.

    Args:
        root: that holds the splits or the classes.
        holdout: the part of ``train`` that validates where there is no ``val``.
        encoding: of the files.
        limit: so many texts, stratified, always the same; null: all.
    """

    def __init__(self, root: str, holdout: float = 0.1, encoding: str = "utf-8", limit: int | None = None) -> None:
        self.root, self.encoding = Path(root).expanduser(), encoding
        super().__init__(self.root.name, holdout, limit)

    def read(self) -> Iterator[Text]:
        """Every file, split by split, class by class."""
        inside = _folders(self.root)
        splits = {folder: SPLITS[folder.name] for folder in inside if folder.name in SPLITS}
        found = 0
        for root, stage in splits.items() or {self.root: None}.items():
            for folder in _folders(root):
                if folder.name in UNLABELLED:
                    self.tally.add("folder without classes, not read", folder)
                    continue
                label = class_name(folder.name)
                for file in sorted(folder.glob("*.txt")):
                    found += 1
                    text = "\n".join(read_lines(file, self.encoding)).replace("<br />", "\n")
                    yield Text(text, label, file, None, stage)
        if not found:
            names = ", ".join(folder.name for folder in inside[:5]) or "no folders"
            raise FileNotFoundError(
                f"{self.root} has {names} (looked from {Path.cwd()}): set data.source.root to one with pos and neg "
                "in it, or train and test, which hold them; texts end in .txt"
            )


def _folders(root: Path) -> list[Path]:
    """Folders inside, but hidden ones, by name."""
    inside = sorted(root.glob("*")) if root.is_dir() else []
    return [folder for folder in inside if folder.is_dir() and not folder.name.startswith((".", "__"))]
