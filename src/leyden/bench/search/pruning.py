"""A trial's side of a search by Optuna: every validation is reported, and training ends where that looks hopeless."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from optuna import Study, load_study
from optuna import logging as optuna_logging
from optuna.exceptions import StorageInternalError
from optuna.pruners import BasePruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import RandomSampler
from optuna.storages import RDBStorage
from optuna.trial import Trial, TrialState
from sqlalchemy import URL

DATABASE = "search.db"
"""Where a search is kept, by SQLite; in the sweep's folder."""
NAME = "search"
"""Of the one study in it."""
PRUNED = "pruned_in_epoch"
"""Metric of runs that were ended early: the epoch, counted from 1, whose validation looked hopeless."""
PATIENCE = 60.0
"""Seconds that a process waits while another one writes into the database."""

log = logging.getLogger(__name__)
optuna_logging.set_verbosity(optuna_logging.WARNING)


def storage(file: Path) -> RDBStorage:
    """A database; made where there is none."""
    timeout = {"connect_args": {"timeout": PATIENCE}}
    url = URL.create("sqlite", database=str(file.absolute()))
    return RDBStorage(url.render_as_string(), engine_kwargs=timeout)


def pruner(settings: Mapping[str, Any]) -> BasePruner:
    """What decides, as ``conf/hydra/sweeper/optuna.yaml`` says it; validations of a trial are counted from 1."""
    if settings["pruner"] == "median":
        return MedianPruner(settings["warmup_trials"], n_warmup_steps=settings["warmup"] + 1)
    if settings["pruner"] == "halving":
        return SuccessiveHalvingPruner(min_resource=settings["warmup"] + 1)
    return NopPruner()


class Pruning(Callback):
    """Tells the search the metric after each validation, and ends training as early stopping does if that says so.

    Where the run is not in a search's folder, as when it is reproduced, nothing happens. A run that was ended is tested
    and recorded like any other, with ``pruned_in_epoch`` among its metrics.

    Args:
        trial: number in the search.
    """

    def __init__(self, trial: int) -> None:
        self.trial = trial
        self._validations = 0
        self._hopeless_in: int | None = None
        self._asked: Trial | None = None
        self._metric = ""

    def on_fit_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Looks for the search."""
        if trainer.is_global_zero:
            self._asked = _asked(Path(trainer.default_root_dir), self.trial)
        if self._asked is not None:
            self._metric = self._asked.study.user_attrs["metric"].removeprefix("best/")

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """A run that was pruned, and then stopped before its test, does not train again."""
        if self._hopeless_in is not None:
            trainer.should_stop = True

    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Reports, and asks; the first rank does it for all."""
        if trainer.sanity_checking or trainer.state.fn != "fit":
            return
        self._validations += 1
        if trainer.strategy.broadcast(self._is_hopeless(trainer)):
            self._hopeless_in = trainer.current_epoch + 1
            trainer.should_stop = True

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Makes it a metric, unless the training was at its end anyway."""
        if self._hopeless_in is not None and trainer.global_step < trainer.estimated_stepping_batches:
            trainer.callback_metrics[PRUNED] = torch.tensor(float(self._hopeless_in))

    def state_dict(self) -> dict[str, Any]:
        """What a run needs that goes on from a checkpoint."""
        return {"validations": self._validations, "hopeless_in": self._hopeless_in}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes that."""
        self._validations, self._hopeless_in = state_dict["validations"], state_dict["hopeless_in"]

    def _is_hopeless(self, trainer: Trainer) -> bool:
        trial = self._asked
        if trial is None or (value := trainer.callback_metrics.get(self._metric)) is None:
            return False
        try:
            if self._validations not in trial.storage.get_trial(trial._trial_id).intermediate_values:
                trial.report(float(value), self._validations)
            return trial.should_prune()
        except StorageInternalError:  # hours of training are worth more than one report
            log.warning("%s cannot be reached: this validation is not reported", DATABASE, exc_info=True)
            return False


def _asked(folder: Path, number: int) -> Trial | None:
    """The trial that runs in a folder; None outside a search, or where it has ended there."""
    sweep = next((parent for parent in folder.absolute().parents if (parent / DATABASE).is_file()), None)
    if sweep is None:
        log.info("no search around %s: it is not told of this run", folder)
        return None
    # Of another sampler, a trial would ask it for values as soon as it is taken up.
    study: Study = load_study(study_name=NAME, storage=storage(sweep / DATABASE), sampler=RandomSampler())
    study.pruner = pruner(study.user_attrs["settings"])
    running = study.get_trials(deepcopy=False, states=[TrialState.RUNNING])
    return next((Trial(study, trial._trial_id) for trial in running if trial.number == number), None)
