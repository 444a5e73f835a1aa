"""``compare.html``: a comparison's table, a chart per metric, curves over the steps, pictures side by side."""

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL.Image import DecompressionBombError
from torch import Tensor
from torchvision.transforms.v2.functional import to_pil_image

from leyden.data.source.files.image_folder import read_image
from leyden.report.compare import REFERENCES, Compared
from leyden.report.comparison import last_image
from leyden.report.page import Markup, element, figure, page, section, table, words
from leyden.report.rows import Cell, Run, Score
from leyden.visualization.charts import Curve, draw_curves, draw_spreads
from leyden.visualization.labelled import thumbnail

MOST_CURVES, MOST_PICTURES = 10, 24
"""Rows in a chart of curves, and pictures of one tag; of more rows the first are shown, and that is said."""
SIDE = 480
"""Pixels that the longer side of a picture is fitted to."""

Series = dict[int, float]
"""Value by optimizer step."""


def draw_page(compared: Compared) -> str:
    """The page as text; it needs nothing but itself.

    Args:
        compared: its runs' folders may hold ``metrics.csv`` and ``images/<tag>_<step>.png``.
    """
    title, _, question = compared.title.removeprefix("# ").partition("\n\n")
    header, lines = compared.lines(compared.metrics)
    parts = [element("h1", words(title)), element("p", words(question)), element("p", words(compared.summary))]
    parts += [element("p", words(note), class_="note") for note in (*compared.notes, *compared.left_out)]
    parts.append(section("Table", table(header, lines), _companions(compared), _records(compared)))
    charts = [
        _chart(draw_spreads({name: cell.by_seed for name, cell in cells.items()}, metric), f"{metric} of each row")
        for metric, cells in compared.cells.items()
        if any(cell.scores for cell in cells.values())
    ]
    seeds = words("A dot per seed; a large one for the mean, with a whisker of one standard deviation to each side.")
    parts.append(section("Metrics", element("p", seeds), element("div", *charts, class_="grid")))
    parts.append(section("Over the steps", *_curves(compared)))
    parts.append(section("Pictures", *_pictures(compared.rows)))
    return page(f"{title}: leyden compare", *parts)


def _chart(picture: Tensor, alt: str) -> Markup:
    return figure(_png(picture), alt)


def _png(picture: Tensor) -> bytes:
    content = io.BytesIO()
    to_pil_image(picture).save(content, "png")
    return content.getvalue()


def _companions(compared: Compared) -> Markup:
    header, lines = compared.companions()
    return _details(f"{len(lines)} settings that come with them", table(header, lines)) if lines else Markup("")


def _records(compared: Compared) -> Markup:
    rows = compared.rows.items()
    lines = [[name, str(run["config"].get("seed")), str(run["folder"])] for name, runs in rows for run in runs]
    return _details(f"{len(lines)} records", table(["row", "seed", "folder"], lines))


def _details(summary: str, inner: Markup) -> Markup:
    return element("details", element("summary", words(summary)), inner)


def _curves(compared: Compared) -> list[Markup]:
    """A chart per metric that was logged over the steps."""
    rows = dict(list(compared.rows.items())[:MOST_CURVES])
    logged = {name: [read_series(run["folder"]) for run in runs] for name, runs in rows.items()}
    seeds = {name: [run["config"].get("seed") for run in runs] for name, runs in rows.items()}
    charts = []
    for metric in _over_steps(compared, [series for own in logged.values() for series in own]):
        curves = {name: curve([series.get(metric, {}) for series in own], seeds[name]) for name, own in logged.items()}
        if any(positions for positions, _, _ in curves.values()):
            charts.append(_chart(draw_curves(curves, "optimizer steps", metric), f"{metric} over the optimizer steps"))
    if not charts:
        return []
    told = "Mean over the seeds in a band of one standard deviation, where all runs of a row have a value."
    return [_told(told, len(compared.rows), MOST_CURVES), element("div", *charts, class_="grid")]


def _over_steps(compared: Compared, logged: Sequence[Mapping[str, Series]]) -> list[str]:
    """Validation's counterparts of the metrics that were named, else all of validation, and all at all if asked for."""
    names = list(dict.fromkeys(name for series in logged for name, values in series.items() if len(values) > 1))
    if compared.asked:
        wanted = {re.sub("^(test|best/val)/", "val/", metric) for metric in compared.asked}
        return [name for name in names if name in wanted]
    return [name for name in names if compared.every or (name.startswith("val/") and not REFERENCES.fullmatch(name))]


def read_series(folder: Path) -> dict[str, Series]:
    """What a run logged, by metric, as far as it is finite; of a step that was logged twice the last value."""
    found: dict[str, Series] = {}
    file = folder / "metrics.csv"
    if file.is_file():
        with file.open(newline="") as lines:
            for row in csv.DictReader(lines):
                if math.isfinite(value := float(row["value"])):
                    found.setdefault(row["metric"], {})[int(row["step"])] = value
    return found


def curve(series: Sequence[Series], seeds: Sequence[object]) -> Curve:
    """Mean and standard deviation over the seeds at the steps that all series have.

    Args:
        series: of one metric, one per run.
        seeds: of the runs.
    """
    steps = sorted(set.intersection(*map(set, series)))
    cells = [
        Cell(len(series), [Score(seed, (), values[step]) for seed, values in zip(seeds, series, strict=True)])
        for step in steps
    ]
    spread = [cell.sd for cell in cells]
    return steps, [cell.mean for cell in cells], None if all(map(math.isnan, spread)) else spread


def _pictures(rows: Mapping[str, Sequence[Run]]) -> list[Markup]:
    """By tag, the last picture of each row's first seed."""
    firsts = {name: min(runs, key=lambda run: str(run["config"].get("seed"))) for name, runs in rows.items()}
    files = (file for run in firsts.values() for file in sorted((run["folder"] / "images").glob("*.png")))
    tags = dict.fromkeys(match[1] for file in files if (match := re.fullmatch(r"([\w-]+)_\d+", file.stem)))
    parts = []
    for tag in tags:
        found = {name: file for name, run in firsts.items() if (file := last_image(run["folder"], tag)) is not None}
        shown = [
            _picture(file, tag, name, firsts[name]["config"].get("seed"))
            for name, file in list(found.items())[:MOST_PICTURES]
        ]
        parts += [element("h3", words(tag)), _told("", len(found), MOST_PICTURES)] if shown else []
        parts.append(element("div", *shown, class_="row"))
    return parts


def _picture(file: Path, tag: str, row: str, seed: object) -> Markup:
    try:
        image = thumbnail(read_image(file), SIDE)
    except (ValueError, DecompressionBombError) as error:
        return element("p", words(str(error)), class_="note")
    step = int(file.stem.rpartition("_")[2])
    return figure(_png(image), f"{tag} of {row}", f"{row}; seed {seed}, step {step:,}")


def _told(text: str, there: int, shown: int) -> Markup:
    """A paragraph, which says where not all rows are shown; nothing where there is nothing to say."""
    rest = f"The first {shown} of {there} rows." if there > shown else ""
    said = f"{text} {rest}".strip()
    return element("p", words(said)) if said else Markup("")
