"""Text files at any depth of a folder, for language models: books, notes, code."""

import hashlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import ClassVar, NamedTuple

from leyden.core.splits import by_name, check_holdout
from leyden.data.columns import Texts
from leyden.data.issues import DataIssue
from leyden.data.source import Source
from leyden.data.source.files.layout import find_files, stage_of
from leyden.data.source.text.text_source import decoded
from leyden.data.splits import STAGES, Stage

FRACTIONS = (0.8, 0.1, 0.1)
"""Of files, or of each file: training, validation, test."""
FEW = 10
"""Files, below which each is cut into three, because whole ones would divide too coarsely."""
PIECE = 2**23
"""Bytes of a file that are read at once; a longer one counts as several texts, each ending with a line."""


class Piece(NamedTuple):
    """A stretch of a file that begins and ends where a line does."""

    file: Path
    start: int
    stop: int


class TextFolder(Source):
    """Every ``.txt`` file below a folder, a text each, read when it is asked for: they may exceed the memory.

    Splits: if the first folder of a path, or a file's name, says train, val or test (``train.txt``, ``test/a.txt``),
    those; where none validates, ``holdout`` of the training files' ends does. Else ten files or more are divided 80 /
    10 / 10 % as whole files, by a hash of their paths; of fewer, each is cut into three such parts at a line's end.
    Left out and counted are empty files and files that are equal byte by byte to an earlier one.

    Args:
        root: that holds the files, at any depth.
        endings: of the files.
        encoding: of the files; one in which a line ends with the byte 10.
        holdout: of given training files, the part that validates.

    Raises:
        ValueError: ``holdout`` is not above 0 and below 1, or the encoding has other ends of lines, such as utf-16.
    """

    produces: ClassVar[str] = "text"

    def __init__(
        self, root: str, endings: Sequence[str] = (".txt",), encoding: str = "utf-8", holdout: float = 0.1
    ) -> None:
        check_holdout(holdout)
        try:
            plain = "\n".encode(encoding) == b"\n"
        except LookupError:
            plain = False
        if not plain:
            raise ValueError(
                f"data.source.encoding={encoding}: unknown, or a line does not end with the byte 10; set utf-8 or "
                "latin-1, or save the files as UTF-8"
            )
        self.root, self.endings = Path(root).expanduser(), tuple(ending.lower() for ending in endings)
        self.encoding, self.holdout = encoding, holdout
        self.name = self.root.name
        self.issues: list[DataIssue] = []

    def prepare(self) -> None:
        """Finds the files and where they are cut, without reading them whole.

        Raises:
            FileNotFoundError: there are no such files.
            ValueError: there is not enough text for three splits.
        """
        for stage in STAGES:
            if not self._pieces[stage]:
                raise ValueError(
                    f"{self.root}: no text for the split {stage}: give more files, files with more lines, or folders "
                    "train, val and test"
                )

    def split(self, stage: Stage) -> "TextPieces":
        """Texts, file by file, each read when it is asked for."""
        self.prepare()
        return TextPieces(self._pieces[stage], self.encoding)

    def inspect(self) -> tuple[dict[Stage, "TextPieces"], list[DataIssue]]:  # type: ignore[override]
        """All splits; empty files and copies."""
        self.prepare()
        return {stage: self.split(stage) for stage in STAGES}, self.issues

    @cached_property
    def _pieces(self) -> dict[Stage, list[Piece]]:
        files = self._fresh(find_files(self.root, self.endings, self.tally))
        named = {file: self._stage(file) for file in files}
        if any(named.values()):
            return self._given(named)
        if len(files) >= FEW:
            names = [file.relative_to(self.root).as_posix() for file in files]
            groups = dict(zip(STAGES, by_name(names, FRACTIONS), strict=True))
            return {stage: [p for i in groups[stage] for p in _whole(files[i])] for stage in STAGES}
        cuts = [_cut(file, FRACTIONS) for file in files]
        return {stage: [p for parts in cuts for p in _short(parts[i])] for i, stage in enumerate(STAGES)}

    def _given(self, named: dict[Path, Stage | None]) -> dict[Stage, list[Piece]]:
        """The splits that the names say; a file that says none trains."""
        groups = {stage: [file for file, word in named.items() if (word or "train") == stage] for stage in STAGES}
        if not groups["test"]:
            groups["val"], groups["test"] = [], groups["val"]
        found = {stage: [piece for file in groups[stage] for piece in _whole(file)] for stage in STAGES}
        if not found["val"]:
            cuts = [_cut(file, (1 - self.holdout, self.holdout)) for file in groups["train"]]
            found["train"], found["val"] = ([p for parts in cuts for p in _short(parts[i])] for i in (0, 1))
        return found

    def _stage(self, file: Path) -> Stage | None:
        parts = file.relative_to(self.root).parts
        return stage_of(parts[0]) if len(parts) > 1 else stage_of(file.stem)

    def _fresh(self, files: Sequence[Path]) -> list[Path]:
        """The files that hold something that no earlier one holds; test files go before others.

        Raises:
            FileNotFoundError: there are none.
        """
        if not files:
            raise FileNotFoundError(
                f"{self.root} has no file that ends in {', '.join(self.endings)} (looked from {Path.cwd()}): set "
                "data.source.root to a folder with text files, or data.source.endings"
            )
        sizes = [file.stat().st_size for file in files]
        first: dict[tuple[int, str], Path] = {}
        left_out: set[Path] = set()
        self.issues = []
        for file, size in sorted(zip(files, sizes, strict=True), key=lambda pair: self._stage(pair[0]) != "test"):
            # Only files of one size can be equal, so that others are not read.
            key = (size, _digest(file) if sizes.count(size) > 1 else "")
            if not size:
                left_out.add(file)
                self._leave_out(DataIssue("empty file", "left out", file, None, "there is no text here"))
            elif (same := first.setdefault(key, file)) != file:
                left_out.add(file)
                self._leave_out(DataIssue("same file", "note", file, None, f"equals {same}; that one alone is kept"))
        return [file for file in files if file not in left_out]

    def _leave_out(self, issue: DataIssue) -> None:
        self.issues.append(issue)
        self.tally.add(f"{issue.kind}, left out", issue.file)


