"""Base of learners without gradient descent: a closed form or a scikit-learn fit, whose result lives in buffers.

To the bench an estimator is a technique like any other. Its whole fit is one training step: the first step computes the
estimate from all training examples, the run validates and ends, whatever ``trainer.max_epochs`` is. So a run that was
killed before that step begins again, one that was killed behind it has the estimate in its checkpoint, and
``best.ckpt``, ``load_from_checkpoint(weights_only=True)``, ``leyden predict`` and ``leyden resume`` work as they do
elsewhere.
"""

from typing import Any

import torch
from lightning import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from leyden.core.attached import attached_data


def register_estimates(module: nn.Module, *names: str) -> None:
    """Registers buffers whose shapes only the data decide: empty now, and as they were stored after loading.

    Args:
        module: whose ``state_dict`` carries them; assign tensors to them once they are known.
        names: of the buffers.
    """
    for name in names:
        module.register_buffer(name, torch.empty(0))

    def take_shapes(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
        for name in names:
            stored = state.get(prefix + name)
            if stored is not None:
                setattr(module, name, torch.empty_like(stored, device=getattr(module, name).device))

    module.register_load_state_dict_pre_hook(take_shapes)


class EstimatorTask(LightningModule):
    """Base of techniques that are fitted at once; a child adds ``estimate``, ``validation_step`` and ``test_step``.

    It can stand beside another base, before it: ``class TCA(EstimatorTask, ClassifierTask)``; arguments are passed on.

    Each process computes the same estimate from all examples. Nothing is learnt by gradients: the one parameter is
    there because Lightning counts optimizer steps and DDP wants a parameter, and it stays 0.
    """

    automatic_optimization = False

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.fitted: Tensor
        self.register_buffer("fitted", torch.zeros((), dtype=torch.bool))
        self.unused = nn.Parameter(torch.zeros(()))

    def estimate(self, data: LightningDataModule) -> dict[str, float]:
        """Computes the estimate from the training examples and keeps it in buffers (``register_estimates``).

        Args:
            data: of the trainer; its training split is to be read as a whole, in order.

        Returns:
            Figures to be logged, such as ``{"train/mmd": 0.12}``.

        Raises:
            ValueError: data of another kind.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how it is fitted")

    def training_step(self, batch: Any, batch_index: int) -> Tensor:
        """Fits, unless that is done, and ends the training; the batch is not used."""
        if not self.fitted:
            data = attached_data(self.trainer, LightningDataModule)
            if data is None:
                raise ValueError(f"{type(self).__name__} is fitted to a DataModule: call trainer.fit(model, data)")
            with torch.no_grad():
                self.log_dict(self.estimate(data), on_step=False, on_epoch=True, batch_size=1)
            self.fitted.fill_(True)
            step: Any = self.optimizers()
            step.step()
        self.trainer.should_stop = True
        return torch.zeros((), device=self.device)

    def configure_optimizers(self) -> Optimizer:
        """One that changes nothing: its step is counted, so that checkpoints and curves have a step to stand at."""
        return SGD([self.unused], lr=0.0)

    def check_fitted(self) -> None:
        """Refuses to predict before the fit.

        Raises:
            ValueError: nothing was fitted or loaded.
        """
        if not self.fitted:
            raise ValueError(f"{type(self).__name__} is not fitted: train it, or load a checkpoint")
