"""What ``leyden check-data`` tells: tables of counts, issues by kind, and a sheet of images with their targets."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from leyden.data.inspection.inspect import Inspection, examples_to_show
from leyden.data.inspection.music import MusicInspection
from leyden.data.inspection.rows import TableInspection
from leyden.data.inspection.texts import TextInspection
from leyden.data.inspection.volumes import VolumeInspection
from leyden.data.issues import EFFECTS, DataIssue, Effect, by_kind, printable
from leyden.data.source import Source
from leyden.report.inspection.captions import caption_tables, wrapped
from leyden.report.inspection.music import music_sheet, music_tables
from leyden.report.inspection.rows import row_sheet, row_tables
from leyden.report.inspection.texts import text_sheet, text_tables
from leyden.report.inspection.volumes import volume_sheet, volume_tables
from leyden.report.text import csv_table, markdown_table
from leyden.visualization.detection.annotated import draw_annotated
from leyden.visualization.labelled import draw_sheet

Seen = Inspection | TextInspection | TableInspection | VolumeInspection | MusicInspection
SHOWN = 24
"""Images on the sheet."""
LISTED = 20
"""Issues of a kind, and classes, that are printed; the table of issues has all."""
MEANING: dict[Effect, str] = {
    "stops": "a run stops at it",
    "left out": "does not train",
    "warning": "trains, but a number will mislead",
    "note": "trains",
}


def inspection_report(source: Source, seen: Seen) -> str:
    """Markdown: the counts, a paragraph for each kind of issue, and a line of what was passed over or changed."""
    tables = TABLES[type(seen)](source, seen)
    tally = [f"passed over or changed: {source.tally}"] if str(source.tally) else []
    return "\n\n".join([f"# {printable(source.name)}", *tables, *_issues(seen), *tally])


def issue_table(seen: Seen) -> str:
    """CSV with a row for each issue."""
    rows = [["" if value is None else printable(str(value)) for value in issue] for issue in seen.issues]
    return csv_table(DataIssue._fields, rows)


def issue_counts(seen: Seen) -> str:
    """One line."""
    counts = Counter(issue.effect for issue in seen.issues)
    text = ", ".join(f"{counts[effect]:,} x {effect}" for effect in EFFECTS if counts[effect])
    return f"issues: {text}" if text else "nothing wrong"


def inspection_sheet(source: Source, seen: Seen) -> Tensor:
    """Images with their targets, lengths of texts, columns of a table, shapes, or piano rolls: uint8 (3, H, W)."""
    return SHEETS[type(seen)](source, seen)


def _sheet(source: Source, seen: Inspection) -> Tensor:
    shown = examples_to_show(seen, SHOWN)
    names = [wrapped(printable(name)) for name in source.class_names]
    images = [
        draw_annotated(image, target, names, bad) if isinstance(target, dict) else image
        for _, image, target, bad in shown
    ]
    captions = [
        caption if isinstance(target, dict) or not names else f"{caption}\n{names[target]}"
        for caption, _, target, _ in shown
    ]
    return draw_sheet(images, captions, "there is no image to show", columns=4, side=320)


def _tables(source: Source, seen: Inspection) -> list[str]:
    """Counts by split, and by class with sizes."""
    boxes = source.produces == "boxes"
    stages = list(seen.splits)
    split_rows = []
    for stage in stages:
        of_boxes = [int(seen.counts[stage].sum()), seen.empty[stage], seen.spared[stage]] if boxes else []
        split_rows.append([stage, len(seen.splits[stage]), *of_boxes])
    heads = ["split", "images", *(["boxes", "images without objects", "difficult or crowd"] if boxes else [])]
    if source.produces == "captioned images":
        return [_table(heads, split_rows), *caption_tables(source, seen)]
    by_class = [seen.counts[stage].sum(1) for stage in stages]
    by_size = torch.stack(list(seen.counts.values())).sum(0)
    class_rows = [
        [printable(name), *(int(count[i]) for count in by_class), *(by_size[i].tolist() if boxes else [])]
        for i, name in enumerate(source.class_names)
        if by_size[i].any()
    ]
    absent = [printable(name) for i, name in enumerate(source.class_names) if not by_size[i].any()]
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


def _issues(seen: Seen) -> list[str]:
    """A paragraph for each kind."""
    paragraphs = []
    for group in by_kind(seen.issues):
        kind, effect = group[0].kind, group[0].effect
        more = [f"and {len(group) - LISTED:,} more in issues.csv"] if len(group) > LISTED else []
        lines = [f"{len(group):,} x {kind} ({effect}: {MEANING[effect]})", *map(str, group[:LISTED]), *more]
        paragraphs.append("\n  ".join(lines))
    return paragraphs


TABLES: dict[type, Callable[[Source, Any], list[str]]] = {
    Inspection: _tables,
    TextInspection: text_tables,
    TableInspection: row_tables,
    VolumeInspection: volume_tables,
    MusicInspection: music_tables,
}
"""What is told of each kind of data."""
SHEETS: dict[type, Callable[[Source, Any], Tensor]] = {
    Inspection: _sheet,
    TextInspection: text_sheet,
    TableInspection: row_sheet,
    VolumeInspection: volume_sheet,
    MusicInspection: music_sheet,
}
"""What is drawn of it."""
