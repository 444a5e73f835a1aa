"""How many jobs run at a time on this machine, and what of it each of them gets."""

import os
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple


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
        return tuple(sorted(self.gpus, key=lambda gpu: load[gpu])[: _gpus_of(config, len(self.gpus))])


def divide(configs: Sequence[dict[str, Any]], jobs: int | str) -> Resources:
    """This machine, divided among jobs.

    Args:
        configs: of the jobs that are to run, at least one.
        jobs: at a time; "auto" gives each its own GPUs or, where none asks for a GPU, each process a core of its own.
            OMP_NUM_THREADS, where it is set, is the number of threads, and as many cores are a process's own.

    Raises:
        ValueError: ``jobs`` is neither.
    """
    if jobs != "auto" and (not isinstance(jobs, int) or isinstance(jobs, bool) or jobs < 1):
        raise ValueError(f"sweep.jobs: should be auto or a number from 1 on, is {jobs!r}")
    gpus = _gpus() if any(map(_may_use_gpus, configs)) else ()
    wanted = max(_gpus_of(config, len(gpus)) for config in configs)
    processes = max(_gpus_of(config, len(gpus)) or devices_of(config) or 1 for config in configs)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    given = os.environ.get("OMP_NUM_THREADS", "")
    threads = int(given) if given.isdecimal() else 0
    if jobs == "auto":
        jobs = len(gpus) // wanted if wanted else cores // (processes * (threads or 1))
    jobs = max(1, min(int(jobs), len(configs)))
    return Resources(jobs, threads or max(1, cores // (jobs * processes)), gpus)


def room_for(configs: Sequence[dict[str, Any]], jobs: int | str) -> int:
    """How many jobs go into a queue at once, where something else decides how many of them can run."""
    return len(configs) if jobs == "auto" else divide(configs, jobs).jobs


def each(threads: int) -> str:
    """So many threads for each process, as text."""
    return f"{threads} thread{'s' if threads > 1 else ''} each"


def wants_gpus(config: dict[str, Any]) -> int:
    """How many GPUs a job wants on each of its machines, as far as its trainer says a number."""
    return (devices_of(config) or 0) if _accelerator(config) in ("gpu", "cuda") else 0


def devices_of(config: dict[str, Any]) -> int | None:
    """How many processes a job has on each of its machines; None where that depends on the machine."""
    devices = config["trainer"].get("devices")
    if isinstance(devices, list):
        return len(devices)
    return devices if isinstance(devices, int) and devices > 0 else None


def _gpus() -> tuple[str, ...]:
    """Those that this process may use."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return tuple(name.strip() for name in visible.split(",") if name.strip())
    import torch  # here, because a sweep on the CPU need not wait for it

    return tuple(map(str, range(torch.cuda.device_count())))


def _accelerator(config: dict[str, Any]) -> str:
    return str(config["trainer"].get("accelerator", "auto"))


def _may_use_gpus(config: dict[str, Any]) -> bool:
    return _accelerator(config) in ("gpu", "cuda", "auto")


def _gpus_of(config: dict[str, Any], there: int) -> int:
    """How many of the GPUs that are there a job takes: all where ``devices`` is no number, or lists some of all."""
    devices = config["trainer"].get("devices")
    if not _may_use_gpus(config):
        return 0
    return min(devices, there) if isinstance(devices, int) and devices > 0 else there
