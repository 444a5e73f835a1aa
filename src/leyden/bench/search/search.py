"""A search by Optuna: it is asked what to try, the sweep's launcher runs that, and it is told what came out.

Everything is in ``search.db`` in the sweep's folder before the launcher gets it. A trial is Optuna's until it is told;
its job is the record that was made for its number. So whatever ends the search at whatever moment, the same command
finds each trial where it was: told, run but not told, stored, or only asked for.
"""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, OmegaConf
from optuna import Study
from optuna.trial import FrozenTrial, TrialState
from pandas import json_normalize

from leyden.bench.config.compose import Composed, ConfigError
from leyden.bench.config.validate import check
from leyden.bench.config.variants import quoted
from leyden.bench.search.space import Space, space, typed
from leyden.bench.search.study import NAME, Settings, conclude, jobs_of, open_study, sampler, settle
from leyden.bench.sweep.store import ASIDE, DATABASE, PRUNING, Jobs
from leyden.core.sweep.resources import divide


def search(
    launcher: Any, loader: ConfigLoader | None, master: DictConfig, overrides: Sequence[str], settings: dict[str, Any]
) -> None:
    """Searches until there are as many trials as asked for, from the start or from where the search was stopped.

    Args:
        launcher: ``hydra_plugins.leyden_plugins.Processes``, which checks and runs batches of trials.
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
    node = {"_target_": f"{Settings.__module__}.{Settings.__name__}", **settings}
    if wrong := check(Composed({"hydra": {"sweeper": node}}, {}, [])):
        raise ConfigError(wrong)
    chosen = Settings(**settings)
    room = space(overrides, loader)
    jobs, _ = launcher.check(room.ends())
    study = open_study(jobs, chosen)
    searching = _Search(study, room, chosen, jobs.folder)
    searching.refuse_other_settings(master)
    OmegaConf.save(master, jobs.folder / "multirun.yaml")  # by which `leyden resume` knows a sweep
    print("searching", *room.overrides, sep="\n  ", flush=True)
    searching.run(launcher, divide(jobs.configs[:1] * chosen.trials, master.sweep.jobs).jobs)
    conclude(jobs.folder)


class _Search:
    """One search at work: what has been tried so far, what may be tried and how, and where."""

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

    def run(self, launcher: Any, at_a_time: int) -> None:
        """Takes up what is open, then asks for what is new."""
        settle(self._study, self._folder)
        trials = itertools.chain(self._open(), iter(self._ask, None))
        while batch := list(itertools.islice(trials, at_a_time)):
            try:
                # Also a batch that leaves cores idle has the threads of the others: last bits depend on them.
                launcher.launch([self._overrides(trial) for trial in batch], batch[0].number, among=at_a_time)
            finally:
                settle(self._study, self._folder)

    def _open(self) -> list[FrozenTrial]:
        """Trials without an end; those asked for when the search was killed have no overrides yet, and end."""
        running = self._study.get_trials(states=[TrialState.RUNNING])
        for trial in running:
            if "overrides" not in trial.user_attrs:
                self._study.tell(trial.number, state=TrialState.FAIL)
        return [trial for trial in running if "overrides" in trial.user_attrs]

    def _ask(self) -> FrozenTrial | None:
        """A new trial; None where there are enough. What was tried before needs no run to be known."""
        while True:
            known = self._study.get_trials(deepcopy=False)
            if sum("overrides" in trial.user_attrs for trial in known) >= self._settings.trials:
                return None
            self._study.sampler = sampler(self._settings, len(known))
            trial = self._study.ask({**self._room.searched})
            trial.set_user_attr("overrides", typed(trial.params))
            ended = [t for t in known if t.state in (TrialState.COMPLETE, TrialState.PRUNED)]
            same = next((t for t in ended if t.params == trial.params), None)
            if same is None:
                return self._study.trials[trial.number]
            pruned = same.state == TrialState.PRUNED
            self._study.tell(trial, None if pruned else same.value, state=same.state if pruned else None)
            print(f"trial {trial.number}: the same as trial {same.number}")

    def _overrides(self, trial: FrozenTrial) -> list[str]:
        storage = quoted(str(self._folder / DATABASE))
        callback = {"_target_": PRUNING, "storage": storage, "study": NAME, "trial": trial.number}
        own = [f"+callbacks.pruning.{name}={value}" for name, value in callback.items()]
        return [*self._room.fixed, *trial.user_attrs["overrides"], *own]


def _differences(then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """The keys in which two configs would not learn the same, with both values."""
    old, new = (json_normalize({**own, "lab": own["lab"]["name"]}).to_dict("records")[0] for own in (then, now))
    keys = [key for key in {**old, **new} if key.split(".")[0] not in ASIDE]
    return [f"{key}: was {old.get(key)}, is {new.get(key)}" for key in keys if old.get(key) != new.get(key)]
