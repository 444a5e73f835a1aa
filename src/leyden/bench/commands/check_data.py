"""``leyden check-data``: what a data source holds and what is wrong with it, before anything is trained."""

from collections.abc import Sequence
from pathlib import Path

from leyden.bench.config.instantiate import build
from leyden.bench.config.overrides import without_default_lab
from leyden.bench.config.validate import compose_and_check
from leyden.core.files import write_file


def check_data(overrides: Sequence[str], output: Path | None = None) -> bool:
    """Checks every image or text of a source, or of two domains; prints a report, and writes it with a sheet of images.

    Args:
        overrides: ``data/source=...`` and its keys, or those of a lab.
        output: the folder; None for outputs/check_data/<source>. A second domain is written into ``target`` below it.

    Returns:
        whether all of it would train, and be tested on what training did not see.

    Raises:
        ConfigError: overrides that cannot be composed.
        ValueError: the source has neither images nor texts, or a layout that can be read in two ways.
    """
    composed = compose_and_check(without_default_lab(overrides), whole=False, here=True)
    from torchvision.transforms.v2.functional import to_pil_image  # here, because they bring torch

    from leyden.data.inspection.inspect import inspect
    from leyden.data.source import Source
    from leyden.report.inspection.report import inspection_report, inspection_sheet, issue_counts, issue_table
    from leyden.training.logs import setup_logging

    setup_logging(None)
    first = output or Path(composed.config["paths"]["outputs"]) / "check_data" / composed.choices["data/source"]
    sound = True
    for place, folder in {"source": first, "target": first / "target"}.items():
        if place in composed.config["data"]:
            source: Source = build(composed.config["data"][place], composed.allow)
            seen = inspect(source)
            report = inspection_report(source, seen)
            write_file(folder / "report.md", report + "\n")
            write_file(folder / "issues.csv", issue_table(seen))
            to_pil_image(inspection_sheet(source, seen)).save(folder / "images.png")
            print(report)
            print(f"\n{issue_counts(seen)}\nimages with their targets, or a chart of texts: {folder / 'images.png'}")
            sound &= all(issue.effect == "note" for issue in seen.issues)
    return sound
