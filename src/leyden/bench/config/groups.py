"""The config groups and their options, read off the folders of ``conf/``. Imports neither Hydra nor torch."""

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


def options(group: str) -> list[str]:
    """The names to choose from in a group, such as ``gan/dcgan`` in ``model``; not files that others only include."""
    folder = CONF / group
    inner = tuple(f"{other.removeprefix(f'{group}/')}/" for other in groups() if other.startswith(f"{group}/"))
    files = [file for file in folder.rglob("*.yaml") if not file.name.startswith("_")]
    names = sorted(file.relative_to(folder).with_suffix("").as_posix() for file in files)
    return [name for name in names if not name.startswith(inner or ("\0",))]


def file_of(group: str, option: str) -> Path:
    """The YAML file behind an option."""
    return CONF / group / f"{option}.yaml"
