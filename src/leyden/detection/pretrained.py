"""In the place of training: a detector as an earlier run has left it, to be judged by other rules."""

from pathlib import Path

import torch
from lightning import Trainer
from lightning.pytorch.callbacks import Callback, ModelCheckpoint

from leyden.detection.detector import Detector


class Pretrained(Callback):
    """Puts all that an earlier run has learnt, heads too, into a run that learns nothing (``trainer.max_epochs=0``).

    It becomes the run's best checkpoint, so that this is tested, exported and asked as any other.

    Args:
        record: folder of that run, or of several: the newest.
    """

    def __init__(self, record: str) -> None:
        self.record = Path(record)

    def on_fit_end(self, trainer: Trainer, pl_module: Detector) -> None:  # type: ignore[override]  # of detectors only
        """Loads and saves it.

        Raises:
            FileNotFoundError: there is no such run.
            ValueError: it learnt another technique, or the same for other classes, sizes or networks.
        """
        files = sorted(self.record.glob("**/checkpoints/best.ckpt"), key=lambda file: file.stat().st_mtime)
        if not files:
            raise FileNotFoundError(
                f"callbacks.inherited.record: {self.record} holds no record with checkpoints/best.ckpt; "
                "run that lab first"
            )
        stored = torch.load(files[-1], map_location="cpu", weights_only=True)
        kind = type(pl_module)
        if stored["technique"] != f"{kind.__module__}.{kind.__qualname__}":
            raise ValueError(f"{files[-1]} is of {stored['technique']}: choose the model of that run")
        try:
            pl_module.load_state_dict(stored["state_dict"])
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:300]
            raise ValueError(
                f"{files[-1]} does not fit, choose model and data as that run had them: {reason}"
            ) from error
        keeper = next(part for part in trainer.checkpoint_callbacks if isinstance(part, ModelCheckpoint))
        trainer.save_checkpoint(keeper.format_checkpoint_name({}))
