"""The executor over Ray: each job is a task, here or on a cluster that sees the same files."""

import contextlib
import logging
import os
import signal
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import ray

from leyden.bench.run.record import Record
from leyden.bench.sweep.executor import Executor
from leyden.bench.sweep.job import PATIENCE, Job
from leyden.core.sweep.resources import each, room_for, wants_gpus


class Ray(Executor):
    """Each job in a worker process of Ray's, which ends with it.

    Args:
        init: what ``ray.init`` takes, with null for Ray's own choice.
        remote: what ``ray.remote`` takes; ``num_gpus: null`` is as many as the job's trainer asks for.
    """

    def __init__(self, init: Mapping[str, Any], remote: Mapping[str, Any]) -> None:
        super().__init__()
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        quiet = {"include_dashboard": False, "log_to_driver": False, "logging_level": logging.ERROR}
        self._init = quiet | {name: value for name, value in init.items() if value is not None}
        self._remote = {name: value for name, value in remote.items() if value is not None}
        self._threads = max(1, int(self._remote.get("num_cpus", 1)))
        self._refs: dict[Any, Record] = {}

    def prepare(self, records: Sequence[Record], at_a_time: int | str) -> str:
        """Connects to a Ray, or starts one; how much of it a job needs is in ``remote``."""
        self.at_a_time = room_for([record.config for record in records], at_a_time)
        before = signal.getsignal(signal.SIGTERM)
        ray.init(**self._init)
        signal.signal(signal.SIGTERM, before)  # Ray leaves a handler of its own, for good
        return f"as Ray finds room, {each(self._threads)}"

    def start(self, records: Sequence[Record]) -> None:
        """Queues tasks."""
        for record in records:
            options = {"num_gpus": wants_gpus(record.config), "max_calls": 1} | self._remote
            task = ray.remote(**options)(_work)
            self._refs[task.remote(Job.of(record, self._threads))] = record

    def ended(self, seconds: float) -> Iterable[tuple[Record, int, str]]:
        """Jobs whose tasks are through, or lost with their nodes more often than Ray tries again."""
        for ref in ray.wait(list(self._refs), timeout=seconds)[0]:
            why = "what looked after it is gone"
            try:
                ray.get(ref)
            except ray.exceptions.RayError as error:
                why = str(error).strip().splitlines()[-1]
            yield self._refs.pop(ref), -1, why

    def stop(self) -> None:
        """Cancels all tasks, which interrupts their jobs, and kills what has not ended within ``PATIENCE``."""
        for ref in self._refs:
            ray.cancel(ref)
        with contextlib.suppress(KeyboardInterrupt):
            ray.wait(list(self._refs), num_returns=len(self._refs), timeout=PATIENCE)
        self._refs.clear()

    def close(self) -> None:
        """Leaves the Ray; one that was started here ends."""
        ray.shutdown()


def _work(job: Job) -> None:
    job()
