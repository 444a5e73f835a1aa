"""The executor over Ray: each job is a task, here or on a cluster that sees the same files."""

import contextlib
import logging
import os
import signal
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from leyden.bench.run.record import Record
from leyden.bench.sweep.executor import Executor, library
from leyden.bench.sweep.job import PATIENCE, Job
from leyden.bench.sweep.resources import each, room_for, wants_gpus


class Ray(Executor):
    """Each job in a worker process of Ray's, which ends with it.

    Args:
        init: what ``ray.init`` takes, with null for Ray's own choice.
        remote: what ``ray.remote`` takes; ``num_gpus: null`` is as many as the job's trainer asks for.

    Raises:
        ConfigError: Ray is not there.
    """

    def __init__(self, init: Mapping[str, Any], remote: Mapping[str, Any]) -> None:
        super().__init__()
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        self._ray = library("ray", "leyden[ray]")
        self._init, self._remote = init, dict(remote)
        self._threads = max(1, int(self._remote.get("num_cpus") or 1))
        self._refs: dict[Any, Record] = {}

    def prepare(self, records: Sequence[Record], at_a_time: int | str) -> str:
        """Connects to a Ray, or starts one; how much of it a job needs is in ``remote``."""
        self.at_a_time = room_for([record.config for record in records], at_a_time)
        given = {name: value for name, value in self._init.items() if value is not None}
        quiet = {"include_dashboard": False, "log_to_driver": False, "logging_level": logging.ERROR}
        before = signal.getsignal(signal.SIGTERM)
        self._ray.init(**(quiet | given))
        signal.signal(signal.SIGTERM, before)  # Ray leaves a handler of its own, for good
        return f"as Ray finds room, {each(self._threads)}"

    def start(self, records: Sequence[Record]) -> None:
        """Queues tasks."""
        for record in records:
            options = {name: value for name, value in self._remote.items() if value is not None}
            options = {"num_gpus": wants_gpus(record.config), "max_calls": 1} | options
            task = self._ray.remote(**options)(_work)
            self._refs[task.remote(Job.of(record, self._threads))] = record

    def ended(self, seconds: float) -> Iterable[Record]:
        """Jobs whose tasks are through, or lost with their nodes more often than Ray tries again."""
        through, _ = self._ray.wait(list(self._refs), timeout=seconds)
        for ref in through:
            record = self._refs.pop(ref)
            try:
                self._ray.get(ref)
            except self._ray.exceptions.RayError as error:
                if record.status["status"] in ("pending", "running"):
                    record.set_status("failed", error=str(error).strip().splitlines()[-1], exit=-1)
            yield record

    def stop(self) -> None:
        """Cancels all tasks, which interrupts their jobs, and kills what has not ended within ``PATIENCE``."""
        for ref in self._refs:
            self._ray.cancel(ref)
        with contextlib.suppress(KeyboardInterrupt):
            self._ray.wait(list(self._refs), num_returns=len(self._refs), timeout=PATIENCE)
        self._refs.clear()

    def close(self) -> None:
        """Leaves the Ray; one that was started here ends."""
        self._ray.shutdown()


def _work(job: Job) -> None:
    job()
