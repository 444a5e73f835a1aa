"""A callback by which a run ends, or waits to be ended, at a step, the first times that it comes so far."""

import contextlib
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback


class Fault(Callback):
    """Does what ``kind`` says: raise, kill (as if for lack of memory), exit (without a word) or wait; else nothing.

    Args:
        kind: see above.
        notes: folder where a file notes each time that it was done, named after the run's folder.
        times: after so many it is done no more.
        step: behind which it is done.
    """

    def __init__(self, kind: str, notes: str, times: int = 1, step: int = 3) -> None:
        self.kind, self.notes, self.times, self.step = kind, Path(notes), times, step

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self.kind not in ("raise", "kill", "exit", "wait") or trainer.global_step != self.step:
            return
        job = Path(trainer.default_root_dir).name
        done = len(list(self.notes.glob(f"{job}.*")))
        if done == self.times:
            return
        self.notes.mkdir(exist_ok=True)
        (self.notes / f"{job}.{done}").touch()
        if self.kind == "raise":
            raise ValueError("this is what went wrong")
        if self.kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.kind == "exit":
            print("the last words of a library", flush=True)
            os._exit(9)
        time.sleep(120)


class Fill(Callback):
    """Once, behind the fourth step, fills the disk that the process works on; a file ``filling`` is what does it.

    Raises:
        RuntimeError: it is no small disk that a test has made for this.
    """

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if trainer.global_step != 4 or Path("filled").exists():
            return
        if shutil.disk_usage(".").total > 2**26:
            raise RuntimeError("this disk is no test's own")
        Path("filled").touch()
        with contextlib.suppress(OSError), open("filling", "wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
