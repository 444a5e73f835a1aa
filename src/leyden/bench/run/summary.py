"""The end of a run on the terminal: the metrics, the lab's question, what was expected and reached, where it lies."""

from rich.console import Console
from rich.table import Table

from leyden.bench.run.lab import lines_about
from leyden.bench.run.record import Record


def show(record: Record) -> None:
    """Prints how the run ended."""
    console, status = Console(), record.status
    if status["status"] == "done":
        table = Table("metric", "value", box=None, header_style="bold", pad_edge=False)
        for name, value in record.metrics.items():
            table.add_row(name, f"{value:.4g}")
        console.print(table)
        for line in ("", *lines_about(record)):
            console.print(line, highlight=False, markup=False, soft_wrap=True)
    console.print(f"\n{status['status']}: {record.folder}", highlight=False, soft_wrap=True)
