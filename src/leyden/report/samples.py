"""Samples and continuations of ``leyden predict``, whose seed is printed so that they can be drawn again."""

import secrets
from collections.abc import Mapping, Sequence
from itertools import product

from leyden.core.seeding import mix
from leyden.core.technique import Continues, Predictions, Samples, SamplesPrompts, WritesFiles, verbs_of
from leyden.report.predictions import PredictionWriter

LAST_SEED = 2**32 - 1


def write_drawn(
    model: object,
    writer: PredictionWriter,
    count: int,
    label: str | None,
    seed: int | None,
    prompts: Sequence[str] | None,
    others: Mapping[str, object],
) -> None:
    """Draws samples, of descriptions or of none, or continuations of texts, as what the model can.

    Args:
        model: a technique.
        writer: of the folder.
        count: how many; of each prompt so many.
        label: a class of samples, by name or number; None: all in turn.
        seed: of the draws; None: one is chosen, and printed.
        prompts: begins of texts, or descriptions; None: samples of neither.
        others: options for techniques that predict, by the names of the command line; none may have a value.

    Raises:
        ValueError: the model can do neither, or an option has no meaning for what it does.
    """
    name = type(model).__name__
    if prompts and not can_draw(model, prompts):
        raise ValueError(f"{name} neither continues a text nor samples what one describes: leave --prompt out")
    if prompts and isinstance(model, Continues):
        refuse("a prompt is continued", {**others, "--class": label})
        write_continuations(model, writer, prompts, count, seed)
    elif prompts and isinstance(model, SamplesPrompts):
        refuse("the prompt says what is sampled", {**others, "--class": label})
        write_described(model, writer, prompts, count, seed)
    elif isinstance(model, Samples):
        refuse(f"{name} samples from noise", others)
        write_samples(model, writer, count, label, seed)
    elif isinstance(model, SamplesPrompts):
        raise ValueError(f"{name} samples what a text describes: say it by --prompt")
    else:
        raise ValueError(
            f"{name} neither predicts nor samples (see leyden.core.technique); its verbs are: {verbs_of(model)}"
        )


def can_draw(model: object, prompts: Sequence[str] | None) -> bool:
    """Whether a technique draws something by itself, or what the prompts ask for."""
    return isinstance(model, Continues | SamplesPrompts if prompts else Samples)


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


def write_described(
    model: SamplesPrompts, writer: PredictionWriter, prompts: Sequence[str], count: int, seed: int | None
) -> None:
    """Draws ``count`` samples of each description; each gets the same noise.

    Raises:
        ValueError: a seed out of range, or nothing of a description is known.
    """
    seed = _chosen(seed)
    drawn = [model.sample_prompt(prompt, count, seed) for prompt in prompts]
    rows = [{"prompt": text, **row} for text, made in zip(prompts, drawn, strict=True) for row in made.rows]
    images = [image for made in drawn for image in made.images]
    files = [file for made in drawn for file in made.files]
    writer.write_samples(Predictions(rows, images, files), f"{count} samples of each, seed {seed}")
    writer.finish(model.prediction_files if isinstance(model, WritesFiles) else None)
    print(f"--seed {seed} draws the same again")


def write_continuations(
    model: Continues, writer: PredictionWriter, prompts: Sequence[str], count: int, seed: int | None
) -> None:
    """Writes ``count`` continuations of each text to the terminal while they are drawn, then into the folder.

    Raises:
        ValueError: a seed out of range.
    """
    seed = _chosen(seed)
    for place, number in product(range(len(prompts)), range(count)):
        print(prompts[place], end="", flush=True)
        pieces = []
        for piece in model.continue_text(prompts[place], mix(seed, number)):
            print(piece, end="", flush=True)
            pieces.append(piece)
        print("\n")
        row = {"prompt": prompts[place], "continuation": "".join(pieces)}
        writer.add(f"continuation_{place * count + number:03d}", row, None)
    writer.finish(model.prediction_files if isinstance(model, WritesFiles) else None)
    print(f"--seed {seed} draws the same again")


def _chosen(seed: int | None) -> int:
    if seed is None:
        return secrets.randbelow(LAST_SEED + 1)
    if not 0 <= seed <= LAST_SEED:
        raise ValueError(f"--seed {seed}: a number from 0 to {LAST_SEED}")
    return seed
