"""How many jobs run at a time on this machine, and what of it each of them gets."""

import os
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from leyden.bench.config.compose import ConfigError


class Resources(NamedTuple):
    """A machine, divided among jobs."""

    jobs: int
    """At a time."""
    threads: int
    """Of each process; results depend on it, so all jobs of a sweep have the same."""
    gpus: tuple[str, ...]
    """As CUDA_VISIBLE_DEVICES would name them; empty where no job asks for one."""

    def take(self, config: dict[str, Any], taken: Sequence[str]) -> tuple[str, ...]:
        """The GPUs for one more job: those with the fewest jobs.

        Args:
            config: of the job.
            taken: GPUs of the jobs that are running, one entry for each job on it.
        """
        load = Counter(taken)
        least = sorted(self.gpus, key=lambda gpu: load[gpu])
        return tuple(least[: _gpus_wanted(config["trainer"], len(self.gpus))])


def divide(configs: Sequence[dict[str, Any]], jobs: int | str) -> Resources:
    """This machine, divided among jobs.

    Args:
        configs: of the jobs that are to run.
        jobs: at a time; "auto" gives each its own GPUs or, where none asks for a GPU, each process a core of its own.
            OMP_NUM_THREADS, where it is set, is the number of threads, and as many cores are a process's own.

    Raises:
        ConfigError: ``jobs`` is neither.
    """
    if jobs != "auto" and (not isinstance(jobs, int) or isinstance(jobs, bool) or jobs < 1):
        raise ConfigError([f"sweep.jobs: should be auto or a number from 1 on, is {jobs!r}"])
    trainers = [config["trainer"] for config in configs]
    gpus = _gpus() if any(_wants_gpu(trainer) for trainer in trainers) else ()
    processes = max((_processes(trainer, len(gpus)) for trainer in trainers), default=1)
    given = os.environ.get("OMP_NUM_THREADS", "")
    threads = int(given) if given.isdecimal() and int(given) else None
    if jobs == "auto":
        wanted = max((_gpus_wanted(trainer, len(gpus)) for trainer in trainers), default=0)
        jobs = len(gpus) // wanted if wanted else _cores() // (processes * (threads or 1))
    jobs = max(1, min(int(jobs), len(configs)))
    return Resources(jobs, threads or max(1, _cores() // (jobs * processes)), gpus)


def room_for(configs: Sequence[dict[str, Any]], jobs: int | str) -> int:
    """How many jobs go into a queue at once, where something else decides how many of them can run."""
    return len(configs) if jobs == "auto" else divide(configs, jobs).jobs


def each(threads: int) -> str:
    """So many threads for each process, as text."""
    return f"{threads} thread{'s' if threads > 1 else ''} each"


def wants_gpus(config: dict[str, Any]) -> int:
    """How many GPUs a job wants on each of its machines, as far as its trainer says a number."""
    return (devices_of(config) or 0) if config["trainer"]["accelerator"] in ("gpu", "cuda") else 0


def devices_of(config: dict[str, Any]) -> int | None:
    """How many processes a job has on each of its machines; None where that depends on the machine."""
    devices = config["trainer"]["devices"]
    if isinstance(devices, list):
        return len(devices)
    return devices if isinstance(devices, int) and devices > 0 else None


def _cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _gpus() -> tuple[str, ...]:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return tuple(name.strip() for name in visible.split(",") if name.strip())
    import torch  # here, because a sweep on the CPU need not wait for it

    return tuple(map(str, range(torch.cuda.device_count())))


def _wants_gpu(trainer: dict[str, Any]) -> bool:
    return trainer["accelerator"] in ("gpu", "cuda", "auto")


def _gpus_wanted(trainer: dict[str, Any], there: int) -> int:
    """All of them where ``devices`` is no number, such as auto or a list of some."""
    devices = trainer["devices"]
    if not _wants_gpu(trainer):
        return 0
    return min(devices, there) if isinstance(devices, int) and devices > 0 else there


def _processes(trainer: dict[str, Any], gpus: int) -> int:
    if _wants_gpu(trainer) and gpus:
        return _gpus_wanted(trainer, gpus)
    return trainer["devices"] if isinstance(trainer["devices"], int) and trainer["devices"] > 0 else 1
