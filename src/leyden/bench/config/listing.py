"""What there is to run, read off the folders. Imports no torch."""

from pathlib import Path

import yaml
from rich.console import Console
from rich.table import Table

from leyden.bench.config.groups import file_of, options

SECTIONS = {
    "labs": "experiment",
    "models": "model",
    "data": "data",
    "data sources": "data/source",
    "trainers": "trainer",
}


def show() -> None:
    """Prints labs, models, data sources and trainers, a line each."""
    console = Console()
    for title, group in SECTIONS.items():
        table = Table(
            title=f"{title}  ({group}=...)", title_justify="left", box=None, show_header=False, pad_edge=False
        )
        table.add_column(no_wrap=True, style="bold")
        for option in options(group):
            table.add_row(option, _line(file_of(group, option)))
        console.print(table)
        console.print()


def _line(file: Path) -> str:
    """A lab's title and minutes, or the first comment of a part."""
    text = file.read_text(encoding="utf-8")
    lab = (yaml.safe_load(text) or {}).get("lab")
    if isinstance(lab, dict) and "title" in lab:
        return f"{lab['title']} ({lab['minutes']} min)"
    return next((line.lstrip("# ") for line in text.splitlines() if line.startswith("# ")), "")
