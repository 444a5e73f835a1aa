"""What ``leyden predict`` predicts for: files below a folder or test examples, read a bounded part at a time."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from leyden.core.technique import TakesSupport
from leyden.data.columns import ImagePairs
from leyden.data.issues import Tally, printable
from leyden.data.source.files.decoder import read_image
from leyden.data.source.files.layout import IMAGE_ENDINGS, find_files, subfolders
from leyden.data.splits import Split

ENDINGS = {
    "images": IMAGE_ENDINGS,
    "silhouettes": IMAGE_ENDINGS,
    "text": (".txt", ".md", ".rst"),
    "rows": (".csv",),
    "incomplete_rows": (".csv",),
}
"""Of files that are found in a folder, by a technique's ``input_type``."""
COLUMNS = {"text": "texts"}
"""Of examples, where it is not called as the kind."""
DELIMITERS = {".csv": ",", ".tsv": "\t"}
"""Of tables with texts."""
CHUNK, CHUNK_BYTES = 64, 30_000_000
"""Inputs are read and predicted so many at a time, or fewer large ones: a folder of photographs exceeds any memory, and
super-resolution makes each many times larger."""


class Input(NamedTuple):
    """Something to predict for, not read yet."""

    path: str
    """Relative to the folder that was given; its name in the predictions."""
    read: Callable[[], Any]
    """Returns it: an image as uint8 (C, H, W), a text as a str, a row as float32 (D,); raises ValueError where it
    cannot be read."""


def input_files(source: Path, output: Path, kind: str, tally: Tally) -> list[Input]:
    """The inputs behind a path: that file, or all below that folder but hidden ones and earlier predictions.

    A file of text holds a text in each line, as one that is given by itself, a table one in each row of its column
    "text"; in a folder each file is a text.

    Args:
        source: a file or a folder.
        output: where predictions go; if it lies in ``source``, what is there is no input.
        kind: a technique's ``input_type``.
        tally: counts what is passed over or changed.

    Raises:
        ValueError: no files can be read for that kind, or predictions would lie among the inputs.
        FileNotFoundError: there is no such path, or no such file in the folder.
    """
    if kind not in ENDINGS:
        raise ValueError(f"--input cannot be read for a technique that takes {kind}: leave it out for the test split")
    folder, output = source.resolve(), output.resolve()
    if folder == output or folder.is_relative_to(output / "images"):
        raise ValueError(f"--output {output} would mix predictions with the files of --input: choose another folder")
    readers: dict[str, Callable[[Path], Any]] = {
        "images": partial(read_image, tally=tally),
        "silhouettes": partial(read_silhouette, tally=tally),
    }
    read = readers.get(kind, read_text)
    tables = {"rows": csv_rows, "incomplete_rows": csv_incomplete_rows}
    if kind == "text" and folder.is_file() and folder.suffix.lower() in DELIMITERS:
        return csv_texts(source)
    if folder.is_file() and (by_line := {**tables, "text": text_lines}.get(kind)):
        return by_line(source)
    if folder.is_file():
        return [Input(printable(source.name), partial(read, source))]
    if not folder.is_dir():
        raise FileNotFoundError(f"--input {printable(source)}: no such file or folder (looked from {Path.cwd()})")
    files = [file for file in find_files(folder, ENDINGS[kind], tally) if output not in file.parents]
    if not files:
        passed = f"; passed over: {tally}" if str(tally) else ""
        raise FileNotFoundError(
            f"no {kind} in {source}: --input takes a file or a folder with {', '.join(ENDINGS[kind])}{passed}"
        )
    if kind in tables:
        return [row for file in files for row in tables[kind](file)]
    return [Input(printable(file.relative_to(folder)), partial(read, file)) for file in files]


