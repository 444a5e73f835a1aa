"""One run: compose, check, seed, build data and model, fit, test the best checkpoint, record."""

import errno
import logging
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, Timer
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities.rank_zero import rank_zero_only

from leyden.bench.compat import rank
from leyden.bench.config.instantiate import build, build_all, prepared_data
from leyden.bench.run.checkpoint import best, newest, technique_of
from leyden.bench.run.devices import as_begun, devices_of, look_for_gpus_once, precision_here, refuse_absent_gpu
from leyden.bench.run.lab import left_out
from leyden.bench.run.record import Record
from leyden.bench.run.resume import LastCheckpoint
from leyden.core.files import clear_leftovers
from leyden.core.seeding import mix
from leyden.core.technique import Shows, Technique, verbs_of
from leyden.report.labs.ending import verdict
from leyden.training.about import about_run
from leyden.training.callbacks import OfEveryRun
from leyden.training.checkpoint import AtomicCheckpointIO
from leyden.training.loggers import About, RunLogger
from leyden.training.logs import setup_logging
from leyden.training.trainer import refuse_few_batches

log = logging.getLogger(__name__)

FULL = (errno.ENOSPC, errno.EDQUOT)
"""What a write fails with where the disk, or one's share of it, is full."""


def run(record: Record) -> dict[str, float]:
    """Runs what the record's config says, from the start or from where it was stopped, and writes down how it went.

    Args:
        record: pending, or stopped at any point; its newest checkpoint is where it goes on.

    Returns:
        Flat metrics: ``test/...`` of the best checkpoint, ``best/<monitor>``, the last value of everything logged, and
        ``train_seconds``, validations included, what a stopped run had spent too.

    Raises:
        Exception: whatever went wrong, after the record says so.
    """
    with _recorded(record):
        config = as_begun(record)
        lightning.seed_everything(config["seed"], workers=True, verbose=False)
        data, model, trainer = assemble(config, record.folder, record.allow)
        monitor = {"metric": str(model.monitor), "mode": str(model.mode)}
        spec = {"main_image": model.main_image if isinstance(model, Shows) else None, "verbs": verbs_of(model)}
        rank_zero_only(record.add_environment)(
            data=data.fingerprint, devices=devices_of(trainer), monitor=monitor, **spec
        )
        start = newest(record, technique_of(config))
        _begin(trainer.loggers, start, about_run(config, record.overrides))
        if start is not None:
            log.info("going on from %s", start)

        trainer.fit(model, data, ckpt_path=start, weights_only=True)
        callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]  # a connector sets it
        metrics: dict[str, float] = {}
        for callback in callbacks:
            if isinstance(callback, OfEveryRun):
                metrics |= callback.of(trainer)
            if isinstance(callback, Timer):
                metrics["train_seconds"] = callback.time_elapsed()
            if isinstance(callback, ModelCheckpoint) and callback.best_model_score is not None:
                metrics[f"best/{model.monitor}"] = float(callback.best_model_score)
        metrics |= {"steps": trainer.global_step, "epochs": trainer.current_epoch}
        log.info("trained for %.0f s", metrics["train_seconds"])

        chosen = best(record, technique_of(config))
        tested = trainer.test(model, data, ckpt_path=chosen, weights_only=True, verbose=False)[0]
        metrics |= {name: float(value) for name, value in tested.items()}
        _finish(record, metrics, trainer.loggers)
    return metrics


def assemble(config: dict[str, Any], folder: Path, allow: Collection[str] = ()) -> tuple[Any, LightningModule, Trainer]:
    """Builds data, then the model that fits it, then the trainer that writes into ``folder``.

    Args:
        config: of a run.
        folder: of its record.
        allow: what the config may name besides known classes (see ``allow_list``).
    """
    refuse_absent_gpu(config["trainer"])
    look_for_gpus_once()
    data = prepared_data(config, allow)
    refuse_few_batches(config["trainer"], lambda: data)
    torch.manual_seed(mix(config["seed"], 0))  # the weights depend on the seed alone, not on what the data drew
    model: LightningModule = build(config["model"], allow, **data.spec)
    if not isinstance(model, Technique):
        raise ValueError(
            f"{type(model).__name__} does not say which metric chooses best.ckpt: it needs `monitor` and `mode` "
            "(see leyden.core.technique.Technique)"
        )
    kept = folder / "checkpoints"
    trainer = build(
        config["trainer"],
        allow,
        precision=precision_here(config["trainer"]),
        default_root_dir=str(folder),
        callbacks=[
            *build_all(config["callbacks"], allow),
            OfEveryRun(config["seed"], config["scale_lr"]),
            Timer(),
            ModelCheckpoint(kept, "best", monitor=model.monitor, mode=model.mode, enable_version_counter=False),
            LastCheckpoint(kept / "last.ckpt", config["checkpoint"]["every_n_steps"]),
        ],
        logger=build_all(config["logger"], allow, save_dir=str(folder)),
        plugins=[AtomicCheckpointIO(technique_of(config))],
    )
    for logger in trainer.loggers:
        if isinstance(logger, RunLogger):
            logger.trainer = trainer
    return data, model, trainer


@contextmanager
def _recorded(record: Record) -> Iterator[None]:
    """Keeps ``status.json`` true and ``run.log`` complete, whatever happens inside."""
    setup_logging(record.folder / (f"run.rank{rank()}.log" if rank() else "run.log"))
    set_status = rank_zero_only(record.set_status)
    rank_zero_only(clear_leftovers)(record.folder)
    set_status("running")
    began = time.monotonic()
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        set_status("interrupted", cure=record.to_resume)
        raise
    except BaseException as error:
        log.error("the run failed", exc_info=True)  # the traceback goes to run.log only
        full = isinstance(error, OSError) and error.errno in FULL
        details = {"error": f"{type(error).__name__}: {error}"} | ({"cure": record.to_resume} if full else {})
        with suppress(OSError):  # there may be no room for it; a run that seems to be running and is not goes on, too
            set_status("interrupted" if full else "failed", **details)
        if full:
            raise OSError(
                f"{error}: what was written is whole; make room, then `{record.to_resume}` goes on"
            ) from error
        raise
    set_status("done", seconds=round(time.monotonic() - began, 1))


@rank_zero_only
def _finish(record: Record, metrics: dict[str, float], loggers: list[Logger]) -> None:
    """``metrics.json``, the same in the loggers, once, with the lab's verdict, and the learning curves as an image."""
    record.set_metrics(metrics)
    lab, monitor = record.config["lab"], record.environment["monitor"]
    for logger in loggers:
        if isinstance(logger, RunLogger):
            logger.end(metrics, verdict(lab, metrics, monitor["metric"], left_out(record)))
        logger.finalize("success")
    from leyden.report.labs.learning_curves import write_learning_curves  # here: the run begins without what draws

    write_learning_curves(record.folder, monitor, lab["title"] or lab["name"])


@rank_zero_only
def _begin(loggers: list[Logger], checkpoint: Path | None, about: About) -> None:
    """Drops what was logged after ``checkpoint``; all of it where a run was killed before its first."""
    step = -1
    if checkpoint is not None:
        step = torch.load(checkpoint, weights_only=True, mmap=True, map_location="cpu")["global_step"]
    for logger in loggers:
        if isinstance(logger, RunLogger):
            logger.rewind(step)
            logger.begin(about)
