"""A search by Optuna: it is asked what to try, the sweep's launcher runs that, and it is told what came out.

Everything is in ``search.db`` in the sweep's folder before the launcher gets it. A trial is Optuna's until it is told;
its job is the record that was made for its number. So whatever ends the search at whatever moment, the same command
finds each trial where it was: told, run but not told, stored, or only asked for.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, OmegaConf
from optuna import Study
from optuna.trial import FrozenTrial, TrialState

from leyden.bench.config.compose import Composed, ConfigError
from leyden.bench.config.validate import check
from leyden.bench.config.variants import quoted
from leyden.bench.search.report import report
from leyden.bench.search.space import Space, space, typed
from leyden.bench.search.study import NAME, Settings, jobs_of, open_study, sampler, settle, study_in
from leyden.bench.sweep.resources import divide
from leyden.bench.sweep.store import ASIDE, DATABASE, PRUNING, Jobs

Launch = Callable[..., Any]


def search(
    launch: Launch, loader: ConfigLoader | None, master: DictConfig, overrides: Sequence[str], settings: dict[str, Any]
) -> None:
    """Searches until there are as many trials as asked for, from the start or from where the search was stopped.

    Args:
        launch: a launcher's, for a batch of jobs.
        loader: Hydra's, which knows what globs match.
        master: the config of the sweep itself.
        overrides: of all trials, and what is searched.
        settings: see ``Settings``.

    Raises:
        ConfigError: what is wrong with overrides, settings, or the trials that they would make; nothing is stored or
            run. Or the folder holds a search for something else.
        StoppedError: a job failed and ``sweep.fail_fast`` is set.
        RecordError: one of the jobs is running already.
    """
    chosen = _checked(settings)
    room = space(overrides, loader)
    jobs = Jobs(master, room.ends())
    jobs.check()
    study = open_study(jobs.folder, jobs.composed, chosen)
    searching = _Search(study, room, chosen, jobs.folder)
    searching.refuse_other_settings(master)
    OmegaConf.save(master, jobs.folder / "multirun.yaml")  # by which `leyden resume` knows a sweep
    print("searching", *room.overrides, sep="\n  ", flush=True)
    searching.run(launch, divide(jobs.configs[:1] * chosen.trials, master.sweep.jobs).jobs)
    conclude(jobs.folder)


def conclude(folder: Path) -> None:
    """Tells the study in a folder what is new, says and draws what it has found."""
    study = study_in(folder)
    settle(study, folder)
    report(study, folder, jobs_of(folder))


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

    def refuse_other_settings(self, master: DictConfig) -> None:
        """Raises ConfigError where trials of today would not be comparable with those that are stored."""
        trials = self._study.get_trials(deepcopy=False)
        self._room.refuse_to_replace({key: kind for trial in trials for key, kind in trial.distributions.items()})
        jobs = jobs_of(self._folder)
        newest = next((trial for trial in trials[::-1] if trial.number in jobs), None)
        if newest is None:
            return
        [now] = Jobs(master, [self._overrides(newest)]).configs
        if wrong := _differences(jobs[newest.number].config, now):
            cure = f"so trials would not be comparable with those in {self._folder}: choose another sweep.name"
            raise ConfigError([*wrong, cure])

    def run(self, launch: Launch, at_a_time: int) -> None:
        """Takes up what is open, then asks for what is new."""
        settle(self._study, self._folder)
        waiting = self._open()
        while batch := self._next(waiting, at_a_time):
            try:
                # Also a batch that leaves cores idle has the threads of the others: last bits depend on them.
                launch([self._overrides(trial) for trial in batch], batch[0].number, among=at_a_time)
            finally:
                settle(self._study, self._folder)

    def _open(self) -> list[FrozenTrial]:
        """Trials without an end; those asked for when the search was killed have no overrides yet, and end."""
        waiting = []
        for trial in self._study.get_trials(states=[TrialState.RUNNING]):
            if "overrides" in trial.user_attrs:
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
            if sum("overrides" in trial.user_attrs for trial in known) >= self._settings.trials:
                return None
            self._study.sampler = sampler(self._settings, len(known))
            trial = self._study.ask(self._room.searched)
            trial.set_user_attr("overrides", typed(trial.params))
            ended = (TrialState.COMPLETE, TrialState.PRUNED)
            same = next((t for t in known if t.params == trial.params and t.state in ended), None)
            if same is None:
                return self._study.trials[trial.number]
            if same.state == TrialState.PRUNED:
                self._study.tell(trial, state=TrialState.PRUNED)
            else:
                self._study.tell(trial, same.value)
            print(f"trial {trial.number}: the same as trial {same.number}")

    def _overrides(self, trial: FrozenTrial) -> list[str]:
        storage = quoted(str(self._folder / DATABASE))
        callback = {"_target_": PRUNING, "storage": storage, "study": NAME, "trial": trial.number}
        own = [f"+callbacks.pruning.{name}={value}" for name, value in callback.items()]
        return [*self._room.fixed, *trial.user_attrs["overrides"], *own]


def _checked(settings: dict[str, Any]) -> Settings:
    node = {"_target_": f"{Settings.__module__}.{Settings.__name__}", **settings}
    wrong = check(Composed({"hydra": {"sweeper": node}}, {}, []))
    if not wrong:
        least = {"trials": 1, "startup": 0, "warmup_trials": 0, "warmup": 0}
        given = asdict(Settings(**settings))
        wrong = [f"hydra.sweeper.{k}: should be at least {n}, is {given[k]}" for k, n in least.items() if given[k] < n]
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
