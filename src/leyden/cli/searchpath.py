"""``LEYDEN_SEARCHPATH``: folders of the user's own with labs and techniques, which every verb then knows.

Such a folder has its config groups in ``conf`` (or is one itself, with groups in it), and Python modules beside that;
``leyden new`` makes one. It stands for ``hydra.searchpath=[file://FOLDER/conf]`` before other overrides, so a record
remembers where its lab came from, and for ``PYTHONPATH=FOLDER``.
"""

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

VARIABLE = "LEYDEN_SEARCHPATH"
"""Folders, with the sign between them that PATH has."""
KEY = "hydra.searchpath="


def folders() -> list[Path]:
    """The user's own folders, absolute.

    Raises:
        ValueError: one does not exist.
    """
    named = [Path(text).expanduser().absolute() for text in os.environ.get(VARIABLE, "").split(os.pathsep) if text]
    for folder in named:
        if not folder.is_dir():
            raise ValueError(f"{VARIABLE}: no folder {folder}; name folders that have conf/ in them, or unset it")
    return named


def make_importable() -> None:
    """Lets this process and those that it starts import the modules in these folders."""
    own = [str(folder) for folder in folders() if str(folder) not in sys.path]
    if own:
        sys.path += own
        inherited = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = os.pathsep.join([*([inherited] if inherited else []), *own])


def conf_folders(overrides: Sequence[str] = ()) -> list[Path]:
    """The folders with config groups: those that overrides name, then those of the environment."""
    typed = [text for text in overrides if text.startswith(KEY)]
    found = [folder / "conf" if (folder / "conf").is_dir() else folder for folder in folders()]
    if not typed:
        return found
    from leyden.bench.config.variants import read

    value = read(typed[-1]).value()
    named = [str(entry) for entry in value] if isinstance(value, list) else []
    return [*(Path(entry.removeprefix("file://")) for entry in named), *found]


def added_to(overrides: Sequence[str]) -> list[str]:
    """Overrides that find what lies in these folders, too."""
    if not folders():
        return [*overrides]
    from leyden.bench.config.variants import quoted

    places = [f"file://{folder}" for folder in conf_folders(overrides)]
    shown = ",".join(place if re.fullmatch(r"[\w./:-]+", place, re.ASCII) else quoted(place) for place in places)
    return [f"{KEY}[{shown}]", *(text for text in overrides if not text.startswith(KEY))]
