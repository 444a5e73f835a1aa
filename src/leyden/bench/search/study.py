"""The study behind a search by Optuna: how it is opened, what became of its trials' jobs, and what it found."""

import math
from collections.abc import Sequence
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, Literal

from optuna import Study, create_study, load_study
from optuna.trial import FrozenTrial, TrialState

from leyden.bench.config.compose import ConfigError
from leyden.bench.config.instantiate import build
from leyden.bench.run.record import Record
from leyden.bench.search.pruning import DATABASE, NAME, PRUNED, storage
from leyden.bench.search.report import report
from leyden.bench.sweep.plan import Plan
from leyden.bench.sweep.ranking import standing, unranked
from leyden.bench.sweep.store import records_in
from leyden.core.files import write_whole

TRIAL = "+callbacks.pruning.trial="
"""The word by which a job knows its trial, and a trial its job."""


def open_study(folder: Path, plan: Plan, settings: dict[str, Any]) -> Study:
    """The one in the folder, or a new one, which has to know at once whether more or less is better.

    Args:
        folder: of the sweep.
        plan: its trials, from which the metric is known.
        settings: of the search; they are kept with the study.

    Raises:
        ConfigError: the folder holds a search by another metric, or the trials have not the same one.
    """
    configs = [job.composed.config for job in plan.jobs]
    metric, mode = configs[0]["sweep"]["metric"], configs[0]["sweep"]["mode"]
    asked = [metric, mode] if metric else None
    file = folder / DATABASE
    if not file.is_file():
        ranks, best = asked or _monitor(configs)

        def create(partial: Path) -> None:
            direction: Literal["minimize", "maximize"] = "minimize" if best == "min" else "maximize"
            study = create_study(study_name=NAME, storage=storage(partial), direction=direction)
            study.set_user_attr("asked", asked)
            study.set_user_attr("metric", ranks)

        write_whole(file, create)
    study = load_study(study_name=NAME, storage=storage(file))
    if study.user_attrs["asked"] != asked:
        ranks = study.user_attrs["metric"]
        raise ConfigError([f"sweep.metric: {folder} holds a search by {ranks}; choose another sweep.name"])
    study.set_user_attr("settings", settings)
    return study


def conclude(folder: Path) -> None:
    """Tells the study in a folder what is new, says and draws what it has found."""
    study = load_study(study_name=NAME, storage=storage(folder / DATABASE))
    settle(study, folder)
    report(study, folder, jobs_of(folder))


def settle(study: Study, folder: Path) -> None:
    """Tells the study what became of its trials' jobs.

    A job that was interrupted, killed or failed leaves its trial open, so that it is taken up again. Only one whose
    loss was not finite would end there again, and is a result: its trial has failed.

    Raises:
        ConfigError: a job that is done has no such metric as ``sweep.metric``.
    """
    jobs = jobs_of(folder)
    for trial in study.get_trials(states=[TrialState.RUNNING]):
        if record := jobs.get(trial.number):
            _tell(study, trial, record)


def jobs_of(folder: Path) -> dict[int, Record]:
    """The jobs of a search by the numbers of their trials."""
    found = {}
    for record in records_in(folder):
        for word in record.overrides:
            if word.startswith(TRIAL):
                found[int(word.removeprefix(TRIAL))] = record
    return found


def _monitor(configs: Sequence[dict[str, Any]]) -> tuple[str, str]:
    """The metric, and "max" or "min" of it, by which a technique chooses checkpoints; some know only when built.

    Raises:
        ConfigError: trials of several techniques that have not the same one.
    """
    kinds = [resolve_name(config["model"]["_target_"]) for config in configs]
    known = {(kind.monitor, kind.mode) for kind in kinds if isinstance(getattr(kind, "mode", None), str)}
    if not known:
        data = build(configs[0]["data"])
        data.prepare_data()
        model = build(configs[0]["model"], **data.spec)
        known = {(model.monitor, model.mode)}
    if len(known) > 1:
        names = ", ".join(sorted(metric for metric, _ in known))
        raise ConfigError([f"techniques choose checkpoints by {names}: say what they share, sweep.metric=test/..."])
    [(metric, mode)] = known
    return f"best/{metric}", mode


def _tell(study: Study, trial: FrozenTrial, record: Record) -> None:
    status, place = record.status, standing(record)
    name = f"trial {trial.number}"
    if status["status"] == "failed" and status.get("error", "").startswith(FloatingPointError.__name__):
        study.tell(trial.number, state=TrialState.FAIL)
        print(f"{name}: the loss was not finite")
    elif status["status"] != "done":
        return
    elif place.metric not in record.metrics:
        raise ConfigError([unranked([record]) or f"{record.folder} has no {place.metric}: set sweep.metric"])
    elif PRUNED in record.metrics:
        study.tell(trial.number, state=TrialState.PRUNED)
        print(f"{name}: ended early, in epoch {record.metrics[PRUNED]:.0f}")
    elif math.isfinite(place.value):
        study.tell(trial.number, place.value)
        print(f"{name}: {place.metric} {place.value:.4g}")
    else:
        study.tell(trial.number, state=TrialState.FAIL)
        print(f"{name}: {place.metric} is {place.value}")
