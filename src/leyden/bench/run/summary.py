"""The end of a run on the terminal: the metrics, the lab's question, what was expected and reached, where it lies."""

from typing import Any

from rich.console import Console
from rich.table import Table

from leyden.bench.run.record import Record


def show(record: Record) -> None:
    """Prints how the run ended."""
    console, config, status = Console(), record.config, record.status
    if status["status"] == "done":
        table = Table("metric", "value", box=None, header_style="bold", pad_edge=False)
        for name, value in record.metrics.items():
            table.add_row(name, f"{value:.4g}")
        console.print(table)
        lab = config["lab"]
        if lab["question"]:
            console.print(f"\n{lab['question'].strip()}", highlight=False)
        for line in verdicts(lab["expect"] or {}, record.metrics):
            console.print(f"  {line}", highlight=False)
    console.print(f"\n{status['status']}: {record.folder}", highlight=False, soft_wrap=True)


def verdicts(expect: dict[str, dict[str, float]], metrics: dict[str, float]) -> list[str]:
    """One line per expectation of a lab: what was expected, what was reached, and whether that is enough."""
    return [f"{name} {bounds_text(bounds)}: {_reached(bounds, metrics.get(name))}" for name, bounds in expect.items()]


def bounds_text(bounds: dict[str, Any]) -> str:
    """Such as ``at least 0.7 and at most 0.9``."""
    names = {"min": "at least", "max": "at most"}
    return " and ".join(f"{names[end]} {bounds[end]}" for end in names if end in bounds)


def is_kept(bounds: dict[str, float], value: float) -> bool:
    """Whether a metric reaches what a lab expects of it."""
    return bounds.get("min", value) <= value <= bounds.get("max", value)


def _reached(bounds: dict[str, float], value: float | None) -> str:
    if value is None:
        return "not measured"
    return f"{value:.4g}, {'as expected' if is_kept(bounds, value) else 'NOT as expected'}"
