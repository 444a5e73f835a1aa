"""A callback that evaluates what an earlier run has learned, with other options, instead of training."""

from pathlib import Path

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, ModelCheckpoint

from leyden.nets.weights import best_checkpoint


class Pretrained(Callback):
    """Loads all weights of an earlier run, heads too, into a run that trains nothing (``trainer.max_epochs=0``).

    They become the run's best checkpoint, which is tested, exported and asked as any other.

    Args:
        record: folder of that run, or of several: the newest.
    """

    def __init__(self, record: str) -> None:
        self.record = Path(record)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Loads the weights and saves them as the run's best checkpoint.

        Raises:
            FileNotFoundError: there is no such run.
            ValueError: it trained another technique, or the same for other classes, sizes or networks.
        """
        file = best_checkpoint(self.record, "callbacks.pretrained.record")
        stored = torch.load(file, map_location="cpu", weights_only=True)
        kind = type(pl_module)
        if stored["technique"] != f"{kind.__module__}.{kind.__qualname__}":
            raise ValueError(f"{file} is of {stored['technique']}: choose the model of that run")
        try:
            pl_module.load_state_dict(stored["state_dict"])
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:300]
            raise ValueError(f"{file} does not fit, choose model and data as that run had them: {reason}") from error
        checkpoint = next(part for part in trainer.checkpoint_callbacks if isinstance(part, ModelCheckpoint))
        trainer.save_checkpoint(checkpoint.format_checkpoint_name({}))
