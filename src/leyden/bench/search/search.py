"""A search by Optuna: it is asked what to try, the sweep's launcher runs that, and it is told what came out.

Everything is in ``search.db`` in the sweep's folder before the launcher gets it. A trial is Optuna's until it is told;
its job is the record that was made for its number. So whatever ends the search at whatever moment, the same command
finds each trial where it was: told, run but not told, stored, or only asked for.
"""

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, OmegaConf
from optuna import Study
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from leyden.bench.config.compose import Composed, ConfigError
from leyden.bench.config.validate import check
from leyden.bench.search.space import Space, space, typed
from leyden.bench.search.study import TRIAL, conclude, jobs_of, open_study, settle
from leyden.bench.sweep.plan import Plan
from leyden.bench.sweep.resources import share
from leyden.bench.sweep.store import ASIDE
from leyden.core.seeding import mix

CALLBACK = "leyden.bench.search.pruning.Pruning"
Launch = Callable[..., Any]


@dataclass(frozen=True)
class Settings:
    """What ``conf/hydra/sweeper/optuna.yaml`` says."""

    trials: int
    sampler: Literal["tpe", "random"]
    startup: int
    seed: int | None
    pruner: Literal["median", "halving", "none"]
    warmup_trials: int
    warmup: int


def search(
    launch: Launch, loader: ConfigLoader, master: DictConfig, words: Sequence[str], settings: dict[str, Any]
) -> None:
    """Searches until there are as many trials as asked for, from the start or from where the search was stopped.

    Args:
        launch: the launcher's, for a batch of jobs.
        loader: Hydra's.
        master: the config of the sweep itself.
        words: of all trials, and what is searched.
        settings: see ``Settings``.

    Raises:
        ConfigError: what is wrong with words, settings, or the trials that they would make; nothing is stored or run.
            Or the folder holds a search for something else.
        StoppedError: a job failed and ``sweep.fail_fast`` is set.
        RecordError: one of the jobs is running already.
    """
    chosen = _checked(settings)
    room = space(words, loader)
    plan = Plan(loader, master, room.ends())
    plan.check()
    folder = Path(OmegaConf.select(master, "hydra.sweep.dir"))
    study = open_study(folder, plan, settings)
    searcher = _Search(study, room, chosen, folder)
    searcher.refuse_other_settings(loader, master)
    OmegaConf.save(master, folder / "multirun.yaml")  # by which `leyden resume` knows a sweep
    print("searching", *room.words, sep="\n  ", flush=True)
    configs = [plan.jobs[0].composed.config] * chosen.trials
    division = share(configs, master.sweep.jobs)
    with _threads(division.threads):
        searcher.run(launch, division.jobs)
    conclude(folder)


