"""``compare.html``: a comparison's table, a chart per metric, curves over the steps, images side by side.

The page stands alone: images are part of it, nothing is loaded, nothing runs, all text is escaped.
"""

import base64
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from torch import Tensor
from torchvision.transforms.v2.functional import to_pil_image

from leyden.data.source.files.decoder import read_image
from leyden.report.compare import REFERENCES, Comparison
from leyden.report.runs import Run
from leyden.report.variants import last_image
from leyden.visualization.charts import Curve, draw_curves, draw_spreads
from leyden.visualization.labelled import thumbnail

MAX_CURVES, MAX_IMAGES = 10, 24
"""Rows in a chart of curves, and images of one tag; of more rows the first are shown, and the page says so."""
SIDE = 480
"""Pixels that the longer side of an image is fitted to."""


class Figure(NamedTuple):
    """An image of the page, or why it cannot be shown."""

    png: str = ""
    """In base64."""
    alt: str = ""
    """What it shows, for those who cannot see it."""
    caption: str = ""
    error: str = ""


def draw_page(comparison: Comparison) -> str:
    """The page as text.

    Args:
        comparison: its runs' folders may hold ``metrics.csv`` and ``images/<tag>_<step>.png``.
    """
    title, _, question = comparison.title.removeprefix("# ").partition("\n\n")
    spreads = {}
    for metric, scores in comparison.scores.items():
        values = scores.dropna(subset="score").groupby([0, "seed"], sort=False)["score"].mean()
        spreads[metric] = {name: values[values.index.get_level_values(0) == name].tolist() for name in comparison.rows}
    environment = Environment(loader=PackageLoader("leyden", "report"), autoescape=True, undefined=StrictUndefined)
    return environment.get_template("compare.html.j2").render(
        comparison=comparison,
        title=title,
        question=question,
        notes=[*comparison.notes, *comparison.left_out],
        companions=comparison.companions(),
        records=[
            [name, str(run["config"].get("seed")), str(run["folder"])]
            for name, runs in comparison.rows.items()
            for run in runs
        ],
        spreads=[
            _figure(draw_spreads(values, metric), f"{metric} of each row")
            for metric, values in spreads.items()
            if any(values.values())
        ],
        curves=_curves(comparison),
        curves_left_out=_left_out(len(comparison.rows), MAX_CURVES),
        images=_images(comparison.rows),
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


def _curves(comparison: Comparison) -> list[Figure]:
    """A chart per metric that was logged over the steps."""
    rows = dict(list(comparison.rows.items())[:MAX_CURVES])
    logged = {name: [read_series(run["folder"]) for run in runs] for name, runs in rows.items()}
    seeds = {name: [run["config"].get("seed") for run in runs] for name, runs in rows.items()}
    charts = []
    for metric in _over_steps(comparison, [series for own in logged.values() for series in own]):
        curves = {
            name: curve([series.get(metric, pd.Series(dtype=float)) for series in own], seeds[name])
            for name, own in logged.items()
        }
        if any(positions for positions, _, _ in curves.values()):
            charts.append(_figure(draw_curves(curves, "optimizer steps", metric), f"{metric} over the optimizer steps"))
    return charts


def _over_steps(comparison: Comparison, logged: Sequence[pd.DataFrame]) -> list[str]:
    """Validation's counterparts of the metrics that were named, else all of validation, and all at all if asked for."""
    names = list(dict.fromkeys(name for series in logged for name in series if series[name].count() > 1))
    if comparison.asked:
        wanted = {re.sub("^(test|best/val)/", "val/", metric) for metric in comparison.asked}
        return [name for name in names if name in wanted]
    return [name for name in names if comparison.every or (name.startswith("val/") and not REFERENCES.fullmatch(name))]


def _images(rows: Mapping[str, Sequence[Run]]) -> list[tuple[str, str, list[Figure]]]:
    """By tag, the last image of each row's first seed, and how many rows are left out."""
    firsts = {name: min(runs, key=lambda run: str(run["config"].get("seed"))) for name, runs in rows.items()}
    files = (file for run in firsts.values() for file in sorted((run["folder"] / "images").glob("*.png")))
    tags = dict.fromkeys(match[1] for file in files if (match := re.fullmatch(r"([\w-]+)_\d+", file.stem)))
    parts = []
    for tag in tags:
        found = {name: file for name, run in firsts.items() if (file := last_image(run["folder"], tag)) is not None}
        shown = [
            _image(file, tag, name, firsts[name]["config"].get("seed"))
            for name, file in list(found.items())[:MAX_IMAGES]
        ]
        parts.append((tag, _left_out(len(found), MAX_IMAGES), shown))
    return parts


def _image(file: Path, tag: str, row: str, seed: Any) -> Figure:
    try:
        image = thumbnail(read_image(file), SIDE)
    except ValueError as error:
        return Figure(error=str(error))
    step = int(file.stem.rpartition("_")[2])
    return _figure(image, f"{tag} of {row}", f"{row}; seed {seed}, step {step:,}")


def _figure(image: Tensor, alt: str, caption: str = "") -> Figure:
    content = io.BytesIO()
    to_pil_image(image).save(content, "png")
    return Figure(base64.b64encode(content.getvalue()).decode(), alt, caption)


def _left_out(there: int, shown: int) -> str:
    """Empty where all rows are shown."""
    return f"The first {shown} of {there} rows." if there > shown else ""