def csv_rows(file: Path) -> list[Input]:
    """An input for each row of a CSV file with a heading, whose columns are the features in the training's order.

    Raises:
        ValueError: the file cannot be read, or holds something else than numbers.
    """
    try:
        rows = torch.from_numpy(np.loadtxt(file, np.float32, delimiter=",", skiprows=1, ndmin=2, encoding="utf-8-sig"))
    except (ValueError, OSError) as error:
        raise ValueError(
            f"{printable(file)}: no table of numbers below a heading, commas between ({error}): leave in the "
            "features alone"
        ) from error
    return [Input(f"{printable(file.name)}:{line}", partial(_row, rows, line)) for line in range(len(rows))]


def csv_incomplete_rows(file: Path) -> list[Input]:
    """An input for each row of such a file whose cells may be empty, or say NA or nan: NaN there.

    Raises:
        ValueError: the file cannot be read, or a cell holds something else than a number.
    """
    import pandas as pd  # here: reading images does without it

    try:
        table = pd.read_csv(file, encoding="utf-8-sig", dtype=np.float32)
    except (ValueError, OSError) as error:
        raise ValueError(
            f"{printable(file)}: no table of numbers and empty cells below a heading, commas between ({error}): leave "
            "in the columns of the training alone, in its order"
        ) from error
    rows = torch.from_numpy(table.to_numpy(copy=True))
    return [Input(f"{printable(file.name)}:{line}", partial(rows.__getitem__, line)) for line in range(len(rows))]


def csv_texts(file: Path) -> list[Input]:
    """An input for each row of a ``.csv`` or ``.tsv`` file with a heading: its column "text", or its only one.

    Raises:
        ValueError: the file cannot be read, or it has several columns and none is called so; as it is read, a row
            without a text.
    """
    import pandas as pd  # here: reading images does without it

    try:
        table = pd.read_csv(
            file, sep=DELIMITERS[file.suffix.lower()], dtype=str, keep_default_na=False, encoding="utf-8-sig"
        )
    except (ValueError, OSError) as error:
        raise ValueError(f"{printable(file)}: no table of UTF-8 text below a heading ({error})") from error
    column = "text" if "text" in table or len(table.columns) > 1 else table.columns[0]
    if column not in table:
        columns = ", ".join(printable(str(name)) for name in table.columns)
        raise ValueError(f"{printable(file)}: call the column with the texts 'text'; there are {columns}")
    if not len(table):
        raise ValueError(f"{printable(file)}: no row below the heading: give a text in each")
    return [Input(f"{printable(file.name)}:{row}", partial(_given, text)) for row, text in enumerate(table[column])]


def text_lines(file: Path) -> list[Input]:
    """An input for each line of a text file that is not empty, named by the line's number.

    Raises:
        ValueError: the file cannot be read, or no line has anything in it.
    """
    lines = [(number, line.strip()) for number, line in enumerate(read_text(file).split("\n"), 1)]
    found = [Input(f"{printable(file.name)}:{number}", partial(str, line)) for number, line in lines if line]
    if not found:
        raise ValueError(f"{printable(file)}: no line has anything in it: give a text in each line")
    return found


def _given(text: str) -> str:
    if not text.strip():
        raise ValueError("there is no text in this row")
    return text


def _row(rows: Tensor, line: int) -> Tensor:
    row = rows[line]
    if not row.isfinite().all():
        raise ValueError(f"row {line} has a value that is not finite: fill it in")
    return row


def input_examples(split: Split, count: int, kind: str) -> list[Input]:
    """The first ``count`` examples of a split: the column that a technique predicts from."""
    ending = ".png" if kind in ("images", "silhouettes") else ""
    return [
        Input(f"test_{i:05d}{ending}", partial(lambda i: _column(split[i], kind), i))
        for i in range(min(count, len(split)))
    ]


def _column(example: Any, kind: str) -> Any:
    """What is predicted from; of a pair of images that of domain A."""
    return example.a if isinstance(example, ImagePairs) else example._asdict()[COLUMNS.get(kind, kind)]


