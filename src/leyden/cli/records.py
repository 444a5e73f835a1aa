"""Records by short names: ``last``, a lab's name for its newest run, the end of a path. Imports no torch."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

LAST = "last"
SWEEPS = "sweeps"
CONTROLS = "controls"
"""Below the outputs: runs that `leyden verify` makes by itself, which nobody means by a lab's name."""
SHOWN = 5
"""How many records an error lists."""


class Found(NamedTuple):
    """A record below the folder of outputs."""

    folder: Path
    lab: str
    made: float
    """When, in seconds; the newest has the greatest."""

    @property
    def sweep(self) -> Path | None:
        """The folder of the sweep whose job it is."""
        return self.folder.parent if (self.folder.parent / "multirun.yaml").is_file() else None


def outputs() -> Path:
    """Where runs leave their records: ``LEYDEN_OUTPUTS``, or ``outputs``."""
    return Path(os.environ.get("LEYDEN_OUTPUTS", "outputs"))


def records() -> list[Found]:
    """All records below ``outputs()``, newest first."""
    found = [Found(folder, _lab(folder), _made(folder)) for folder in _folders(outputs())]
    return sorted(found, key=lambda record: (record.made, record.folder.name), reverse=True)


def resolve(name: Path, whole_sweeps: bool = False) -> Path:
    """The folder that a name on the command line means; what is not typed as a path is said on stderr.

    Args:
        name: a path; or ``last``; or a lab's name, for its newest run; or enough of a path below the outputs to tell
            one record from all others, such as ``mine/3`` or a date.
        whole_sweeps: whether sweeps are meant as well: ``last`` is then the sweep where its newest job is the newest
            record.

    Raises:
        ValueError: nothing is there, or several records are meant; with the newest ones.
    """
    if name.exists():
        return name
    text = str(name)
    found = records()
    own = [record for record in found if CONTROLS not in record.folder.parts]
    meant = [record for record in own if text in (LAST, record.lab)][:1]
    for whole in (True, False):
        meant = meant or [record for record in found if _ends_with(record.folder, text, whole)]
    folders = list(
        dict.fromkeys((record.sweep or record.folder) if whole_sweeps else record.folder for record in meant)
    )
    if whole_sweeps and (sweep := outputs() / SWEEPS / text).is_dir():
        folders = [sweep]
    if len(folders) == 1:
        print(f"{text} is {folders[0]}", file=sys.stderr)
        return folders[0]
    problem = f"{text} could be each of these, type more of it" if folders else f"there is no record {text}"
    newest = [str(folder) for folder in folders or [record.folder for record in found]][:SHOWN]
    listed = "".join(f"\n  {folder}" for folder in newest)
    if not folders:
        problem += "; the newest:" if newest else f", and none below {outputs()}; leyden run leaves them"
    raise ValueError(problem + listed)


def resolved(arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a verb with folders in the place of names."""
    for name in ("record", "folder", "folders", "words"):
        given = arguments.get(name)
        if isinstance(given, Path):
            arguments[name] = resolve(given, whole_sweeps=name == "folder")
        elif name == "folders" and given:
            arguments[name] = [resolve(folder, whole_sweeps=True) for folder in given]
        elif name == "words" and given:
            arguments[name] = [word if "=" in word or word[:1] == "~" else str(resolve(Path(word))) for word in given]
    return arguments


def names(current: str = "", sweeps: bool = False) -> Iterator[str]:
    """What ``resolve`` takes, for completion: ``last``, labs that were run, sweeps, jobs of a sweep, whole paths.

    Args:
        current: what is typed already; paths are offered once they have begun.
        sweeps: whether whole sweeps are meant as well.
    """
    found = records()
    if found:
        yield LAST
    yield from dict.fromkeys(record.lab for record in found)
    for record in found:
        if sweeps and record.sweep:
            yield record.sweep.name
        if current:
            yield f"{record.folder.parent.name}/{record.folder.name}"
        if current and str(record.folder).startswith(current):
            yield str(record.folder)


def _folders(root: Path) -> Iterator[Path]:
    """The folders with a ``config.yaml``, in which no others are looked for."""
    for folder in sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else ():
        if (folder / "config.yaml").is_file() and (folder / "status.json").is_file():
            yield folder
        elif not folder.is_symlink():
            yield from _folders(folder)


def _made(folder: Path) -> float:
    """When the record was made: what was typed is written once."""
    file = folder / "overrides.yaml"
    return (file if file.is_file() else folder).stat().st_mtime


def _lab(folder: Path) -> str:
    """The lab that a folder's name tells: of a sweep's job ``3_tour_gan``, of others the folder above."""
    number, _, lab = folder.name.partition("_")
    return lab if number.isdigit() and (folder.parent / "multirun.yaml").is_file() else folder.parent.name


def _ends_with(folder: Path, text: str, whole: bool) -> bool:
    """Whether a path ends with these parts, of which the last is the whole name, or a job's number, or cut off."""
    *above, last = Path(text).parts or ("",)
    name, parts = folder.name, folder.parts
    ends = name == last or name.startswith(f"{last}_" if whole else last)
    return bool(last) and ends and list(parts[-1 - len(above) : -1]) == above
