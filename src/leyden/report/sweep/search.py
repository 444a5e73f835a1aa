"""What a search by Optuna has found: the best trial, and charts. Imported only where Optuna is installed."""

import io
import warnings
from collections import Counter
from pathlib import Path

from optuna import Study
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.study import StudyDirection
from optuna.trial import TrialState
from torch import Tensor

from leyden.core.files import write_file
from leyden.data.source.files.pillow import to_pil_image
from leyden.report.sweep.selection import note
from leyden.visualization.charts import draw_bars
from leyden.visualization.trials import draw_history, draw_parallel

STATES = {
    TrialState.COMPLETE: "run to the end",
    TrialState.PRUNED: "ended early",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "not done",
}
IMPORTANCE_FROM = 20
"""Trials; of fewer nobody can say what the value depends on."""


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
    trials = study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])
    if not trials:
        return [], ["no charts: no trial was run to its end"]
    metric, mode = study.user_attrs["metric"], "max" if study.direction == StudyDirection.MAXIMIZE else "min"
    values = [trial.values[0] for trial in trials]
    kinds = {name: kind for trial in trials for name, kind in trial.distributions.items()}
    settings = {name: [trial.params.get(name) for trial in trials] for name in kinds}
    logarithmic = {
        name for name, kind in kinds.items() if isinstance(kind, FloatDistribution | IntDistribution) and kind.log
    }
    found = dict(zip((trial.number for trial in trials), values, strict=True))
    images = {
        "search_history.png": draw_history(found, metric, mode),
        "search_parallel.png": draw_parallel(settings, logarithmic, values, metric, mode),
    }
    left_out = _importance(study, values, images)
    for name, image in images.items():
        png = io.BytesIO()
        to_pil_image(image).save(png, "png")
        write_file(folder / name, png.getvalue())
    return [folder / name for name in images], left_out


def _importance(study: Study, values: list[float], images: dict[str, Tensor]) -> list[str]:
    """Adds the chart of what the value depends on to the images; or returns why there is none."""
    name = "search_importance.png"
    if len(values) < IMPORTANCE_FROM:
        return [f"no {name}: too few trials were run to their end, {len(values)} of the {IMPORTANCE_FROM} it takes"]
    if len(set(values)) == 1:
        return [f"no {name}: it takes two trials with different values"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        shares = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
    title = f"What {study.user_attrs['metric']} depends on, over {len(values)} trials (PED-ANOVA, Watanabe 2023)"
    images[name] = draw_bars({key: min(1.0, max(0.0, share)) for key, share in shares.items()}, "importance", title)
    return []
