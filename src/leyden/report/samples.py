"""Samples and continuations of ``leyden predict``, whose seed is printed so that they can be drawn again."""

import secrets
from collections.abc import Mapping

from leyden.core.seeding import mix
from leyden.core.technique import Continues, Samples, WritesFiles, verbs_of
from leyden.report.predictions import PredictionWriter

LAST_SEED = 2**32 - 1


def write_drawn(
    model: object,
    writer: PredictionWriter,
    count: int,
    label: str | None,
    seed: int | None,
    prompt: str | None,
    others: Mapping[str, object],
) -> None:
    """Draws samples, or continuations of a prompt, as what the model can.

    Args:
        model: a technique.
        writer: of the folder.
        count: how many.
        label: a class of samples, by name or number; None: all in turn.
        seed: of the draws; None: one is chosen, and printed.
        prompt: a text's begin; None: samples.
        others: options for techniques that predict, by the names of the command line; none may have a value.

    Raises:
        ValueError: the model can do neither, or an option has no meaning for what it does.
    """
    name = type(model).__name__
    if prompt is not None:
        if not isinstance(model, Continues):
            raise ValueError(f"{name} continues no text: leave --prompt out")
        refuse("a prompt is continued", {**others, "--class": label})
        write_continuations(model, writer, prompt, count, seed)
    elif isinstance(model, Samples):
        refuse(f"{name} samples from noise", others)
        write_samples(model, writer, count, label, seed)
    else:
        raise ValueError(
            f"{name} neither predicts nor samples (see leyden.core.technique); its verbs are: {verbs_of(model)}"
        )


def refuse(reason: str, options: Mapping[str, object]) -> None:
    """Raises ValueError where one of the options, by their names on the command line, was given."""
    if given := [name for name, value in options.items() if value is not None]:
        raise ValueError(f"{reason}: leave {' and '.join(given)} out")


def write_samples(model: Samples, writer: PredictionWriter, count: int, label: str | None, seed: int | None) -> None:
    """Draws ``count`` samples of a class, or of all in turn; a ``seed`` of None is chosen, and printed.

    Raises:
        ValueError: a seed out of range, or a class that there is not.
    """
    seed = _chosen(seed)
    writer.write_samples(model.sample(count, label, seed), f"{count} samples, seed {seed}")
    writer.finish(model.prediction_files if isinstance(model, WritesFiles) else None)
    print(f"--seed {seed} draws the same again")


def write_continuations(model: Continues, writer: PredictionWriter, prompt: str, count: int, seed: int | None) -> None:
    """Writes ``count`` continuations of a prompt to the terminal while they are drawn, then into the folder.

    Raises:
        ValueError: a seed out of range.
    """
    seed = _chosen(seed)
    for number in range(count):
        print(prompt, end="", flush=True)
        pieces = []
        for piece in model.continue_text(prompt, mix(seed, number)):
            print(piece, end="", flush=True)
            pieces.append(piece)
        print("\n")
        writer.add(f"continuation_{number:03d}", {"prompt": prompt, "continuation": "".join(pieces)}, None)
    writer.finish()
    print(f"--seed {seed} draws the same again")


def _chosen(seed: int | None) -> int:
    if seed is None:
        return secrets.randbelow(LAST_SEED + 1)
    if not 0 <= seed <= LAST_SEED:
        raise ValueError(f"--seed {seed}: a number from 0 to {LAST_SEED}")
    return seed
