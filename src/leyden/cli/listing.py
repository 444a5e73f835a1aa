"""``leyden list``: what there is to run, read off the folders. Imports no torch."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from leyden.bench.config.groups import file_of, options
from leyden.cli.searchpath import KEY, conf_folders
from leyden.core.start.nearest import nearest
from leyden.core.text.yaml_comments import heading
from leyden.core.yaml_file import LOADER, yaml_problem

KINDS = {
    "labs": "experiment",
    "models": "model",
    "data": "data",
    "sources": "data/source",
    "trainers": "trainer",
    "loggers": "logger",
    "callbacks": "callbacks",
    "debug": "debug",
    "searches": "sweep",
}
"""Names of the kinds of things, and their config groups."""


def show(words: Sequence[str] = ()) -> None:
    """Prints labs, models, data sources, trainers and the like, a line each.

    Args:
        words: kinds, families, beginnings of names, to which the list is narrowed; and ``hydra.searchpath=[...]``.

    Raises:
        ValueError: a word to which nothing belongs.
    """
    places = conf_folders(words)
    console = Console()
    for title, names in chosen(words, places).items():
        group = KINDS[title]
        rows = [(name, line(file_of(group, name, places))) for name in names]
        if not console.is_terminal:  # a line each, for grep
            width = max(map(len, names))
            print(f"{title}  ({group}=...)", *(f"{name:{width}}  {text}" for name, text in rows), sep="\n", end="\n\n")
            continue
        table = Table(
            title=f"{title}  ({group}=...)", title_justify="left", box=None, show_header=False, pad_edge=False
        )
        table.add_column(no_wrap=True, style="bold")
        for name, text in rows:
            table.add_row(name, escape(text))
        console.print(table, "")


def chosen(words: Sequence[str], places: Sequence[Path] = ()) -> dict[str, list[str]]:
    """The options of each kind that words ask for; see ``show``."""
    words = [word for word in words if not word.startswith(KEY)]
    kinds = [kind for kind in KINDS if kind in words or KINDS[kind] in words] or [*KINDS]
    parts = [word for word in words if word not in KINDS and word not in KINDS.values()]
    known = {kind: options(KINDS[kind], places) for kind in kinds}
    for word in parts:
        if not any(_belongs(name, word) for names in known.values() for name in names):
            families = {re.split("[/_]", name)[0] for name in options("experiment", places)}
            raise ValueError(f"nothing to list for {word!r}{nearest(word, [*KINDS, *families])}")
    found = {
        kind: [name for name in names if not parts or any(_belongs(name, word) for word in parts)]
        for kind, names in known.items()
    }
    return {kind: names for kind, names in found.items() if names}


def _belongs(name: str, word: str) -> bool:
    """Whether a name or one of its parts begins with a word: ``gan`` in ``tour_gan`` and ``gan/dcgan``."""
    return name.startswith(word) or any(part.startswith(word) for part in re.split("[/_]", name))


def line(file: Path) -> str:
    """A lab's title and minutes, or the first comment of a part."""
    try:
        text = file.read_text(encoding="utf-8-sig")
        content = yaml.load(text, LOADER)
    except (UnicodeDecodeError, yaml.YAMLError):
        return str(yaml_problem(file))
    lab = content.get("lab") if isinstance(content, dict) else None
    if isinstance(lab, dict) and "title" in lab:
        return f"{lab['title']} ({_time(content, lab)})"
    return next(iter(heading(text)), "")


def _time(content: dict[str, Any], lab: dict[str, Any]) -> str:
    """How long a lab takes; of one that carries a sweep, how long that takes."""
    minutes = lab.get("minutes")
    if not isinstance(minutes, int | float):
        return "time unknown"
    jobs = sweep_jobs(content)
    return f"{jobs} jobs, {round(jobs * minutes)} min" if jobs > 1 else f"{minutes:g} min"


def sweep_jobs(content: dict[str, Any]) -> int:
    """How many jobs the sweep has that a lab's file carries in ``hydra.sweeper.params``; 1 without one."""
    sweeper = (content.get("hydra") or {}).get("sweeper") or {}
    if not (params := sweeper.get("params")):
        return 1
    from leyden.bench.config.grid import grid
    from leyden.bench.config.variants import spelled_out

    overrides = [f"{key}={values}" for key, values in params.items()]
    return len(grid(spelled_out(overrides, list(content["lab"].get("variants") or {}))))
