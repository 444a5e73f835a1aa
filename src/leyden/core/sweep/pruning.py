"""A trial's side of a search by Optuna: each validation is reported, and a trial that looks hopeless ends early."""

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
from optuna.storages import RDBStorage
from optuna.trial import TrialState
from sqlalchemy import URL

PRUNED = "pruned_in_epoch"
"""Metric of runs that were ended early: the epoch, counted from 1, whose validation looked hopeless."""
PATIENCE = 60.0
"""Seconds that a process waits while another one writes into the database."""

log = logging.getLogger(__name__)
optuna_logging.set_verbosity(optuna_logging.WARNING)


def open_storage(file: Path) -> RDBStorage:
    """The SQLite database of a search; it is made where there is none."""
    url = URL.create("sqlite", database=str(file.absolute()))
    return RDBStorage(url.render_as_string(), engine_kwargs={"connect_args": {"timeout": PATIENCE}})


def pruner(settings: Mapping[str, Any]) -> BasePruner:
    """Optuna's pruner for the settings of ``conf/hydra/sweeper/optuna.yaml``; validations are counted from 1."""
    if settings["pruner"] == "median":
        return MedianPruner(settings["warmup_trials"], n_warmup_steps=settings["warmup"] + 1)
    if settings["pruner"] == "halving":
        return SuccessiveHalvingPruner(min_resource=settings["warmup"] + 1)
    return NopPruner()


class Pruning(Callback):
    """Reports the study's metric after each validation, and ends training as early stopping does if Optuna says so.

    Where the trial is not running, as when its run is reproduced, nothing happens. A run that was ended is tested and
    recorded like any other, with ``pruned_in_epoch`` among its metrics.

    Args:
        storage: file of the search's database.
        study: its name there.
        trial: the trial's number in the study.
    """

    def __init__(self, storage: str, study: str, trial: int) -> None:
        self.storage, self.study, self.trial = storage, study, trial
        self._validations = 0
        self._pruned_in: int | None = None
        self._open: Study | None = None

    def on_fit_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Opens the study, on the first rank."""
        if not trainer.is_global_zero or not Path(self.storage).is_file():
            return
        self._storage = open_storage(Path(self.storage))
        study = load_study(study_name=self.study, storage=self._storage)
        own = study.get_trials(deepcopy=False)[self.trial]
        if own.state == TrialState.RUNNING:
            self._open, self._pruner = study, pruner(study.user_attrs["settings"])
            self._metric = study.user_attrs["metric"].removeprefix("best/")
            number = self._storage.get_study_id_from_name(self.study)
            self._id = self._storage.get_trial_id_from_study_id_trial_number(number, self.trial)
        else:
            log.info("trial %d of %s has ended: it is not told of this run", self.trial, self.storage)

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Keeps a run that was pruned, and then stopped before its test, from training again."""
        if self._pruned_in is not None:
            trainer.should_stop = True

    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Reports, and stops all ranks where Optuna would prune."""
        if trainer.sanity_checking or trainer.state.fn != "fit":
            return
        self._validations += 1
        if trainer.strategy.broadcast(self._should_prune(trainer)):
            self._pruned_in = trainer.current_epoch + 1
            trainer.should_stop = True

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Makes the epoch a metric, unless the training was at its end anyway."""
        if self._pruned_in is not None and trainer.global_step < trainer.estimated_stepping_batches:
            trainer.callback_metrics[PRUNED] = torch.tensor(float(self._pruned_in))

    def state_dict(self) -> dict[str, Any]:
        """What a run needs that goes on from a checkpoint."""
        return {"validations": self._validations, "pruned_in": self._pruned_in}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores what ``state_dict`` gave."""
        self._validations, self._pruned_in = state_dict["validations"], state_dict["pruned_in"]

    def _should_prune(self, trainer: Trainer) -> bool:
        if self._open is None or (value := trainer.callback_metrics.get(self._metric)) is None:
            return False
        try:
            if self._validations not in self._storage.get_trial(self._id).intermediate_values:
                self._storage.set_trial_intermediate_value(self._id, self._validations, float(value))
            return self._pruner.prune(self._open, self._storage.get_trial(self._id))
        except StorageInternalError:  # hours of training are worth more than one report
            log.warning("%s cannot be reached: this validation is not reported", self.storage, exc_info=True)
            return False
