"""A callback that evaluates what an earlier run has learned, with other options, instead of training."""

from pathlib import Path

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, ModelCheckpoint

from leyden.nets.weight_file import load_stored
from leyden.nets.weight_names import misfits
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
        stored = load_stored(file, "callbacks.pretrained.record")
        kind = type(pl_module)
        if stored.get("technique") != f"{kind.__module__}.{kind.__qualname__}":
            raise ValueError(f"{file} is of {stored.get('technique')}: choose the model of that run")
        wrong = misfits(stored["state_dict"], pl_module.state_dict())
        if wrong:
            more = f" and {len(wrong) - 4} more" if len(wrong) > 4 else ""
            listed = "; ".join(wrong[:4]) + more
            raise ValueError(f"{file} does not fit, choose model and data as that run had them: {listed}")
        pl_module.load_state_dict(stored["state_dict"])
        checkpoint = next(part for part in trainer.checkpoint_callbacks if isinstance(part, ModelCheckpoint))
        trainer.save_checkpoint(checkpoint.format_checkpoint_name({}))
