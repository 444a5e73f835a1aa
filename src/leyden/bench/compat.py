"""Names of other libraries that they do not promise to keep, each with the reason and the place that it comes from.

No other file has such names. ``tests/bench/test_compat.py`` fails where a new version of a library changes one.
"""

import platform
from typing import Any

import torch
from lightning import Trainer
from lightning.pytorch.utilities.rank_zero import rank_zero_only


def rank() -> int:
    """Which of a distributed run's processes this is, also before there is a trainer.

    Lightning sets the attribute on a function when it is imported, from the environment of whatever started the
    process, and once more when the strategy is known (``lightning/fabric/utilities/rank_zero.py``).
    """
    return rank_zero_only.rank  # type: ignore[attr-defined]


def cpu_multiplies_bf16() -> bool:
    """Whether this CPU has instructions for products of bfloat16 matrices: AVX512-BF16 (AMX too), or ARM's BF16.

    torch has a public door for x86 alone; for ARM, oneDNN's own check is the one that decides
    (``torch/_inductor/decomposition.py`` asks it, too).
    """
    if platform.machine() in ("aarch64", "arm64"):
        return torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return bool(torch.cpu.get_capabilities().get("avx512_bf16"))


def begin_with_next_epoch(checkpoint: dict[str, Any]) -> None:
    """Changes a checkpoint that was written at an epoch's end, so that a run with ``max_steps`` begins the next one.

    Lightning 2.6 repeats the end of the epoch then, which counts one without a step
    (https://github.com/Lightning-AI/pytorch-lightning/issues/19617). It does not where the counters say that the epoch
    is over and its last batch is still to come. The keys are those of ``lightning/pytorch/loops/progress.py``; those
    of a checkpoint from within an epoch are left as they are.

    Args:
        checkpoint: as Lightning loads it; changed in place.
    """
    loop = checkpoint["loops"]["fit_loop"]
    epochs, batches = loop["epoch_progress"], loop["epoch_loop.batch_progress"]
    total = epochs["total"]
    over = total["ready"] == total["processed"] == total["completed"] + 1
    if not over or not batches["is_last_batch"]:
        return
    for count in ("total", "current"):
        epochs[count]["completed"] += 1
        batches[count]["completed"] -= 1
    batches["is_last_batch"] = False
    loop["epoch_loop.state_dict"]["_batches_that_stepped"] -= 1  # it will count that batch


def numbers_to_come(trainer: Trainer) -> dict[str, Any]:
    """What Lightning hands to the loggers once the callbacks of a training step, or of an epoch's end, are through.

    Empty where the step is none that is logged. Lightning has no hook behind that; its own doing is
    ``update_train_step_metrics`` and ``update_train_epoch_metrics`` in ``lightning/pytorch/trainer/connectors``.
    """
    connector, loop = trainer._logger_connector, trainer.fit_loop
    within_epoch = connector._first_loop_iter is not None
    waits = loop._should_accumulate() and trainer.lightning_module.automatic_optimization
    if within_epoch and (waits or not connector.should_update_logs):
        return {}
    return dict(connector.metrics["log"])
