"""Arguments of a Lightning Trainer over which a run would stumble: found without data, model or device."""

import logging
import re
import warnings
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from lightning import LightningDataModule, Trainer
from lightning.pytorch.accelerators import CUDAAccelerator, MPSAccelerator

LEAST: dict[str, float] = {
    "max_epochs": 0,
    "max_steps": 1,
    "min_epochs": 0,
    "min_steps": 0,
    "check_val_every_n_epoch": 1,
    "log_every_n_steps": 1,
    "accumulate_grad_batches": 1,
    "gradient_clip_val": 0,
    "num_sanity_val_steps": 0,
    "num_nodes": 1,
}
"""The least that makes sense; Lightning accepts less, and fails, trains nothing or divides by zero later."""
UNLIMITED = ("max_epochs", "max_steps", "num_sanity_val_steps")
"""Where -1 means all."""
SHARES = ("limit_train_batches", "limit_val_batches", "limit_test_batches", "val_check_interval")
"""A number of batches, or as a float a share of them; of none there would be no metric."""
OTHER_SHARES = ("overfit_batches", "limit_predict_batches")
"""The same, and there may be none."""
OWN_STEPS = ("gradient_clip_val", "gradient_clip_algorithm", "accumulate_grad_batches")
"""What Lightning does to gradients only where it takes the optimizer's steps itself."""
OF_DEVICES = ("accelerator", "devices", "strategy", "precision", "num_nodes", "sync_batchnorm", "profiler")
HALF = ("16", "16-true", "16-mixed")
"""Precisions of GPUs."""
QUIET: dict[str, Any] = {
    "accelerator": "cpu",
    "devices": 1,
    "max_epochs": 1,
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}
"""Arguments of a Trainer that is made to see whether it can be."""


def trainer_mistakes(
    given: Mapping[str, Any], steps_itself: bool, ends: bool = False, learnt: bool = False
) -> dict[str, str]:
    """What is wrong with a Trainer's arguments, by name; their types are right.

    Args:
        given: the arguments.
        steps_itself: whether the technique takes its optimizers' steps itself (manual optimization).
        ends: whether a callback ends the training.
        learnt: whether a callback brings weights, so that no step need be taken.
    """
    wrong = {}
    for name, least in LEAST.items():
        value = given.get(name)
        if value is not None and not value >= least and not (name in UNLIMITED and value == -1):
            wrong[name] = f"should be {least} or more{', or -1 for all' if name in UNLIMITED else ''}, is {value}"
    for name in (*SHARES, *OTHER_SHARES):
        value, none = given.get(name), name in OTHER_SHARES
        sound = not isinstance(value, int | float) or (value > 0 and (isinstance(value, int) or value <= 1))
        if not sound and not (none and value == 0):
            zero = ", or 0 for none" if none else ""
            wrong[name] = f"should be a number of batches from 1, or a share above 0.0 up to 1.0{zero}, is {value}"
    for unit in ("epochs", "steps"):
        fewest, most = given.get(f"min_{unit}"), given.get(f"max_{unit}")
        if fewest is not None and most is not None and -1 != most < fewest:
            wrong[f"min_{unit}"] = f"is {fewest}, more than max_{unit}={most}: lower it"
    limits = given.get("max_epochs", 1), given.get("max_steps", -1), given.get("max_time")
    if limits == (-1, -1, None) and not ends:
        wrong["max_epochs"] = "is -1 without max_steps or max_time, so that the run would never end: set one of them"
    if given.get("max_epochs") == 0 and not learnt:
        wrong["max_epochs"] = "is 0, so that there would be nothing to test: should be 1 or more, or -1 for no limit"
    if re.search("spawn|fork|notebook", str(given.get("strategy"))):
        wrong["strategy"] = f"is {given['strategy']}, which cannot start the processes of a run: use ddp"
    for name in ("fast_dev_run", "barebones"):
        if given.get(name):
            wrong[name] = "leaves no checkpoint to test and record: leave it out; debug=smoke tries a lab in seconds"
    if given.get("accelerator") == "cpu" and not re.fullmatch(r"auto|0*[1-9]\d*", str(given.get("devices", 1))):
        wrong["devices"] = f"is {given['devices']!r}: on a CPU it should be a number of processes from 1, or auto"
    if given.get("max_time") is not None and not _lasts(given["max_time"]):
        wrong["max_time"] = f"is {given['max_time']!r}: should be a duration, such as '00:01:30:00' (days first)"
    if given.get("accelerator") == "cpu" and str(given.get("precision")) in HALF:
        wrong["precision"] = f"is {given['precision']}, for which CPUs have no arithmetic: use 32-true, or bf16-mixed"
    if given.get("enable_checkpointing") is False:
        wrong["enable_checkpointing"] = "a run needs its checkpoints: leave it out"
    if steps_itself:
        for name in OWN_STEPS:
            if given.get(name) not in (None, 1 if name == "accumulate_grad_batches" else 0):
                wrong[name] = "does not work where the technique steps its optimizers itself: leave it out"
    return {**_refused(given), **wrong}


