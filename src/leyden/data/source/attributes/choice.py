"""Which classes an option means: named, in a file, or so many drawn by a seed."""

from collections.abc import Sequence
from pathlib import Path

import torch

from leyden.data.source.attributes.table import Attributes

Wanted = int | list[str] | str | None


def drawn(places: Sequence[int], count: int, seed: int) -> list[int]:
    """So many of some places, in ascending order; for the same seed fewer are among more."""
    order = torch.randperm(len(places), generator=torch.Generator().manual_seed(seed)).tolist()
    return sorted(places[i] for i in order[: max(0, count)])


def chosen_classes(
    wanted: Wanted, key: str, names: list[str], places: Sequence[int], own: list[int], seed: int
) -> list[int]:
    """Places of the classes that an option names, in ascending order.

    Args:
        wanted: names, how many, a file with a name per line, or None.
        key: of the option, for messages.
        names: of the classes to choose among.
        places: of these classes, as long.
        own: what None stands for.
        seed: of a draw.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: there is no such class.
    """
    if wanted is None:
        return own
    if isinstance(wanted, int):
        return drawn(places, wanted, seed)
    if isinstance(wanted, str):
        file = Path(wanted).expanduser()
        if not file.is_file():
            raise FileNotFoundError(
                f"data.{key}={wanted}: a list of class names, how many, or a file with a name per line "
                f"(looked from {Path.cwd()})"
            )
        wanted = [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    table = Attributes(names, ["place"], torch.tensor(places, dtype=torch.float32)[:, None])
    try:
        return sorted(table.of(wanted).values.flatten().long().tolist())
    except ValueError as error:
        raise ValueError(f"data.{key}: {str(error).replace('have no attributes', 'are not to be had')}") from error
