"""What a record's best checkpoint says: its test metrics once more, and predictions for pictures."""

import json
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, NamedTuple

import lightning
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torchvision.datasets.folder import IMG_EXTENSIONS

from leyden.bench.commands.predictions import Answers
from leyden.bench.config.allow_list import refuse_foreign_code
from leyden.bench.config.instantiate import build
from leyden.bench.run.checkpoint import best, technique_of
from leyden.bench.run.devices import as_begun
from leyden.bench.run.logs import setup_logging
from leyden.bench.run.record import Record, write
from leyden.bench.run.run import assemble
from leyden.core.technique import PredictOptions, Predicts, Samples, WritesFiles
from leyden.data.source.files.image_folder import read_image

PICTURES = (*IMG_EXTENSIONS, ".gif")
CHUNK, CHUNK_BYTES = 64, 30_000_000
"""Pictures are read and answered so many at a time, or fewer large ones: a folder of photographs exceeds any memory,
and super-resolution makes each many times larger."""
MOST_SEED = 2**32 - 1


class Input(NamedTuple):
    """A picture to answer, not read yet."""

    path: str
    """Relative to the folder that was given; what the answers call it."""
    read: Callable[[], Tensor]
    """Gives it as uint8 (C, H, W)."""


def evaluate(record: Record) -> dict[str, float]:
    """Tests the best checkpoint again, prints the metrics beside the recorded ones, leaves them in evaluation.json."""
    setup_logging(None)
    config = {**as_begun(record), "logger": {}, "callbacks": {}}
    checkpoint = best(record, technique_of(config))
    lightning.seed_everything(config["seed"], workers=True, verbose=False)
    data, model, trainer = assemble(config, record.folder, record.allow)
    metrics = trainer.test(model, data, ckpt_path=checkpoint, weights_only=True, verbose=False)[0]
    write(record.folder / "evaluation.json", json.dumps(metrics, indent=2))
    table = Table("metric", "now", "recorded", box=None, header_style="bold", pad_edge=False)
    for name, value in metrics.items():
        table.add_row(name, f"{value:.4g}", f"{record.metrics[name]:.4g}" if name in record.metrics else "")
    Console().print(table)
    return dict(metrics)


def load_best(record: Record) -> Any:
    """The technique as the record's best checkpoint holds it, on the CPU, in evaluation mode."""
    technique = technique_of(record.config)
    refuse_foreign_code(record.config["model"], record.allow, "model")
    checkpoint = best(record, technique)
    return resolve_name(technique).load_from_checkpoint(checkpoint, map_location="cpu", weights_only=True).eval()