def _lasts(duration: Any) -> bool:
    """Whether a duration as text "DD:HH:MM:SS", in units by name or as ``timedelta`` is one, and longer than 0."""
    if isinstance(duration, str):
        return bool(re.fullmatch(r"\d+(:\d\d){3}", duration.strip()) and re.search("[1-9]", duration))
    try:
        return (timedelta(**duration) if isinstance(duration, dict) else duration) > timedelta(0)
    except (TypeError, OverflowError):  # of other units, or of more days than there are
        return False


def refuse_few_batches(given: Mapping[str, Any], data: Callable[[], LightningDataModule]) -> None:
    """Raises ValueError where a share of the batches is none of them, or no epoch has as many as validation waits for.

    Args:
        given: the Trainer's arguments.
        data: prepared; asked for only where a share is given, or validation within an epoch.
    """
    wrong, own = [], {name: value for name, value in given.items() if type(value) is float and 0 < value < 1}
    for stage in ("train", "val", "test"):
        if share := own.get(f"limit_{stage}_batches"):
            batches = len(getattr(data(), f"{stage}_dataloader")())
            if share * batches < 1:
                told = f"is less than one of {batches} batches: give their number, such as 1"
                wrong.append(f"trainer.limit_{stage}_batches={share}: {told}")
    interval, limit = given.get("val_check_interval"), given.get("limit_train_batches")
    if type(interval) is int and given.get("check_val_every_n_epoch") is not None and not wrong:
        batches = len(data().train_dataloader())
        batches = int(batches * limit) if isinstance(limit, float) else min(batches, limit or batches)
        if interval > batches:
            wrong.append(
                f"trainer.val_check_interval={interval}: an epoch has {batches} batches, so it would end before that: "
                f"use {batches} or fewer, or trainer.check_val_every_n_epoch=null, which counts on over epochs"
            )
    if wrong:
        raise ValueError("\n".join(wrong))


def _refused(given: Mapping[str, Any]) -> dict[str, str]:
    """What Lightning itself says to each argument that it does not take."""
    here = given.get("accelerator") not in ("gpu", "cuda", "mps") or CUDAAccelerator.is_available()
    here = here or MPSAccelerator.is_available()  # or what the devices are can be known only where the run will be
    own = {name: value for name, value in given.items() if name != "deterministic"}  # which is a switch of the process
    tried = {name: value for name, value in own.items() if here or name not in OF_DEVICES}
    if not (complaint := _complaint(tried)):
        return {}
    alone = {name: text for name, value in tried.items() if (text := _complaint({name: value}))}
    without = (name for name in tried if not _complaint({key: tried[key] for key in tried if key != name}))
    return alone or {next(without, "accelerator"): complaint}


def _complaint(arguments: Mapping[str, Any]) -> str:
    """The first line of what Lightning says when it makes a Trainer of these; nothing where it does."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)  # on devices that were found, and what it advertises
    try:
        with warnings.catch_warnings(action="ignore"):
            Trainer(**{**QUIET, **arguments})
    except Exception as error:  # whatever it raises is the mistake to report
        return str(error).strip().partition("\n")[0] or type(error).__name__
    finally:
        logging.disable(before)
    return ""
