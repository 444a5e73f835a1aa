"""``leyden predict``: what a record's technique predicts for images, rows or text, or the samples that it draws."""

import secrets
import sys
from functools import partial
from pathlib import Path

import torch

from leyden.bench.config.instantiate import build
from leyden.bench.run.checkpoint import load_best
from leyden.bench.run.record import Record
from leyden.core.technique import PredictOptions, Predicts, Samples, WritesFiles, verbs_of
from leyden.data.inputs import Input, in_chunks, input_examples, input_files, take_support
from leyden.data.issues import Tally
from leyden.data.splits import Split
from leyden.report.predictions import PredictionWriter
from leyden.training.logs import setup_logging

LAST_SEED = 2**32 - 1


def predict(
    record: Record,
    source: Path | None = None,
    output: Path | None = None,
    count: int = 16,
    label: str | None = None,
    seed: int | None = None,
    threshold: float | None = None,
    support: Path | None = None,
) -> bool:
    """Prints a line for each input or sample; writes ``predictions.json``, ``predictions.csv`` and images of them.

    Of images there is also ``contact_sheet.png``, of samples ``grid.png``; and there are the formats of the technique's
    field (``WritesFiles``), such as ``coco.json``.

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
        support: folder with a folder of examples for each class, for few-shot learning; None takes the record's own.

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
    if support is not None:
        take_support(model, support)
    writer = PredictionWriter(output or record.folder / "predictions")
    if isinstance(model, Predicts):
        _refuse(f"{type(model).__name__} predicts, it samples nothing", {"--class": label, "--seed": seed})
        torch.manual_seed(record.config["seed"])
        tally = Tally()
        inputs = (
            input_files(source, writer.folder, model.input_type, tally)
            if source
            else input_examples(_test_split(record), count, model.input_type)
        )
        whole = _predict(model, inputs, PredictOptions(threshold), writer)
        if str(tally):
            print(f"passed over or changed: {tally}", file=sys.stderr)
        return whole
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
    writer.write_samples(model.sample(count, label, seed), f"{count} samples, seed {seed}")
    writer.finish()
    print(f"--seed {seed} draws the same again")
    return True


def _predict(model: Predicts, inputs: list[Input], options: PredictOptions, writer: PredictionWriter) -> bool:
    for chunk in in_chunks(inputs, partial(print, file=sys.stderr)):
        writer.write_predictions(chunk, model.predict([value for _, value in chunk], options))
    if not writer.rows:
        raise ValueError(f"none of {len(inputs)} inputs could be read; nothing was written")
    writer.finish(model.prediction_files if isinstance(model, WritesFiles) else None)
    if unread := len(inputs) - len(writer.rows):
        print(f"{unread} of {len(inputs)} inputs could not be read", file=sys.stderr)
    return not unread


def _test_split(record: Record) -> Split:
    data = build(record.config["data"], record.allow)
    data.prepare_data()
    return data.examples("test")


def _refuse(reason: str, options: dict[str, object]) -> None:
    """Raises ValueError where one of the options was given."""
    if given := [name for name, value in options.items() if value is not None]:
        raise ValueError(f"{reason}: leave {' and '.join(given)} out")
