"""``compare.html``: of each comparison the table, a chart per metric, curves over the steps, images side by side.

The page stands alone: images are part of it, nothing is loaded, nothing runs, all text is escaped.
Imports no torch.
"""

import base64
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure as Chart
from PIL import Image

from leyden.report.compare import Comparison
from leyden.report.directions import BASELINE, arrow
from leyden.report.record_images import last_image
from leyden.report.runs import Run
from leyden.report.sections import Sections
from leyden.visualization.charts import Curve, curves_figure, spreads_figure
from leyden.visualization.figure import pixels

MAX_CURVES, MAX_IMAGES = 10, 24
"""Rows in a chart of curves, and images of one tag; of more rows the first are shown, and the page says so."""
SIDE = 620
"""Pixels that the longest side of a tag's images is fitted to, two beside one another; all are shown to one scale."""
POINTS = 60
"""Of a training's curve; of more steps the means of blocks are drawn, for single batches are noise."""


class Figure(NamedTuple):
    """An image of the page, or why it cannot be shown."""

    png: str = ""
    """In base64."""
    alt: str = ""
    """What it shows, for those who cannot see it."""
    caption: str = ""
    error: str = ""


class Section(NamedTuple):
    """What the page shows of one comparison."""

    title: str
    question: str
    comparison: Comparison
    records: list[list[str]]
    spreads: list[Figure]
    curves: list[Figure]
    curves_left_out: str
    images: list[tuple[str, str, list[Figure]]]


def draw_page(sections: Sections) -> str:
    """The page as text.

    Args:
        sections: their runs' folders may hold ``metrics.csv`` and ``images/<tag>_<step>.png``.
    """
    environment = Environment(loader=PackageLoader("leyden", "report"), autoescape=True, undefined=StrictUndefined)
    return environment.get_template("compare.html.j2").render(
        title=sections.title.removeprefix("# ").partition("\n\n")[0],
        left_out=sections.left_out,
        sections=[_section(comparison) for comparison in sections.parts],
    )


def _section(comparison: Comparison) -> Section:
    title, _, question = comparison.title.removeprefix("# ").partition("\n\n")
    charts = []
    for metric, scores in comparison.scores.items():
        found = scores.dropna(subset="score").groupby([0, "seed"], sort=False)["score"].mean()
        values = {name: found[found.index.get_level_values(0) == name].tolist() for name in comparison.rows}
        if sum(map(len, values.values())) > 1:  # one dot alone says less than the table
            charts.append(_chart(spreads_figure(values, arrow(metric)), f"{metric} of each row"))
    rows = comparison.rows.items()
    records = [[name, str(run["config"].get("seed")), str(run["folder"])] for name, runs in rows for run in runs]
    left_out = _left_out(len(rows), MAX_CURVES)
    return Section(
        title, question, comparison, records, charts, _curves(comparison), left_out, _images(comparison.rows)
    )


def read_series(folder: Path) -> pd.DataFrame:
    """What a run logged: a row per optimizer step, a column per metric; of a step logged twice the last value."""
    file = folder / "metrics.csv"
    if not file.is_file():
        return pd.DataFrame(index=pd.Index([], name="step"))
    logged = pd.read_csv(file)
    logged = logged[logged["value"].abs() < float("inf")].drop_duplicates(["step", "metric"], keep="last")
    order = logged["metric"].unique()
    return logged.pivot(index="step", columns="metric", values="value")[order]


def curve(series: Sequence[pd.Series], seeds: Sequence[object]) -> Curve:
    """Mean and standard deviation over the seeds at the steps that all series have.

    Args:
        series: of one metric, values by step, one per run.
        seeds: of the runs.
    """
    values = pd.concat(series, axis=1, join="inner", keys=range(len(series))).dropna().sort_index().T
    by_seed = values.groupby([repr(seed) for seed in seeds]).mean()
    spread = by_seed.std()
    return by_seed.columns.tolist(), by_seed.mean().tolist(), None if spread.isna().all() else spread.tolist()