def predict(
    record: Record,
    source: Path | None,
    output: Path,
    count: int,
    label: str | None = None,
    seed: int | None = None,
    threshold: float | None = None,
) -> int:
    """Writes ``predictions.json`` and a picture per input or sample, and those on sheets.

    Of pictures there are also ``predictions.csv`` and ``contact_sheet.png``, of samples ``grid.png``, and what else the
    technique has (``files``), such as ``coco.json`` of a detector.

    Args:
        record: whose best checkpoint answers.
        source: a picture or a folder of pictures; None takes the first ``count`` of the test split, or, for techniques
            that sample, ``count`` samples.
        output: folder, made where it is missing; pictures go into its ``pictures``, under the inputs' own paths.
        count: test pictures or samples.
        label: the class that is sampled, by name or number, for techniques that were told the classes.
        seed: of the samples' noise; None draws another each time, which is said, so that it can be asked for.
        threshold: the score from which on boxes are answers, for detectors; None takes their own.

    Returns:
        How many pictures could not be read; each was reported on stderr and left out.

    Raises:
        ValueError: none could be read, ``count`` is below 1, the technique samples but pictures are given, it answers
            pictures but a class or a seed is given, it finds no boxes but a threshold is given, there is no such
            class, or the answers would lie among the pictures.
        FileNotFoundError: there are no pictures.
    """
    setup_logging(None)
    if count < 1:
        raise ValueError(f"--count {count}: ask for 1 or more")
    model = load_best(record)
    answers = Answers(output)
    if isinstance(model, Samples) and not isinstance(model, Predicts):
        if source:
            raise ValueError(f"{type(model).__name__} samples from noise: leave --input out, --count says how many")
        if threshold is not None:
            raise ValueError(f"{type(model).__name__} finds no boxes: leave --threshold out")
        if seed is None:
            seed = secrets.randbelow(MOST_SEED + 1)
        elif not 0 <= seed <= MOST_SEED:
            raise ValueError(f"--seed {seed}: a number from 0 to {MOST_SEED}")
        answers.sampled(model.sample(count, label, seed))
        answers.finish()
        print(f"--seed {seed} draws the same again")
        return 0
    if not isinstance(model, Predicts):
        raise ValueError(
            f"{type(model).__name__} predicts nothing: a technique needs predict(inputs, options) or "
            "sample(count, label, seed), see leyden.core.technique"
        )
    given = [word for word, value in (("--class", label), ("--seed", seed)) if value is not None]
    if given:
        raise ValueError(
            f"{type(model).__name__} answers pictures, it samples nothing: leave {' and '.join(given)} out"
        )
    torch.manual_seed(record.config["seed"])
    inputs = _files(source, output) if source else _test_images(record, count)
    for chunk in _chunks(inputs):
        answers.take(chunk, model.predict([image for _, image in chunk], PredictOptions(threshold)))
    if not answers.rows:
        raise ValueError(f"none of {len(inputs)} pictures could be read; nothing was written")
    answers.finish(model.prediction_files if isinstance(model, WritesFiles) else None)
    unread = len(inputs) - len(answers.rows)
    if unread:
        print(f"{unread} of {len(inputs)} pictures could not be read", file=sys.stderr)
    return unread


def _files(source: Path, output: Path) -> list[Input]:
    """The pictures behind a path, but not those that an earlier call left in ``output``."""
    folder, output = source.resolve(), output.resolve()
    if folder == output or folder.is_relative_to(output / "images"):
        raise ValueError(f"--output {output} would mix answers with the pictures of --input: choose another folder")
    if folder.is_file():
        return [Input(source.name, partial(read_image, source))]
    earlier = output if output.is_relative_to(folder) else None
    files = sorted(
        file
        for file in folder.rglob("*")
        if file.suffix.lower() in PICTURES and not file.is_dir() and earlier not in file.parents
    )
    if not files:
        raise FileNotFoundError(
            f"no pictures in {source}: --input takes a picture or a folder with {', '.join(PICTURES)}"
        )
    return [Input(_printable(file.relative_to(folder)), partial(read_image, file)) for file in files]


def _printable(path: Path) -> str:
    """A path as text that fits into UTF-8, which names from other systems may not be."""
    return os.fsencode(path).decode("utf-8", "replace")


def _test_images(record: Record, count: int) -> list[Input]:
    """The first pictures of the test split of the record's data."""
    data = build(record.config["data"], record.allow)
    data.prepare_data()
    split = data.examples("test")
    return [Input(f"test_{i:05d}.png", partial(lambda i: split[i].images, i)) for i in range(min(count, len(split)))]


def _chunks(inputs: list[Input]) -> Iterator[list[tuple[str, Tensor]]]:
    """Reads pictures, a bounded part at a time, with their paths; reports on stderr what cannot be read."""
    chunk: list[tuple[str, Tensor]] = []
    for path, read in inputs:
        try:
            chunk.append((path, read()))
        except (ValueError, Image.DecompressionBombError) as error:
            print(f"left out {path}: {error}", file=sys.stderr)
        if len(chunk) == CHUNK or sum(image.nbytes for _, image in chunk) > CHUNK_BYTES:
            yield chunk
            chunk.clear()  # so that nobody holds it while the next is read
    if chunk:
        yield chunk