def take_support(model: object, folder: Path) -> None:
    """Shows a technique the examples of a folder, which has a folder of images for each class.

    Raises:
        ValueError: it learns from no examples, there are fewer than two classes, one without an image, or an image
            cannot be read.
    """
    if not isinstance(model, TakesSupport):
        raise ValueError(
            f"{type(model).__name__} takes no examples of new classes: leave --support out, or train a technique of "
            "few-shot learning, such as model=transfer/protonet"
        )
    files = {path.name: find_files(path) for path in subfolders(folder)}
    if empty := [name for name, found in files.items() if not found]:
        raise ValueError(f"--support {printable(folder)}: no image in {empty[0]}: add one, or move the folder away")
    if len(files) < 2:
        raise ValueError(f"--support {printable(folder)}: give a folder of images for each of two classes or more")
    labels = torch.tensor([label for label, found in enumerate(files.values()) for _ in found])
    model.set_support([read_image(file) for found in files.values() for file in found], labels, list(files))


def read_masks(path: Path, chunk: Sequence[tuple[str, Any]]) -> list[Tensor]:
    """For each image of a chunk what is to be filled in, bool (H, W): where the mask is brighter than mid-grey.

    Args:
        path: an image for all, or a folder that has one for each, under its path with any ending of an image.
        chunk: paths with uint8 images (C, H, W).

    Raises:
        ValueError: a mask is missing, cannot be read, has another size than its image, or marks nothing.
    """
    return [_mask_for(path if path.is_file() else _named(path, name), name, image) for name, image in chunk]


def _named(folder: Path, name: str) -> Path:
    found = (folder / name).with_suffix
    files = [file for ending in IMAGE_ENDINGS if (file := found(ending)).is_file()]
    if not files:
        raise ValueError(f"--mask {printable(folder)}: no mask for {name}: give one of the same name")
    return files[0]


def _mask_for(file: Path, name: str, image: Tensor) -> Tensor:
    mask = read_image(file, channels=1)[0] > 127
    if mask.shape != image.shape[-2:]:
        (height, width), (rows, columns) = image.shape[-2:], mask.shape
        raise ValueError(
            f"--mask {printable(file)}: {columns}x{rows} pixels, but {name} has {width}x{height}: give masks of the "
            "images' sizes"
        )
    if not mask.any():
        raise ValueError(f"--mask {printable(file)}: nothing is white, so nothing would be filled in")
    return mask


def in_chunks(inputs: list[Input], report: Callable[[str], None]) -> Iterator[list[tuple[str, Any]]]:
    """Reads inputs, a bounded part at a time, with their paths; ``report`` is told what cannot be read."""
    chunk: list[tuple[str, Any]] = []
    for path, read in inputs:
        try:
            chunk.append((path, read()))
        except ValueError as error:
            report(f"left out {path}: {printable(str(error))}")
        if len(chunk) == CHUNK or sum(x.nbytes for _, x in chunk if isinstance(x, Tensor)) > CHUNK_BYTES:
            yield chunk
            chunk.clear()  # so that nobody holds it while the next is read
    if chunk:
        yield chunk


def read_silhouette(file: Path, tally: Tally | None = None) -> Tensor:
    """An image file as one grey view, uint8 (1, H, W).

    Raises:
        ValueError: it cannot be read, or its pixels are all alike.
    """
    image = read_image(file, channels=1, tally=tally)
    if image.min() == image.max():
        raise ValueError(f"{printable(file)}: all pixels are alike: draw a shape on a background, bright or dark")
    return image


def read_text(file: Path) -> str:
    """A file of UTF-8 text, with or without a byte-order mark.

    Raises:
        ValueError: it cannot be opened, or has another encoding; the message names it.
    """
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: this text is not UTF-8 (byte {error.start}); save it in that encoding") from error
    except OSError as error:
        raise ValueError(f"{file}: this text cannot be read ({error.strerror})") from error
