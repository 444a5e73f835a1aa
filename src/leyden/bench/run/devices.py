"""What a run computes with: GPUs or none, threads, and the precision that the device has arithmetic for."""

import logging
import os
from collections.abc import Mapping
from typing import Any

import torch
from lightning import Trainer
from lightning.pytorch.accelerators import CUDAAccelerator, MPSAccelerator

from leyden.bench.compat import cpu_multiplies_bf16
from leyden.bench.run.record import Record

log = logging.getLogger(__name__)


def as_begun(record: Record) -> dict[str, Any]:
    """The record's config; where it has begun, with the precision it began in, and torch with as many threads.

    Another number of threads splits sums differently, which changes the last bits.
    """
    config, devices = record.config, record.environment.get("devices")
    if devices is not None:
        torch.set_num_threads(devices["threads"])
        config["trainer"] = {**config["trainer"], "precision": devices["precision"]}
    return config


def devices_of(trainer: Trainer) -> dict[str, Any]:
    """What a record says of them: ``kind``, ``count``, ``threads`` and ``precision``."""
    device = trainer.strategy.root_device
    return {
        "kind": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "count": trainer.world_size,
        "threads": torch.get_num_threads(),
        "precision": trainer.precision,
    }


def refuse_absent_gpu(trainer: Mapping[str, Any]) -> None:
    """Raises ValueError where ``trainer.accelerator`` is a GPU and torch sees none."""
    if trainer["accelerator"] == "gpu" and not (CUDAAccelerator.is_available() or MPSAccelerator.is_available()):
        raise ValueError("trainer.accelerator=gpu, but torch sees no GPU on this machine: use trainer=cpu")


def look_for_gpus_once() -> None:
    """Optimizers ask torch at every step whether there is a GPU (0.1 ms in the way that Lightning chose, without one).

    Lightning's way spares processes that fork a CUDA context; where there is no GPU there is none to spare.
    """
    if not torch.cuda.is_available():
        os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"


def precision_here(trainer: Mapping[str, Any]) -> str:
    """``trainer.precision``, or 32-true in place of a bfloat16 that the device can only emulate.

    Emulated, products of matrices take tens of times as long as in float32 (torch 2.15 on a CPU with AVX2).
    """
    precision: str = trainer["precision"]
    if not str(precision).startswith("bf16") or computes_bf16(trainer["accelerator"]):
        return precision
    log.info(
        "trainer.precision=%s: this machine has no arithmetic for bfloat16, so the run computes in 32-true", precision
    )
    return "32-true"


def computes_bf16(accelerator: str = "cpu") -> bool:
    """Whether products of bfloat16 matrices are worth it on ``accelerator``.

    They are on GPUs since Ampere, CPUs with AVX512-BF16 (those with AMX among them) and ARM's with BF16. oneDNN takes
    them on every CPU with AVX512 too, but no faster than float32.
    """
    if accelerator != "cpu" and torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return cpu_multiplies_bf16()
