"""What Hydra finds for ``hydra/sweeper=optuna``; as light as its neighbour, what it does is in ``leyden.bench``."""

from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class Optuna(Sweeper):
    """Asks Optuna what to try, and tells it what came out.

    Args:
        params: values to choose from by key; typed words take their place.
        settings: the others, see ``conf/hydra/sweeper/optuna.yaml``.
    """

    def __init__(self, params: dict[str, str] | None, **settings: Any) -> None:
        self._params, self._settings = params or {}, settings

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keeps what composes trials, and makes the launcher that will run them."""
        self.config, self.hydra_context = config, hydra_context
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Searches, with the words that were typed."""
        from leyden.bench.config.compose import ConfigError

        try:
            from leyden.bench.search.search import search
        except ImportError as error:
            message = f"hydra/sweeper=optuna needs a package more ({error}): pip install 'leyden[optuna]'"
            raise ConfigError([message]) from error
        assert self.config is not None
        assert self.launcher is not None
        assert self.hydra_context is not None
        words = [*(f"{key}={values}" for key, values in self._params.items()), *arguments]
        search(self.launcher.launch, self.hydra_context.config_loader, self.config, words, self._settings)
