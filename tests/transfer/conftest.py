"""Fine-tuning small enough to watch: 8x8 digits, a residual net of two narrow stages, a tenth of a second a run."""

from collections.abc import Callable
from typing import Any

import lightning
import pytest
import torch

from leyden.data.source.builtin.digits import Digits
from leyden.transfer.data import TransferImages
from leyden.transfer.finetune.finetune import Finetune


@pytest.fixture
def new_data() -> Callable[..., TransferImages]:
    """Five digits with two labels each; a source task of the other five."""

    def new(**arguments: Any) -> TransferImages:
        given = {"source_classes": 5, "labels_per_class": 2, "epoch_size": 32, "batch_size": 16, "degrees": 10}
        return TransferImages(Digits(), **(given | arguments))

    return new


@pytest.fixture
def new_model() -> Callable[..., Finetune]:
    """A model for the data; the same at each call."""

    def new(data: TransferImages, **arguments: Any) -> Finetune:
        torch.manual_seed(0)
        small = {
            "widths": [8, 16], "strides": [1, 2], "source_epochs": 1, "lr": 0.01, "weight_decay": 0.5, "embedding": 0
        }  # fmt: skip
        return Finetune(**data.spec, **(small | arguments))

    return new


@pytest.fixture
def new_trainer() -> Callable[..., lightning.Trainer]:
    """Two epochs on the CPU without a word."""

    def new(**arguments: Any) -> lightning.Trainer:
        quiet: dict[str, Any] = {
            "accelerator": "cpu", "max_epochs": 2, "logger": False, "enable_checkpointing": False,
            "enable_progress_bar": False, "enable_model_summary": False, "num_sanity_val_steps": 0,
        }  # fmt: skip
        return lightning.Trainer(**(quiet | arguments))

    return new


class Epochs(lightning.Callback):
    """Remembers all tensors and what the optimizer held, at the start of training and behind each epoch."""

    def __init__(self) -> None:
        self.states: list[dict[str, torch.Tensor]] = []
        self.groups: list[list[dict[str, Any]]] = []

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        self.states.append({key: value.clone() for key, value in module.state_dict().items()})
        self.groups.append([dict(group) for group in trainer.optimizers[0].param_groups])

    on_train_epoch_end = on_train_start


@pytest.fixture
def fit(new_data: Callable, new_model: Callable, new_trainer: Callable) -> Callable[..., tuple[Finetune, Epochs]]:
    """Trains a new model, by default for two epochs on new data."""

    def train(data: TransferImages | None = None, epochs: int = 2, **arguments: Any) -> tuple[Finetune, Epochs]:
        data, seen = data or new_data(), Epochs()
        model = new_model(data, **arguments)
        new_trainer(max_epochs=epochs, callbacks=[seen]).fit(model, data)
        return model, seen

    return train
