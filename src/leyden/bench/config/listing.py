"""What there is to run, read off the folders. Imports no torch."""

from pathlib import Path

import yaml
from rich.console import Console
from rich.table import Table

from leyden.bench.config.groups import file_of, options
from leyden.core.yaml_file import yaml_problem

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
    try:
        text = file.read_text(encoding="utf-8-sig")
        content = yaml.safe_load(text)
    except (UnicodeDecodeError, yaml.YAMLError):
        return str(yaml_problem(file))
    lab = content.get("lab") if isinstance(content, dict) else None
    if isinstance(lab, dict) and "title" in lab:
        return f"{lab['title']} ({lab.get('minutes')} min)"
    return next((line.lstrip("# ") for line in text.splitlines() if line.startswith("# ")), "")
