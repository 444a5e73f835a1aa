"""Two processes make the steps that one makes on the same global batch; learning rates change only if asked to."""

import logging
from pathlib import Path

import pytest
import torch
from global_batch import FAMILIES, train
from lightning import Callback, LightningModule, Trainer, seed_everything
from ranks import run_two_ranks
from typist import Typist

from leyden.training.global_batch import GlobalBatch

SCRIPT = """
import sys, torch
from global_batch import FAMILIES, train

torch.save({family: train(family, 2) for family in FAMILIES}, f"{sys.argv[2]}/{sys.argv[1]}.pt")
"""


@pytest.fixture(scope="module")
def ranks(typist: Typist, tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    folder: Path = tmp_path_factory.mktemp("ranks")
    return run_two_ranks(typist, SCRIPT, folder)


@pytest.mark.parametrize("family", FAMILIES)
def test_two_processes_learn_what_one_learns(family: str, ranks: list[dict]) -> None:
    first, second = (rank[family] for rank in ranks)
    alone = train(family, 1)
    for name, value in alone.items():
        assert torch.equal(first[name], second[name]), name
        torch.testing.assert_close(first[name], value, rtol=1e-3, atol=1e-5, msg=lambda text, n=name: f"{n}: {text}")


class Rates(Callback):
    """The learning rates with which each batch is met."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_train_batch_start(self, trainer: Trainer, module: LightningModule, batch: object, batch_idx: int) -> None:
        self.seen.append(trainer.optimizers[0].param_groups[0]["lr"])


def fit(folder: Path, scale_lr: bool, epochs: int = 4, start: Path | None = None) -> list[float]:
    """Learning rates of a run whose steps take two batches, along a cosine."""
    seed_everything(0, verbose=False)
    data, model, _ = FAMILIES["finetune"](16)
    rates = Rates()
    trainer = Trainer(
        accelerator="cpu", devices=1, max_epochs=4, limit_val_batches=0, num_sanity_val_steps=0,
        accumulate_grad_batches=2, callbacks=[GlobalBatch(scale_lr), rates], enable_checkpointing=False, logger=False,
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    if epochs < 4:
        trainer.callbacks.append(StopAfter(epochs, folder / "last.ckpt"))
    trainer.fit(model, data, ckpt_path=start, weights_only=True)
    return rates.seen


class StopAfter(Callback):
    def __init__(self, epochs: int, file: Path) -> None:
        self.epochs, self.file = epochs, file

    def on_train_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        if trainer.current_epoch + 1 == self.epochs:
            trainer.save_checkpoint(self.file)
            trainer.should_stop = True


def test_rates_are_scaled_once_if_asked(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    configured = fit(tmp_path, scale_lr=False)
    assert "global batch: 32 = 16 x 1 processes x 2 accumulated; learning rates as configured" in caplog.text
    scaled = fit(tmp_path, scale_lr=True)
    assert "learning rates multiplied by 2" in caplog.text
    assert len(set(configured)) > 4
    assert scaled == pytest.approx([2 * rate for rate in configured])
    fit(tmp_path, scale_lr=True, epochs=2)
    resumed = fit(tmp_path, scale_lr=True, start=tmp_path / "last.ckpt")
    assert resumed == pytest.approx(scaled[len(scaled) // 2 :])
