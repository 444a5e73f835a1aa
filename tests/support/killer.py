"""A callback that ends the process at a step that a variable names: by SIGKILL, as the out-of-memory killer would."""

import os
import signal
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback


class Killer(Callback):
    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if str(trainer.global_step) == os.environ.get("LEYDEN_KILL_AT_STEP"):
            os.kill(os.getpid(), signal.Signals[os.environ.get("LEYDEN_KILL_BY", "SIGKILL")])