class TextPieces:
    """A split whose texts are read when they are asked for.

    Args:
        pieces: one for each text.
        encoding: of the files.
    """

    def __init__(self, pieces: list[Piece], encoding: str) -> None:
        self.pieces, self.encoding = pieces, encoding

    def __len__(self) -> int:
        return len(self.pieces)

    def __getitem__(self, index: int) -> Texts:
        r"""The text of a piece, its lines ended by ``\n``.

        Raises:
            ValueError: bytes of another encoding; the message names file and line.
        """
        file, start, stop = self.pieces[index]
        with file.open("rb") as opened:
            opened.seek(start)
            content = opened.read(stop - start)
        encoding = "utf-8-sig" if self.encoding == "utf-8" and not start else self.encoding
        return Texts(decoded(content, file, encoding, start).replace("\r\n", "\n"))  # type: ignore[arg-type]


def _cut(file: Path, fractions: Sequence[float]) -> list[Piece]:
    """Consecutive parts of a file, each up to the end of the line in which its fraction of the bytes ends."""
    size, edges = file.stat().st_size, [0]
    with file.open("rb") as opened:
        for place in range(1, len(fractions)):
            opened.seek(max(edges[-1], int(sum(fractions[:place]) * size)))
            opened.readline()
            edges.append(opened.tell())
    return [Piece(file, *edge) for edge in pairwise([*edges, size])]


def _whole(file: Path) -> Iterator[Piece]:
    return _short(Piece(file, 0, file.stat().st_size))


def _short(piece: Piece) -> Iterator[Piece]:
    """The same in pieces that are read at once; none of an empty one."""
    file, start, stop = piece
    while start < stop:
        end = stop
        if stop - start > PIECE:
            with file.open("rb") as opened:
                opened.seek(start + PIECE)
                opened.readline()
                end = min(stop, opened.tell())
        yield Piece(file, start, end)
        start = end


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
