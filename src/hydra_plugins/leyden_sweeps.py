"""What Hydra finds in this namespace: the launchers of ``leyden run -m``, and the sweeper that it uses unless told.

Every Hydra program of the environment imports this file, so it is light; what it does is in ``leyden.bench``. All
launchers do the same but for the engine that starts the jobs.
"""

from collections.abc import Sequence
from pkgutil import resolve_name
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf


class Processes(Launcher):
    """Checks and stores all jobs, then runs each as a process of its own, some at a time (``sweep.jobs``)."""

    engine = "leyden.bench.sweep.executor.Pool"
    """What starts the jobs: a class that takes the keys of the launcher's YAML file."""

    def __init__(self, **settings: Any) -> None:
        self._settings = settings

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keeps what composes the jobs; the task function is for launchers that run jobs in their own process."""
        self._loader, self._config = hydra_context.config_loader, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Runs a batch of jobs; the value of one that failed is nan."""
        from leyden.bench.sweep.store import launch

        settings: Any = OmegaConf.to_container(OmegaConf.create(self._settings), resolve=True)
        return launch(self._loader, self._config, job_overrides, initial_job_idx, resolve_name(self.engine)(**settings))


class Joblib(Processes):
    """The same with joblib's threads to look after the processes."""

    engine = "leyden.bench.sweep.ray_executor.Joblib"


class Ray(Processes):
    """The same with tasks of Ray, here or on a cluster."""

    engine = "leyden.bench.sweep.ray_executor.Ray"


class SubmititLocal(Processes):
    """The same by way of submitit, on this machine."""

    engine = "leyden.bench.sweep.slurm.Local"


class SubmititDebug(Processes):
    """The same by way of submitit, in this process."""

    engine = "leyden.bench.sweep.slurm.Debug"


class SubmititSlurm(Processes):
    """The same on a Slurm cluster, as an array of jobs."""

    engine = "leyden.bench.sweep.slurm.Slurm"


class Grid(BasicSweeper):
    """Hydra's own, all combinations of all values; what it would compose only to see whether it can is left out.

    The launcher does that, and reports the mistakes of all jobs together.
    """

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        """Leaves it to the launcher."""