def in_blocks(series: pd.Series) -> pd.Series:
    """The means of as many blocks of steps as can be drawn, each at its last step; a short series as it is."""
    series = series.dropna()
    size = -(-len(series) // POINTS)
    if size < 2:
        return series
    blocks = np.arange(len(series)) // size
    return pd.Series(series.groupby(blocks).mean().values, series.index.to_series().groupby(blocks).last().values)


def _curves(comparison: Comparison) -> list[Figure]:
    """A chart per metric that was logged over the steps; that of the training beside that of the validation."""
    rows = dict(list(comparison.rows.items())[:MAX_CURVES])
    logged = {name: [read_series(run["folder"]) for run in runs] for name, runs in rows.items()}
    seeds = {name: [run["config"].get("seed") for run in runs] for name, runs in rows.items()}
    charts = []
    for metric in _over_steps(comparison, [series for own in logged.values() for series in own]):
        curves = {
            name: curve([in_blocks(series.get(metric, pd.Series(dtype=float))) for series in own], seeds[name])
            for name, own in logged.items()
        }
        if any(positions for positions, _, _ in curves.values()):
            chart = curves_figure(curves, "optimizer steps", arrow(metric), metric)
            charts.append(_chart(chart, f"{metric} over the optimizer steps"))
    return charts


def _over_steps(comparison: Comparison, logged: Sequence[pd.DataFrame]) -> list[str]:
    """Those of training and validation, one beside the other; of the metrics that were asked for, where some were."""
    names = list(dict.fromkeys(name for series in logged for name in series if series[name].count() > 1))
    if comparison.asked:
        wanted = {re.sub("^(test|best/val)/", "", metric) for metric in comparison.asked}
        names = [name for name in names if name in wanted or re.sub("^(train|val)/", "", name) in wanted]
    elif not comparison.every:
        names = [name for name in names if name.startswith(("train/", "val/")) and not BASELINE.fullmatch(name)]
    ends = [name.partition("/")[2] for name in names]
    paired = [name for name, end in zip(names, ends, strict=True) if ends.count(end) > 1]
    alone = [name for name in names if name not in paired]
    return sorted(paired, key=lambda name: (ends.index(name.partition("/")[2]), name)) + alone


def _images(rows: Mapping[str, Sequence[Run]]) -> list[tuple[str, str, list[Figure]]]:
    """By tag, the last image of each row's first seed, and how many rows are left out."""
    firsts = {name: min(runs, key=lambda run: str(run["config"].get("seed"))) for name, runs in rows.items()}
    files = (file for run in firsts.values() for file in sorted((run["folder"] / "images").glob("*.png")))
    tags = dict.fromkeys(match[1] for file in files if (match := re.fullmatch(r"([\w-]+)_\d+", file.stem)))
    parts = []
    for tag in tags:
        found = {name: file for name, run in firsts.items() if (file := last_image(run["folder"], tag)) is not None}
        seeds = {name: firsts[name]["config"].get("seed") for name in found}
        shown = _to_one_scale(dict(list(found.items())[:MAX_IMAGES]), tag, seeds)
        parts.append((tag, _left_out(len(found), MAX_IMAGES), shown))
    return parts


def _to_one_scale(files: Mapping[str, Path], tag: str, seeds: Mapping[str, Any]) -> list[Figure]:
    """A tag's images by row, all enlarged or shrunk by one factor, so that they compare at a glance."""
    images: dict[str, Image.Image | str] = {}
    for name, file in files.items():
        try:
            with Image.open(file) as image:
                images[name] = image.convert("RGB")
        except Exception as error:  # of damaged files Pillow raises anything
            images[name] = f"{file}: this image cannot be read ({error})"
    longest = max((max(image.size) for image in images.values() if isinstance(image, Image.Image)), default=SIDE)
    factor = SIDE // longest or SIDE / longest  # whole pixels stay sharp
    figures = []
    for name, found in images.items():
        if isinstance(found, str):
            figures.append(Figure(error=found))
            continue
        step = int(files[name].stem.rpartition("_")[2])
        width, height = (max(1, round(factor * side)) for side in found.size)
        shown = found.resize((width, height), Image.Resampling.NEAREST if factor >= 1 else Image.Resampling.BICUBIC)
        figures.append(_figure(shown, f"{tag} of {name}", f"{name}; seed {seeds[name]}, step {step:,}"))
    return figures


def _chart(drawn: Chart, alt: str) -> Figure:
    return _figure(Image.fromarray(pixels(drawn)), alt)


def _figure(image: Image.Image, alt: str, caption: str = "") -> Figure:
    content = io.BytesIO()
    image.save(content, "png")
    return Figure(base64.b64encode(content.getvalue()).decode(), alt, caption)


def _left_out(there: int, shown: int) -> str:
    """Empty where all rows are shown."""
    return f"The first {shown} of {there} rows." if there > shown else ""
