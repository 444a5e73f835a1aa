"""What the bench costs: a `leyden run` against a hand-written PyTorch loop, in turns of some steps, in one process.

Both train the same networks with the same losses on the same images; only training steps count (no validation, no
start-up). Leyden runs with everything that it has on by default: loggers, progress, seeding per step, the guard against
NaN, checkpoints. The plain script has a standard DataLoader and a loop of `by_hand`. `make bench`, or this file with
the names of some comparisons; `CLOCK=cpu` in front counts CPU time.
"""

import contextlib
import io
import logging
import os
import random
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import by_hand  # beside this file
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch.utils.data import DataLoader, Dataset

from leyden.bench.config.compose import compose
from leyden.bench.run.run import assemble
from leyden.data.batches.gan.crops import SuperResolution
from leyden.data.columns import Images, collate
from leyden.data.module import DataModule

HERE = Path(__file__).parent

clock = time.process_time if os.environ.get("CLOCK") == "cpu" else time.perf_counter
"""CLOCK=cpu counts this process's time on processors, which says more where others wait for them, too."""
ROUNDS = 3
TURN = 20
"""Steps of the one before the other takes as many: what else the machine does then slows both alike."""


class Turns(Callback):
    """Times the training steps of a fit, and of a plain loop between them.

    Args:
        stop: ends the fit after so many steps.
    """

    other: Callable[[], None] = staticmethod(lambda: None)
    """A step of the plain loop."""

    def __init__(self, stop: int) -> None:
        self.ours = self.theirs = 0.0
        self.steps, self.stop = -TURN, stop  # what only the first steps cost is nobody's: the plain loop has a turn too

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        self.turn_of_the_other()

    def on_train_epoch_start(self, trainer: Trainer, module: LightningModule) -> None:
        self.began = clock()

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, i: int) -> None:
        self.steps += 1
        turn_ends = self.steps % TURN == 0
        if self.steps == 0:
            self.began = clock()
        elif self.steps > 0 and (turn_ends or trainer.is_last_batch):
            self.ours += clock() - self.began
            self.theirs += self.turn_of_the_other() if turn_ends else 0
            self.began = clock()
        trainer.should_stop = self.steps >= self.stop

    def turn_of_the_other(self) -> float:
        began = clock()
        for _ in range(TURN):
            self.other()
        return clock() - began

    def result(self) -> tuple[float, float]:
        """Milliseconds per step of the fit and of the plain loop, the first ones of both left out."""
        return self.ours / self.steps * 1e3, self.theirs / max(self.steps // TURN * TURN, 1) * 1e3


def with_leyden(words: list[str], steps: int, other: Callable[[], None] = lambda: None) -> tuple[float, float]:
    composed = compose([*words, "+callbacks.turns._target_=steps.Turns", f"+callbacks.turns.stop={steps}"])
    config = composed.config
    # First in the list, so that its last look at the clock comes before other callbacks write a checkpoint.
    config["callbacks"] = {"turns": config["callbacks"].pop("turns"), **config["callbacks"]}
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        data, model, trainer = assemble(config, Path(folder), composed.allow)
        turns = next(c for c in trainer.callbacks if type(c).__name__ == "Turns")
        turns.other = other
        trainer.fit(model, data)
    return turns.result()


def with_lightning(words: list[str], steps: int, other: Callable[[], None]) -> tuple[float, float]:
    """The least that Lightning's loop can cost: the same data and module, no logger and no callback but the watch."""
    data, model, ours = bare(words)
    turns = Turns(steps)
    turns.other = other
    off = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    limits: dict[str, Any] = {"max_steps": ours.max_steps, "max_epochs": -1, "limit_val_batches": 0}
    Trainer(accelerator="cpu", precision=ours.precision, callbacks=[turns], **limits, **off).fit(model, data)
    return turns.result()


def by_a_loop(words: list[str], make: Callable[[Any], by_hand.Step]) -> Callable[[], None]:
    """What everybody writes: a step of it."""
    data, model, trainer = bare(words)
    step, batches = make(model.train()), batches_of(data)
    mixed = trainer.precision == "bf16-mixed"

    def next_step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            step(*next(batches))

    return next_step


def bare(words: list[str]) -> tuple[DataModule, LightningModule, Trainer]:
    """A lab without what watches it."""
    composed = compose(words)
    config = {**composed.config, "logger": {}, "callbacks": {}}
    return assemble(config, Path(tempfile.mkdtemp()), composed.allow)


class Crops(Dataset):
    """Random crops of whole pictures, turned and mirrored."""

    def __init__(self, data: SuperResolution) -> None:
        self.pictures, self.side, self.count = data.split("train").images, data.image_size, data.epoch_size

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Images:
        picture = self.pictures[index % len(self.pictures)]
        top, left = (random.randrange(length - self.side + 1) for length in picture.shape[1:])
        crop = picture[:, top : top + self.side, left : left + self.side]
        crop = crop.flip(2) if random.random() < 0.5 else crop
        return Images(torch.rot90(crop, random.randrange(4), (1, 2)))


def batches_of(data: DataModule) -> Iterator[Any]:
    """What everybody writes: a shuffling DataLoader over single examples, and the technique's own augmentation."""
    split = Crops(data) if isinstance(data, SuperResolution) else data.split("train")
    loader = DataLoader(split, data.batch_size, shuffle=True, drop_last=True, collate_fn=collate)  # type: ignore[arg-type]
    while True:
        for batch in loader:
            if data.augment is not None:
                batch = data.augment(batch, torch.rand(len(batch[0]), data.augment.draws))
            yield batch


PHOTOGRAPHS = ["experiment=gan_srgan", "trainer.check_val_every_n_epoch=1", "trainer.val_check_interval=1.0"]
COMPARISONS = {
    "MLP, 128 digits": (
        [f"hydra.searchpath=[file://{HERE}/conf]", "model=mlp", "~experiment", "data=transfer/images",
         "data.batch_size=128", "data.epoch_size=51200", "trainer.log_every_n_steps=50"],
        4000,
        by_hand.classifier,
    ),
    "gan_vanilla": (["experiment=gan_vanilla"], 320, by_hand.gan),
    "gan_conditional": (["experiment=gan_conditional"], 160, by_hand.conditional),
    "gan_dcgan": (["experiment=gan_dcgan"], 160, by_hand.gan),
    "gan_adapt_artwork": (["experiment=gan_adapt_artwork", "model.source_steps=1"], 160, by_hand.adaptation),
    "gan_lapgan": (["experiment=gan_lapgan"], 160, by_hand.lapgan),
    "gan_stylegan": (["experiment=gan_stylegan"], 60, by_hand.stylegan),
    "gan_colourise": (["experiment=gan_colourise"], 160, by_hand.colourise),
    "gan_inpaint": (["experiment=gan_inpaint"], 160, by_hand.context_encoder),
    "gan_srgan, MSE": ([*PHOTOGRAPHS, "model.mse_steps=null"], 60, by_hand.srresnet),
    "gan_srgan, game": ([*PHOTOGRAPHS, "model.mse_steps=0"], 60, by_hand.srgan),
    "gan_shapes": (["experiment=gan_shapes"], 80, by_hand.voxels),
    "gan_shapes_prgan": (["experiment=gan_shapes_prgan"], 80, by_hand.prgan),
    "detection_ssd": (["experiment=detection_ssd", "data.source.train=960"], 40, by_hand.detector),
}  # fmt: skip
QUIET = ["trainer.limit_val_batches=0", "trainer.max_epochs=-1", "trainer.max_steps=1000000"]
"""The fit is stopped after the first steps of a long one: for so few the twelve images of a training would be many."""


def main() -> None:
    warnings.filterwarnings("ignore")
    logging.disable()
    print(f"ms per training step, medians of {ROUNDS} rounds, {torch.get_num_threads()} threads")
    for name in sys.argv[1:] or COMPARISONS:
        words, steps, plain = COMPARISONS[name]
        words = words + QUIET
        rounds = [
            (*with_leyden(words, steps, step), *with_lightning(words, steps, step))
            for step in (by_a_loop(words, plain) for _ in range(ROUNDS))
        ]
        ours, theirs, least, _ = (median(side) for side in zip(*rounds, strict=True))
        ratio, floor = median(a / b for a, b, _, _ in rounds), median(c / d for _, _, c, d in rounds)
        print(
            f"{name:16}  leyden {ours:7.2f}  plain {theirs:7.2f}  ratio {ratio:.2f}"
            f"   Lightning alone {least:7.2f}  ratio {floor:.2f}",
            flush=True,
        )


if __name__ == "__main__":
    os.environ.setdefault("PYTHONHASHSEED", "0")
    main()
