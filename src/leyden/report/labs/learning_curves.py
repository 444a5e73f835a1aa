"""``images/learning_curves.png``: the losses of a run beside its score, from ``metrics.csv``."""

import io
import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from torch import Tensor

from leyden.core.files import write_file
from leyden.data.source.files.pillow import to_pil_image
from leyden.report.page import read_series
from leyden.report.record_images import LEARNING_CURVES
from leyden.visualization.curve_panels import Panel, draw_curve_panels

LOSS = re.compile(r"(train|val)/((?:.+_)?loss(?:_.+)?)")
"""Names of losses: ``train/loss``, ``train/loss_generator``, ``train/domain_loss``, ``val/loss``."""
SPLITS = {"train": "training", "val": "validation"}
BETTER = {"max": "higher is better", "min": "lower is better"}


def write_learning_curves(folder: Path, monitor: Mapping[str, str], title: str) -> Path | None:
    """Draws what a record logged into its ``images/``; its path, or None where nothing was logged.

    Args:
        folder: of the record.
        monitor: the metric that chose the best checkpoint, and "max" or "min": ``{"metric": ..., "mode": ...}``.
        title: above the chart.
    """
    image = draw_learning_curves(read_series(folder), monitor, title)
    if image is None:
        return None
    content = io.BytesIO()
    to_pil_image(image).save(content, "png")
    (folder / LEARNING_CURVES).parent.mkdir(exist_ok=True)
    write_file(folder / LEARNING_CURVES, content.getvalue())
    return folder / LEARNING_CURVES


def draw_learning_curves(series: pd.DataFrame, monitor: Mapping[str, str], title: str) -> Tensor | None:
    """The losses in one panel, in another the score by which the best checkpoint was chosen, with that one's marked.

    Args:
        series: a row per optimizer step, a column per metric, as ``read_series`` gives it.
        monitor: as for ``write_learning_curves``.
        title: above both.

    Returns:
        uint8 (3, 600, 640 or 1280); None where there is neither a loss nor a score.
    """
    losses = {name: match for name in series if (match := LOSS.fullmatch(str(name)))}
    stage, _, score = monitor["metric"].partition("/")
    scores = [name for name in (f"train/{score}", f"{stage}/{score}") if name in series and name not in losses]
    panels = []
    if losses:
        parts = any(match[2] != "loss" for match in losses.values())
        curves = {_name_of_loss(match, parts): _points(series[name]) for name, match in losses.items()}
        panels.append(Panel("loss", curves))
    if scores:
        curves = {SPLITS.get(str(name).partition("/")[0], str(name)): _points(series[name]) for name in scores}
        panels.append(Panel(f"{score} ({BETTER[monitor['mode']]})", curves, _marked(series, monitor)))
    return draw_curve_panels(panels, "optimizer steps", title) if panels else None


def _name_of_loss(match: re.Match[str], parts: bool) -> str:
    """``generator``, ``domain``, ``sum``; of a loss without parts the split."""
    split, name = match.groups()
    part = re.sub(r"^loss_|_loss$", "", name)
    if name == "loss":
        part = "sum" if parts else ""
    return " ".join(filter(None, [part.replace("_", " "), SPLITS[split] if split == "val" or not part else ""]))


def _marked(series: pd.DataFrame, monitor: Mapping[str, str]) -> dict[str, tuple[float, float]]:
    """The best checkpoint's score, and that of the test, at its step."""
    metric = monitor["metric"]
    if metric not in series:
        return {}
    known = series[metric].dropna()
    step = known.idxmax() if monitor["mode"] == "max" else known.idxmin()
    marked = {f"best validation: {known[step]:.3g}": (float(step), float(known[step]))}
    test = f"test/{metric.partition('/')[2]}"
    if test in series and len(tested := series[test].dropna()):
        marked[f"test: {tested.iloc[-1]:.3g}"] = (float(step), float(tested.iloc[-1]))
    return marked


def _points(column: pd.Series) -> tuple[list[float], list[float]]:
    known = column.dropna()
    return known.index.tolist(), known.tolist()
