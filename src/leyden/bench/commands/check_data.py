"""``leyden check-data``: what a data source holds and what is wrong with it, before anything is trained."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torchvision.transforms.v2.functional import to_pil_image

from leyden.bench.config.instantiate import build
from leyden.bench.config.overrides import without_default_lab
from leyden.bench.config.validate import compose_and_check
from leyden.core.files import write_file
from leyden.core.logs import setup_logging
from leyden.data.inspection import Inspection, examples_to_show, inspect
from leyden.data.issues import EFFECTS, DataIssue, Effect, by_kind
from leyden.data.source import Source
from leyden.report.text import csv_table, markdown_table
from leyden.visualization.detection.annotated import draw_annotated
from leyden.visualization.labelled import draw_sheet

SHOWN = 24
"""Images on the sheet."""
LISTED = 20
"""Issues of a kind that are printed; issues.csv has all."""
MEANING: dict[Effect, str] = {
    "stops": "a run stops at it",
    "left out": "does not train",
    "warning": "trains, but a number will mislead",
    "note": "trains",
}


def check_data(overrides: Sequence[str], output: Path | None = None) -> bool:
    """Checks every image of a source; prints a report, and writes it with a sheet of images into a folder.

    Args:
        overrides: ``data/source=...`` and its keys, or those of a lab.
        output: the folder; None for outputs/check_data/<source>.

    Returns:
        whether all of it would train, and be tested on what training did not see.

    Raises:
        ConfigError: overrides that cannot be composed.
        ValueError: the source has no images.
    """
    setup_logging(None)
    composed = compose_and_check(without_default_lab(overrides))
    source: Source = build(composed.config["data"]["source"], composed.allow)
    seen = inspect(source)
    folder = output or Path(composed.config["paths"]["outputs"]) / "check_data" / composed.choices["data/source"]
    folder.mkdir(parents=True, exist_ok=True)
    report = "\n\n".join([f"# {source.name}", *_tables(source, seen), *_issues(seen), *_tally(source)])
    write_file(folder / "report.md", report + "\n")
    rows = [["" if value is None else value for value in issue] for issue in seen.issues]
    write_file(folder / "issues.csv", csv_table(DataIssue._fields, rows))
    to_pil_image(_sheet(source, seen)).save(folder / "images.png")
    print(report)
    print(f"\n{_sum(seen)}\nimages with their boxes: {folder / 'images.png'}")
    return all(issue.effect == "note" for issue in seen.issues)


def _tables(source: Source, seen: Inspection) -> list[str]:
    """Counts by split, and by class with sizes."""
    boxes = source.produces == "boxes"
    stages = list(seen.splits)
    split_rows = []
    for stage in stages:
        of_boxes = [int(seen.counts[stage].sum()), seen.empty[stage], seen.spared[stage]] if boxes else []
        split_rows.append([stage, len(seen.splits[stage]), *of_boxes])
    heads = ["split", "images", *(["boxes", "images without objects", "difficult or crowd"] if boxes else [])]
    by_class = [seen.counts[stage].sum(1) for stage in stages]
    by_size = torch.stack(list(seen.counts.values())).sum(0)
    class_rows = [
        [name, *(int(count[i]) for count in by_class), *(by_size[i].tolist() if boxes else [])]
        for i, name in enumerate(source.class_names)
        if by_size[i].any()
    ]
    absent = [name for i, name in enumerate(source.class_names) if not by_size[i].any()]
    sizes = ["small (< 32 x 32)", "medium", "large (>= 96 x 96)"] if boxes else []
    tables = [_table(heads, split_rows)]
    if class_rows:
        tables.append(_table(["class", *stages, *sizes], class_rows))
    if absent:
        some = ", ".join(absent[:LISTED]) + (", ..." if len(absent) > LISTED else "")
        tables.append(f"{len(absent)} of {len(source.class_names)} classes never occur: {some}")
    return tables


def _table(header: list[str], rows: Sequence[Sequence[object]]) -> str:
    return markdown_table(
        header, [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows]
    )


def _issues(seen: Inspection) -> list[str]:
    """A paragraph for each kind."""
    paragraphs = []
    for group in by_kind(seen.issues):
        kind, effect = group[0].kind, group[0].effect
        more = [f"and {len(group) - LISTED:,} more in issues.csv"] if len(group) > LISTED else []
        lines = [f"{len(group):,} x {kind} ({effect}: {MEANING[effect]})", *map(str, group[:LISTED]), *more]
        paragraphs.append("\n  ".join(lines))
    return paragraphs


def _tally(source: Source) -> list[str]:
    return [f"passed over or changed: {source.tally}"] if str(source.tally) else []


def _sum(seen: Inspection) -> str:
    counts = Counter(issue.effect for issue in seen.issues)
    text = ", ".join(f"{counts[effect]:,} x {effect}" for effect in EFFECTS if counts[effect])
    return f"issues: {text}" if text else "nothing wrong"


def _sheet(source: Source, seen: Inspection) -> Tensor:
    """Some of the images, with their targets drawn in."""
    shown = examples_to_show(seen, SHOWN)
    images = [
        draw_annotated(image, target, source.class_names, bad) if isinstance(target, dict) else image
        for _, image, target, bad in shown
    ]
    captions = [
        caption if isinstance(target, dict) or not source.class_names else f"{caption}\n{source.class_names[target]}"
        for caption, _, target, _ in shown
    ]
    return draw_sheet(images, captions, "there is no image to show", columns=4, side=320)
