"""What Hydra finds in this namespace: the launchers and sweepers of ``leyden sweep``.

Every Hydra program of the environment imports this file, so it is light; what it does is in ``leyden.bench``.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf


@contextlib.contextmanager
def _needs(extra: str) -> Iterator[None]:
    """Names the cure where the package of an extra is not installed."""
    from leyden.bench.config.compose import ConfigError

    try:
        yield
    except ImportError as error:
        message = f"this sweep needs a package more ({error}): pip install 'leyden[{extra}]'"
        raise ConfigError([message]) from error


class Processes(Launcher):
    """Checks and stores all jobs, then runs each as a process of its own on this machine (``sweep.jobs`` at a time).

    Args:
        settings: of the executor, as in the launcher's YAML file.
    """

    executor = "leyden.bench.sweep.local:Pool"

    def __init__(self, **settings: Any) -> None:
        self._settings = settings

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keeps the sweep's config; the task function is for launchers that run jobs in their own process."""
        self._config = config

    def check(self, job_overrides: Sequence[Sequence[str]]) -> tuple[Any, Any]:
        """The jobs of these overrides, and what will run them; raises ConfigError where one of them would fail."""
        from leyden.bench.config.compose import ConfigError
        from leyden.bench.sweep.store import Jobs, plain

        with _needs(type(self).__name__.lower()):
            kind = resolve_name(self.executor)
        try:
            executor = kind(**plain(OmegaConf.create(self._settings)))
        except TypeError as error:
            raise ConfigError([f"hydra.launcher: {error}"]) from error
        jobs = Jobs(self._config, job_overrides)
        jobs.check(executor)
        return jobs, executor

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int, among: int = 0
    ) -> Sequence[JobReturn]:
        """Runs jobs, numbered from ``initial_job_idx`` on, as a part of ``among`` that may run at a time.

        Returns:
            For each job the value that ranks it, for sweepers that optimise it; nan where the job failed.
        """
        from leyden.bench.sweep.ranking import result_of
        from leyden.bench.sweep.store import plain, run_stored, store

        jobs, executor = self.check(job_overrides)
        records = store(jobs, initial_job_idx)
        run_stored(records, plain(self._config.sweep), executor, among)
        returns = [JobReturn(overrides=own, status=JobStatus.COMPLETED) for own in job_overrides]
        for job, record in zip(returns, records, strict=True):
            job.return_value = result_of(record).value
        return returns


class Slurm(Processes):
    """The same on a Slurm cluster, as an array of jobs."""

    executor = "leyden.bench.sweep.slurm:Slurm"


class Ray(Processes):
    """The same with tasks of Ray, here or on a cluster."""

    executor = "leyden.bench.sweep.ray:Ray"


class Grid(Sweeper):
    """All combinations of all values.

    Args:
        params: values by key; typed overrides take their place.
        max_batch_size: jobs that are stored and run before the next are; None: all.
    """

    def __init__(self, params: dict[str, str] | None, max_batch_size: int | None = None) -> None:
        self._params, self._size = params or {}, max_batch_size

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Makes the launcher that will run the jobs; none of Hydra's own, which would know nothing of variants."""
        from leyden.bench.config.compose import ConfigError

        self._config, self._loader = config, hydra_context.config_loader
        launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )
        if not isinstance(launcher, Processes):
            raise ConfigError(["hydra/launcher: should be one of processes, slurm, ray"])
        self._launcher = launcher

    def overrides(self, arguments: list[str]) -> list[str]:
        """The lab's own sweep, then what was typed; what cannot be applied is refused."""
        from leyden.bench.config.compose import ConfigError
        from leyden.bench.config.overrides import wrong_overrides
        from leyden.bench.config.variants import spelled_out

        if not isinstance(self._params, Mapping):
            raise ConfigError([f"hydra.sweeper.params: should be values by key, is {self._params!r}"])
        params = (f"{key}={values}" for key, values in self._params.items())
        overrides = spelled_out([*params, *arguments], list(self._config.lab.variants))
        if wrong := wrong_overrides([*self._config.hydra.overrides.hydra, *overrides]):
            raise ConfigError(wrong.values())
        return overrides

    def sweep(self, arguments: list[str]) -> None:
        """Runs all jobs."""
        from leyden.bench.config.compose import ConfigError
        from leyden.bench.config.grid import grid

        jobs = grid(self.overrides(arguments), self._loader)
        OmegaConf.save(self._config, Path(self._config.hydra.sweep.dir) / "multirun.yaml")
        size = len(jobs) if self._size is None else self._size
        if not isinstance(size, int) or size < 1:
            raise ConfigError([f"hydra.sweeper.max_batch_size: should be a number from 1 on, or null, is {size!r}"])
        if size < len(jobs):
            self._launcher.check(jobs)
        for first in range(0, len(jobs), size):
            self._launcher.launch(jobs[first : first + size], first)


class Optuna(Grid):
    """Asks Optuna what to try, and tells it what came out.

    Args:
        params: values to choose from by key; typed overrides take their place.
        settings: the others, see ``conf/hydra/sweeper/optuna.yaml``.
    """

    def __init__(self, params: dict[str, str] | None, **settings: Any) -> None:
        super().__init__(params)
        self._settings = settings

    def sweep(self, arguments: list[str]) -> None:
        """Searches."""
        with _needs("optuna"):
            from leyden.bench.search.search import search
        search(self._launcher, self._loader, self._config, self.overrides(arguments), self._settings)
