"""The study of a search: how it is opened, what it is told of its trials' jobs, and what it has found."""

import math
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import Literal

from optuna import Study, create_study, load_study
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from leyden.bench.config.compose import ConfigError
from leyden.bench.config.instantiate import build
from leyden.bench.run.record import Record
from leyden.bench.sweep.ranking import result_of, unranked
from leyden.bench.sweep.store import DATABASE, Jobs, records_in
from leyden.core.files import write_file, write_whole
from leyden.core.seeding import mix
from leyden.core.sweep.pruning import PRUNED, open_storage
from leyden.core.text.shell import command
from leyden.report.sweep.search import draw, summary

NAME = "search"
"""Of the one study in a database."""


@dataclass(frozen=True)
class Settings:
    """Those of ``conf/hydra/sweeper/optuna.yaml``, explained there."""

    trials: int
    sampler: Literal["tpe", "random"]
    startup: int
    seed: int | None
    pruner: Literal["median", "halving", "none"]
    warmup_trials: int
    warmup: int

    def __post_init__(self) -> None:
        """Raises ConfigError where a number is too small."""
        least = {"trials": 1, "startup": 0, "warmup_trials": 0, "warmup": 0}
        given = asdict(self)
        if wrong := [name for name in least if given[name] < least[name]]:
            raise ConfigError(f"hydra.sweeper.{n}: should be at least {least[n]}, is {given[n]}" for n in wrong)


def study_in(folder: Path) -> Study:
    """The study of a sweep's folder."""
    return load_study(study_name=NAME, storage=open_storage(folder / DATABASE))


def open_study(jobs: Jobs, settings: Settings) -> Study:
    """The study in a sweep's folder, or a new one by the metric of ``jobs``, some of its trials.

    Raises:
        ConfigError: the folder holds a search by another metric, or the trials have not the same one.
    """
    folder, sweep = jobs.folder, jobs.configs[0]["sweep"]
    asked = [sweep["metric"], sweep["mode"]] if sweep["metric"] else None
    file = folder / DATABASE
    if not file.is_file():
        metric, mode = asked or _monitor(jobs)

        def create(partial: Path) -> None:
            direction: Literal["minimize", "maximize"] = "minimize" if mode == "min" else "maximize"
            study = create_study(study_name=NAME, storage=open_storage(partial), direction=direction)
            study.set_user_attr("asked", asked)
            study.set_user_attr("metric", metric)

        write_whole(file, create)
    study = study_in(folder)
    if study.user_attrs["asked"] != asked:
        metric = study.user_attrs["metric"]
        raise ConfigError([f"sweep.metric: {folder} holds a search by {metric}; choose another sweep.name"])
    study.set_user_attr("settings", asdict(settings))
    return study


def sampler(settings: Settings, number: int) -> BaseSampler:
    """What chooses the trial of that number; its seed is the trial's own, so that going on does not begin it anew."""
    seed = None if settings.seed is None else mix(settings.seed, number) % 2**32
    if settings.sampler == "random":
        return RandomSampler(seed)
    return TPESampler(n_startup_trials=settings.startup, seed=seed)


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


def conclude(folder: Path) -> None:
    """Tells the study in a folder what is new; prints and draws what it has found, also as ``search.md``."""
    study = study_in(folder)
    settle(study, folder)
    lines, jobs = summary(study), jobs_of(folder)
    if study.get_trials(states=[TrialState.COMPLETE]) and (record := jobs.get(study.best_trial.number)):
        again = [text for text in record.overrides if not re.match(r"[+~]*(sweep|callbacks\.pruning)[.=]", text)]
        lines += [f"  {record.folder}", f"  {command('run', *again)}"]
    charts, left_out = draw(study, folder)
    text = "\n".join([*lines, *left_out])
    write_file(folder / "search.md", f"{text}\n")
    print(text, "search:", *(f"  {file}" for file in [folder / "search.md", *charts]), sep="\n")


def jobs_of(folder: Path) -> dict[int, Record]:
    """The jobs of a search by the numbers of their trials."""
    callbacks = [(record.config["callbacks"] or {}, record) for record in records_in(folder)]
    return {own["pruning"]["trial"]: record for own, record in callbacks if "pruning" in own}


def _monitor(jobs: Jobs) -> tuple[str, str]:
    """The metric, and "max" or "min" of it, by which a technique chooses checkpoints; some know only when built.

    Raises:
        ConfigError: trials of several techniques that have not the same one.
    """
    kinds = [vars(resolve_name(config["model"]["_target_"])) for config in jobs.configs]
    known = jobs.monitors or {(kind["monitor"], kind["mode"]) for kind in kinds if {"monitor", "mode"} <= kind.keys()}
    if not known:
        first = jobs.composed[0]
        data = build(first.config["data"], first.allow)
        data.prepare_data()
        model = build(first.config["model"], first.allow, **data.spec)
        known = {(model.monitor, model.mode)}
    if len(known) > 1:
        names = ", ".join(sorted(metric for metric, _ in known))
        raise ConfigError([f"techniques choose checkpoints by {names}: name what they share, sweep.metric=val/..."])
    [(metric, mode)] = known
    return f"best/{metric}", mode


def _tell(study: Study, trial: FrozenTrial, record: Record) -> None:
    status, result = record.status, result_of(record)
    name = f"trial {trial.number}"
    if status["status"] == "failed" and status.get("error", "").startswith(FloatingPointError.__name__):
        study.tell(trial.number, state=TrialState.FAIL)
        print(f"{name}: the loss was not finite")
    elif status["status"] != "done":
        return
    elif result.metric not in record.metrics:
        raise ConfigError([unranked([record]) or f"{record.folder} has no {result.metric}: set sweep.metric"])
    elif PRUNED in record.metrics:
        study.tell(trial.number, state=TrialState.PRUNED)
        print(f"{name}: ended early, in epoch {record.metrics[PRUNED]:.0f}")
    elif math.isfinite(result.value):
        study.tell(trial.number, result.value)
        print(f"{name}: {result.metric} {result.value:.4g}")
    else:
        study.tell(trial.number, state=TrialState.FAIL)
        print(f"{name}: {result.metric} is {result.value}")
