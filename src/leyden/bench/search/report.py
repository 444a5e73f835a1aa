"""What a search has found: the best trial with the command that runs it again, and Optuna's charts."""

import io
import shlex
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from omegaconf import OmegaConf
from optuna import Study
from optuna.exceptions import ExperimentalWarning
from optuna.trial import TrialState
from optuna.visualization import matplotlib as charts

from leyden.bench.run.record import Record
from leyden.core.files import write_file

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
OWN = ("sweep", "callbacks.pruning")
"""Keys of overrides that a run outside the search does without."""


def report(study: Study, folder: Path, jobs: Mapping[int, Record]) -> None:
    """Prints how the search stands and writes it into the sweep's folder, as ``search.md`` and charts.

    Args:
        study: of the search.
        folder: of the sweep.
        jobs: by the numbers of their trials.
    """
    drawn, left_out = _draw(study, folder)
    text = "\n".join([*_found(study, folder, jobs), *left_out])
    write_file(folder / "search.md", f"{text}\n")
    print("\n".join([text, "search:", *(f"  {file}" for file in [folder / "search.md", *drawn])]))


def _found(study: Study, folder: Path, jobs: Mapping[int, Record]) -> list[str]:
    counts = Counter(trial.state for trial in study.get_trials(deepcopy=False))
    lines = [f"trials: {', '.join(f'{counts[state]} {name}' for state, name in STATES.items() if counts[state])}"]
    if not counts[TrialState.COMPLETE]:
        return lines
    best = study.best_trial
    lines.append(f"best: trial {best.number}, {study.user_attrs['metric']} {best.value:.4g}")
    if record := jobs.get(best.number):
        lines += [f"  {record.folder}", f"  leyden run {shlex.join(_typed(record, folder))}"]
    return lines


def _typed(record: Record, folder: Path) -> list[str]:
    """The overrides for a run that is a trial's once more."""
    hydra = OmegaConf.load(folder / "multirun.yaml").hydra.overrides.hydra
    own = [text for text in record.overrides if not f"{_key(text)}.".startswith(tuple(f"{key}." for key in OWN))]
    return [*(text for text in hydra if text.startswith("hydra.searchpath")), *own]


def _key(override: str) -> str:
    return override.lstrip("+~").partition("=")[0]


def _draw(study: Study, folder: Path) -> tuple[list[Path], list[str]]:
    """The charts' files, and why some are not there."""
    values = [trial.value for trial in study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])]
    if not values:
        return [], ["no charts: no trial was run to its end"]
    wanted = dict(CHARTS)
    left_out = []
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
