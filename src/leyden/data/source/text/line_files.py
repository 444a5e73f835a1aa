"""A text file for each class, a text in each line, such as rt-polarity (Pang and Lee 2005)."""

from collections.abc import Iterator
from pathlib import Path

from leyden.data.source.text.text_source import Text, TextSource, class_name, read_lines


class LineFiles(TextSource):
    """A class for each file of a folder: by its ending where all have the same stem, else by its stem.

    ``rt-polarity.pos`` and ``rt-polarity.neg`` are "positive" and "negative", ``spam.txt`` and ``ham.txt`` as they are.

    Args:
        root: that holds the files and nothing else; what begins with a dot is passed over, and so is ``README``.
        encoding: of the files; "latin-1" for rt-polarity.
        limit: so many texts, stratified, always the same; null: all.
    """

    def __init__(self, root: str, encoding: str = "utf-8", limit: int | None = None) -> None:
        self.root, self.encoding = Path(root).expanduser(), encoding
        super().__init__(self.root.name, limit=limit)

    def read(self) -> Iterator[Text]:
        """Every line, file by file."""
        inside = sorted(self.root.glob("*")) if self.root.is_dir() else []
        files = [file for file in inside if file.is_file() and not file.name.lower().startswith((".", "readme"))]
        if len(files) < 2:
            names = ", ".join(file.name for file in inside[:5]) or "nothing"
            raise FileNotFoundError(
                f"{self.root} has {names} (looked from {Path.cwd()}): set data.source.root to one with a text file "
                "for each class, such as rt-polarity.pos and rt-polarity.neg"
            )
        by_ending = len({file.stem for file in files}) == 1
        labels = [class_name(file.suffix.removeprefix(".") if by_ending else file.stem) for file in files]
        for file, label in zip(files, labels, strict=True):
            for number, line in enumerate(read_lines(file, self.encoding), 1):
                yield Text(line.strip(), label, file, number)