class _Search:
    """One search at work.

    Args:
        study: what has been tried so far.
        room: what may be tried.
        settings: how.
        folder: of the sweep.
    """

    def __init__(self, study: Study, room: Space, settings: Settings, folder: Path) -> None:
        self._study, self._room, self._settings, self._folder = study, room, settings, folder

    def refuse_other_settings(self, loader: ConfigLoader, master: DictConfig) -> None:
        """Raises ConfigError where trials of today would not be comparable with those that are stored."""
        trials = self._study.get_trials(deepcopy=False)
        before = {key: kind for trial in trials for key, kind in trial.distributions.items()}
        self._room.refuse_to_replace(before)
        jobs = jobs_of(self._folder)
        for trial in trials[::-1]:
            if record := jobs.get(trial.number):
                [job] = Plan(loader, master, [self._words(trial)]).jobs
                if wrong := _differences(record.config, job.composed.config):
                    raise ConfigError(
                        [
                            *wrong,
                            f"so trials would not be comparable with those in {self._folder}: "
                            "choose another sweep.name",
                        ]
                    )
                return

    def run(self, launch: Launch, at_a_time: int) -> None:
        """Takes up what is open, then asks for what is new."""
        settle(self._study, self._folder)
        waiting = self._open()
        while batch := self._next(waiting, at_a_time):
            try:
                launch([self._words(trial) for trial in batch], initial_job_idx=batch[0].number)
            finally:
                settle(self._study, self._folder)

    def _open(self) -> list[FrozenTrial]:
        """Trials without an end; those that were asked for when the search was killed have no words yet, and end."""
        waiting = []
        for trial in self._study.get_trials(states=[TrialState.RUNNING]):
            if "words" in trial.user_attrs:
                waiting.append(trial)
            else:
                self._study.tell(trial.number, state=TrialState.FAIL)
        return waiting

    def _next(self, waiting: list[FrozenTrial], at_a_time: int) -> list[FrozenTrial]:
        """The next trials to be run; those that are ``waiting`` are taken from there."""
        batch = waiting[:at_a_time]
        del waiting[:at_a_time]
        while len(batch) < at_a_time and (trial := self._ask()):
            batch.append(trial)
        return batch

    def _ask(self) -> FrozenTrial | None:
        """A new trial; None where there are enough. What was tried before needs no run to be known."""
        while True:
            known = self._study.get_trials(deepcopy=False)
            if sum("words" in trial.user_attrs for trial in known) >= self._settings.trials:
                return None
            self._study.sampler = sampler(self._settings, len(known))
            trial = self._study.ask(self._room.searched)
            trial.set_user_attr("words", typed(trial.params))
            ended = (TrialState.COMPLETE, TrialState.PRUNED)
            same = next((t for t in known if t.params == trial.params and t.state in ended), None)
            if same is None:
                return self._study.trials[trial.number]
            if same.state == TrialState.PRUNED:
                self._study.tell(trial, state=TrialState.PRUNED)
            else:
                self._study.tell(trial, same.value)
            print(f"trial {trial.number}: the same as trial {same.number}")

    def _words(self, trial: FrozenTrial) -> list[str]:
        marks = [f"+callbacks.pruning._target_={CALLBACK}", f"{TRIAL}{trial.number}"]
        return [*self._room.fixed, *trial.user_attrs["words"], *marks]


def sampler(settings: Settings, number: int) -> BaseSampler:
    """What chooses the trial of that number; its seed is the trial's own, so that going on does not begin it anew."""
    seed = None if settings.seed is None else mix(settings.seed, number) % 2**32
    if settings.sampler == "random":
        return RandomSampler(seed)
    return TPESampler(n_startup_trials=settings.startup, seed=seed)


def _checked(settings: dict[str, Any]) -> Settings:
    node = {"_target_": f"{__name__}.{Settings.__name__}", **settings}
    wrong = check(Composed({"hydra": {"sweeper": node}}, {}, []))
    least = {"trials": 1, "startup": 0, "warmup_trials": 0, "warmup": 0}
    if not wrong:
        wrong = [
            f"hydra.sweeper.{k}: should be at least {n}, is {settings[k]}" for k, n in least.items() if settings[k] < n
        ]
    if wrong:
        raise ConfigError(wrong)
    return Settings(**settings)


def _differences(then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """The keys in which two configs would not learn the same, with both values."""
    old, new = (dict(_flat({**config, "lab": config["lab"]["name"]})) for config in (then, now))
    keys = [key for key in {**old, **new} if key.split(".")[0] not in ASIDE]
    return [f"{key}: was {old.get(key)}, is {new.get(key)}" for key in keys if old.get(key) != new.get(key)]


def _flat(node: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict) and node:
        for name, value in node.items():
            yield from _flat(value, f"{key}.{name}".lstrip("."))
    else:
        yield key, node


@contextlib.contextmanager
def _threads(number: int) -> Iterator[None]:
    """The threads of every job, also in a batch that leaves cores idle: last bits depend on them."""
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = str(number)
    try:
        yield
    finally:
        os.environ.pop("OMP_NUM_THREADS") if before is None else os.environ.update(OMP_NUM_THREADS=before)
