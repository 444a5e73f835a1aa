"""``leyden predict``: what a record's technique predicts for images, rows or text, or the samples that it draws."""

import os
import secrets
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from PIL import Image
from torch import Tensor
from torchvision.datasets.folder import IMG_EXTENSIONS

from leyden.bench.config.instantiate import build
from leyden.bench.run.best import load_best, verbs_of
from leyden.bench.run.record import Record
from leyden.core.logs import setup_logging
from leyden.core.technique import PredictOptions, Predicts, Samples, WritesFiles
from leyden.data.source.files.decoder import read_image
from leyden.report.predictions import PredictionWriter

ENDINGS = {"images": (*IMG_EXTENSIONS, ".gif"), "text": (".txt", ".md", ".rst")}
"""Of files that ``--input`` finds in a folder, by the technique's ``input_type``."""
CHUNK, CHUNK_BYTES = 64, 30_000_000
"""Inputs are read and predicted so many at a time, or fewer large ones: a folder of photographs exceeds any memory, and
super-resolution makes each many times larger."""
LAST_SEED = 2**32 - 1


class Input(NamedTuple):
    """Something to predict for, not read yet."""

    path: str
    """Relative to the folder that was given; its name in the predictions."""
    read: Callable[[], Any]
    """Returns it: an image as uint8 (C, H, W), a text as a str."""


def predict(
    record: Record,
    source: Path | None = None,
    output: Path | None = None,
    count: int = 16,
    label: str | None = None,
    seed: int | None = None,
    threshold: float | None = None,
) -> bool:
    """Writes ``predictions.json`` and, where the technique draws them, an image for each input or sample.

    For inputs there are also ``predictions.csv`` and, of images, ``contact_sheet.png``; for samples ``grid.png``; and
    the formats of the technique's field (``WritesFiles``), such as ``coco.json``.

    Args:
        record: whose best checkpoint predicts.
        source: a file or a folder of files; None takes the first ``count`` examples of the test split, or, for
            techniques that sample, ``count`` samples.
        output: folder, made where it is missing; None: ``<record>/predictions``. Images go into its ``images``, under
            the inputs' own paths.
        count: test examples or samples.
        label: the class that is sampled, by name or number, for conditional techniques.
        seed: of the samples' noise; None draws another each time and prints it.
        threshold: least score of a detection; None takes the detector's own.

    Returns:
        whether all inputs could be read; the others were reported on stderr and left out.

    Raises:
        ValueError: no input could be read, ``count`` is below 1, an option has no meaning for this technique, there is
            no such class, or the predictions would lie among the inputs.
        FileNotFoundError: there are no inputs.
    """
    setup_logging(None)
    if count < 1:
        raise ValueError(f"--count {count}: ask for 1 or more")
    model = load_best(record)
    writer = PredictionWriter(output or record.folder / "predictions")
    if isinstance(model, Predicts):
        _refuse(f"{type(model).__name__} predicts, it samples nothing", {"--class": label, "--seed": seed})
        torch.manual_seed(record.config["seed"])
        inputs = _files(source, writer.folder, model.input_type) if source else _examples(record, count, model)
        return _predict(model, inputs, PredictOptions(threshold), writer)
    if not isinstance(model, Samples):
        raise ValueError(
            f"{type(model).__name__} neither predicts nor samples (see leyden.core.technique); its verbs are: "
            f"{verbs_of(model)}"
        )
    _refuse(f"{type(model).__name__} samples from noise", {"--input": source, "--threshold": threshold})
    if seed is None:
        seed = secrets.randbelow(LAST_SEED + 1)
    elif not 0 <= seed <= LAST_SEED:
        raise ValueError(f"--seed {seed}: a number from 0 to {LAST_SEED}")
    writer.write_samples(model.sample(count, label, seed))
    writer.finish()
    print(f"--seed {seed} draws the same again")
    return True


def _predict(model: Predicts, inputs: list[Input], options: PredictOptions, writer: PredictionWriter) -> bool:
    for chunk in _chunks(inputs):
        writer.write_predictions(chunk, model.predict([value for _, value in chunk], options))
    if not writer.rows:
        raise ValueError(f"none of {len(inputs)} inputs could be read; nothing was written")
    writer.finish(model.prediction_files if isinstance(model, WritesFiles) else None)
    unread = len(inputs) - len(writer.rows)
    if unread:
        print(f"{unread} of {len(inputs)} inputs could not be read", file=sys.stderr)
    return not unread


def _refuse(reason: str, options: dict[str, object]) -> None:
    """Raises ValueError where one of the options was given."""
    if given := [name for name, value in options.items() if value is not None]:
        raise ValueError(f"{reason}: leave {' and '.join(given)} out")


def _files(source: Path, output: Path, kind: str) -> list[Input]:
    """The inputs behind a path, but not images that an earlier call left in ``output``."""
    if kind not in ENDINGS:
        raise ValueError(f"--input cannot be read for a technique that takes {kind}: leave it out for the test split")
    folder, output = source.resolve(), output.resolve()
    if folder == output or folder.is_relative_to(output / "images"):
        raise ValueError(f"--output {output} would mix predictions with the files of --input: choose another folder")
    read = read_image if kind == "images" else partial(Path.read_text, encoding="utf-8")
    if folder.is_file():
        return [Input(source.name, partial(read, source))]
    earlier = output if output.is_relative_to(folder) else None
    files = sorted(
        file
        for file in folder.rglob("*")
        if file.suffix.lower() in ENDINGS[kind] and not file.is_dir() and earlier not in file.parents
    )
    if not files:
        raise FileNotFoundError(
            f"no {kind} in {source}: --input takes a file or a folder with {', '.join(ENDINGS[kind])}"
        )
    return [Input(_printable(file.relative_to(folder)), partial(read, file)) for file in files]


def _printable(path: Path) -> str:
    """A path as text that fits into UTF-8, which names from other systems may not be."""
    return os.fsencode(path).decode("utf-8", "replace")


def _examples(record: Record, count: int, model: Predicts) -> list[Input]:
    """The first examples of the test split of the record's data: the column that the technique predicts from."""
    data = build(record.config["data"], record.allow)
    data.prepare_data()
    split = data.examples("test")
    ending = ".png" if model.input_type == "images" else ""
    return [
        Input(f"test_{i:05d}{ending}", partial(lambda i: split[i]._asdict()[model.input_type], i))
        for i in range(min(count, len(split)))
    ]


def _chunks(inputs: list[Input]) -> Iterator[list[tuple[str, Any]]]:
    """Reads inputs, a bounded part at a time, with their paths; reports on stderr what cannot be read."""
    chunk: list[tuple[str, Any]] = []
    for path, read in inputs:
        try:
            chunk.append((path, read()))
        except (ValueError, Image.DecompressionBombError) as error:
            print(f"left out {path}: {error}", file=sys.stderr)
        if len(chunk) == CHUNK or sum(x.nbytes for _, x in chunk if isinstance(x, Tensor)) > CHUNK_BYTES:
            yield chunk
            chunk.clear()  # so that nobody holds it while the next is read
    if chunk:
        yield chunk
