"""The end of a run on the terminal: the metrics, the lab's question, what was expected and reached, where it lies."""

from rich.console import Console
from rich.table import Table

from leyden.bench.run.record import Record
from leyden.report.expectations import verdicts


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
