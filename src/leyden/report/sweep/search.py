"""What a search by Optuna has found: the best trial, and Optuna's charts. Imported only where Optuna is installed."""

import io
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from optuna import Study
from optuna.exceptions import ExperimentalWarning
from optuna.trial import TrialState
from optuna.visualization import matplotlib as charts

from leyden.core.files import write_file
from leyden.report.sweep.selection import note

STATES = {
    TrialState.COMPLETE: "run to the end",
    TrialState.PRUNED: "ended early",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "not done",
}
CHARTS: dict[str, tuple[Callable[..., Any], str]] = {
    "search_history.png": (charts.plot_optimization_history, "Trials that were run to their end"),
    "search_parallel.png": (charts.plot_parallel_coordinate, "A line for each trial: its values, what it reached"),
    "search_importance.png": (charts.plot_param_importances, "What the value depends on (PED-ANOVA, Watanabe 2023)"),
}


def summary(study: Study) -> list[str]:
    """How many trials ended in which way, and the best of them."""
    counts = Counter(trial.state for trial in study.get_trials(deepcopy=False))
    lines = [f"trials: {', '.join(f'{counts[state]} {name}' for state, name in STATES.items() if counts[state])}"]
    if counts[TrialState.COMPLETE]:
        best = study.best_trial
        lines.append(f"best: trial {best.number}, {study.user_attrs['metric']} {best.value:.4g}")
    mark = note([study.user_attrs["metric"]])
    return [*lines, mark] if mark else lines


def draw(study: Study, folder: Path) -> tuple[list[Path], list[str]]:
    """Writes the charts that the trials are enough for.

    Args:
        study: its user attribute ``metric`` names the value.
        folder: for the charts.

    Returns:
        their files, and why some are not there.
    """
    values = [trial.value for trial in study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])]
    if not values:
        return [], ["no charts: no trial was run to its end"]
    wanted, left_out = dict(CHARTS), []
    if len(set(values)) == 1:
        del wanted["search_importance.png"]
        left_out.append("no search_importance.png: it takes two trials with different values")
    with warnings.catch_warnings(), plt.rc_context({"figure.figsize": (10, 5), "backend": "agg"}):
        for kind in (ExperimentalWarning, UserWarning):  # of Optuna's charts, and that few trials say little
            warnings.simplefilter("ignore", kind)
        for name, (chart, title) in wanted.items():
            axes = chart(study, target_name=study.user_attrs["metric"])
            axes.set_title(title, y=1.03)
            figure = axes.get_figure(root=True)
            png = io.BytesIO()
            figure.savefig(png, format="png", dpi=120, bbox_inches="tight")
            plt.close(figure)
            write_file(folder / name, png.getvalue())
    return [folder / name for name in wanted], left_out
