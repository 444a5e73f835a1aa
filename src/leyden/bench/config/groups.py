"""The config groups and their options, read off the folders of ``conf/``. Imports neither Hydra nor torch."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import yaml

_PACKAGE = Path(__file__).parents[2]
CONF = _PACKAGE / "_conf" if (_PACKAGE / "_conf").is_dir() else _PACKAGE.parents[1] / "conf"
"""Inside the package where it was installed, else at the repository's top level; ``conf/experiment`` is
``experiments/``."""


@cache
def groups() -> tuple[str, ...]:
    """The groups that a run is composed of, such as ``model`` and ``data/source``: the defaults of ``config.yaml``."""
    defaults = yaml.safe_load((CONF / "config.yaml").read_text(encoding="utf-8"))["defaults"]
    return tuple(group for entry in defaults if isinstance(entry, dict) for group in entry)


def options(group: str, places: Sequence[Path] = ()) -> list[str]:
    """The names to choose from in a group, such as ``gan/dcgan`` in ``model``; not files that others only include.

    ``places`` are further folders that hold groups.
    """
    inner = tuple(f"{other.removeprefix(f'{group}/')}/" for other in groups() if other.startswith(f"{group}/"))
    names = {
        file.relative_to(place / group).with_suffix("").as_posix()
        for place in (CONF, *places)
        for file in (place / group).rglob("*.yaml")
        if not file.name.startswith("_")
    }
    return sorted(name for name in names if not name.startswith(inner or ("\0",)))


def file_of(group: str, option: str, places: Sequence[Path] = ()) -> Path:
    """The YAML file behind an option."""
    files = [place / group / f"{option}.yaml" for place in (CONF, *places)]
    return next((file for file in files if file.is_file()), files[0])
