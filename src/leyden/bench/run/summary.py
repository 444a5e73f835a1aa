"""The end of a run on the terminal: question, headline, images, what to type next, and where the record lies."""

from leyden.bench.run.lab import as_run, left_out
from leyden.bench.run.record import Record
from leyden.report.labs.ending import ending


def show(record: Record) -> None:
    """Prints how the run ended; all its metrics are in ``metrics.json``."""
    status = record.status
    if status["status"] == "done":
        print("", *ending(as_run(record), record.overrides, record.environment, left_out(record)), sep="\n")
    print(f"\n{status['status']}: {record.folder}")
    if cure := status.get("cure"):
        print(f"`{cure}` goes on")
