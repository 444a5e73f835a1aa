"""What Hydra finds in this namespace: the launcher and the sweeper that ``leyden run -m`` uses unless told otherwise.

Every Hydra program of the environment imports this file, so it is light; what it does is in ``leyden.bench``.
"""

from collections.abc import Sequence

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class Processes(Launcher):
    """Checks and stores all jobs, then runs each as a process of its own, some at a time (``sweep.jobs``)."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keeps what composes the jobs; the task function is for launchers that run jobs in their own process."""
        self._loader, self._config = hydra_context.config_loader, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Runs a batch of jobs; the value of one that failed is nan."""
        from leyden.bench.launcher import launch

        return launch(self._loader, self._config, job_overrides, initial_job_idx)


class Grid(BasicSweeper):
    """Hydra's own, all combinations of all values; what it would compose only to see whether it can is left out.

    The launcher does that, and reports the mistakes of all jobs together.
    """

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        """Leaves it to the launcher."""
