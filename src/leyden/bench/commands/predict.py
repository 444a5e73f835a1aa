"""``leyden predict``: what a record's technique predicts for images, rows or text, or the samples that it draws."""

import sys
from functools import partial
from pathlib import Path

import torch

from leyden.bench.config.instantiate import build
from leyden.bench.run.checkpoint import load_best
from leyden.bench.run.record import Record
from leyden.core.technique import Continues, Direction, PredictOptions, Predicts, Samples, WritesFiles
from leyden.data.inputs import Input, in_chunks, input_examples, input_files, read_masks, take_support
from leyden.data.issues import Tally
from leyden.data.splits import Split
from leyden.report.predictions import PredictionWriter
from leyden.report.samples import can_draw, refuse, write_drawn
from leyden.training.logs import setup_logging


def predict(
    record: Record,
    source: Path | None = None,
    output: Path | None = None,
    count: int | None = None,
    label: str | None = None,
    seed: int | None = None,
    threshold: float | None = None,
    direction: Direction | None = None,
    mask: Path | None = None,
    support: Path | None = None,
    prompts: list[str] | None = None,
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
        count: test examples or samples, of each prompt so many; None: 16, or one continuation of a prompt.
        label: the class that is sampled, by name or number, for conditional techniques.
        seed: of the samples' noise; None draws another each time and prints it.
        threshold: least score of a detection; None takes the detector's own.
        direction: of a translation between two domains; None: A2B.
        mask: of what is to be filled in: an image for all inputs, or a folder with one under the name of each.
        support: folder with a folder of examples for each class, for few-shot learning; None takes the record's own.
        prompts: begins of texts, which a language model continues on the terminal while it draws; or descriptions, of
            samples, or of what ``source`` may show.

    Returns:
        whether all inputs could be read; the others were reported on stderr and left out.

    Raises:
        ValueError: no input could be read, ``count`` is below 1, an option has no meaning for this technique, there is
            no such class, or the predictions would lie among the inputs.
        FileNotFoundError: there are no inputs.
    """
    setup_logging(None)
    if count is not None and count < 1:
        raise ValueError(f"--count {count}: ask for 1 or more")
    model = load_best(record)
    count = count or (1 if prompts and isinstance(model, Continues) else 16)
    if support is not None:
        take_support(model, support)
    writer = PredictionWriter(output or record.folder / "predictions")
    if isinstance(model, Predicts) and (source is not None or not can_draw(model, prompts)):
        if not isinstance(model, Samples):
            refuse(f"{type(model).__name__} predicts, it samples nothing", {"--class": label, "--seed": seed})
        torch.manual_seed(record.config["seed"] if seed is None else seed)
        tally = Tally()
        inputs = (
            input_files(source, writer.folder, model.input_type, tally)
            if source
            else input_examples(_test_split(record), count, model.input_type)
        )
        whole = _predict(model, inputs, PredictOptions(threshold, direction, None, prompts), mask, writer)
        if str(tally):
            print(f"passed over or changed: {tally}", file=sys.stderr)
        return whole
    others = {"--input": source, "--threshold": threshold, "--direction": direction, "--mask": mask}
    write_drawn(model, writer, count, label, seed, prompts, others)
    return True


def _predict(
    model: Predicts, inputs: list[Input], options: PredictOptions, mask: Path | None, writer: PredictionWriter
) -> bool:
    for chunk in in_chunks(inputs, partial(print, file=sys.stderr)):
        given = options if mask is None else options._replace(masks=read_masks(mask, chunk))
        writer.write_predictions(chunk, model.predict([value for _, value in chunk], given))
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
