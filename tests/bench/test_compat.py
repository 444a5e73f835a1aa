"""Fails where a new version of a library changes what ``leyden.bench.compat`` rests on."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.demos.boring_classes import BoringModel
from lightning.pytorch.utilities.rank_zero import rank_zero_only

import leyden
from leyden.bench.compat import begin_with_next_epoch, cpu_multiplies_bf16, rank

PRIVATE = (
    r"hydra\._internal",
    r"_current_fx_name",
    r"\.__setattr__ =",
    r"ConfigLoaderImpl",
    r"\._kwargs\b",
    r"_is_mkldnn_bf16",
    r"_is_avx512",
    r"_foreach_lerp_",
    r"\._trial_id",
    r"forkserver\.ensure_running",
    r"HydraConfig\.instance\(\)\.cfg",
    r"\b_LPIPS\b",
    r"_batches_that_stepped",
    r"__signature__",
)
PACKAGE = Path(leyden.__file__).parent


@pytest.mark.parametrize("folder", [PACKAGE, PACKAGE.parent / "hydra_plugins"])
def test_private_names_stand_in_compat_alone(folder: Path) -> None:
    found = [
        f"{file.relative_to(PACKAGE.parent)}: {pattern}"
        for file in folder.rglob("*.py")
        if file.name != "compat.py"
        for pattern in PRIVATE
        if re.search(pattern, file.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_rank_is_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    assert rank() == 0
    monkeypatch.setattr(rank_zero_only, "rank", 3)
    assert rank() == 3


def test_cpu_knows_its_bf16() -> None:
    assert isinstance(cpu_multiplies_bf16(), bool)
    if os.uname().machine == "x86_64":
        assert "avx512_bf16" in torch.cpu.get_capabilities()
    else:
        assert callable(torch.ops.mkldnn._is_mkldnn_bf16_supported)


class Saves(Callback):
    def __init__(self, file: Path) -> None:
        self.file = file

    def on_train_epoch_end(self, trainer: Trainer, module: Any) -> None:
        trainer.save_checkpoint(self.file)


class Counts(Callback):
    def __init__(self, mend: bool) -> None:
        self.mend, self.begun = mend, list[tuple[int, int]]()

    def on_load_checkpoint(self, trainer: Trainer, module: Any, checkpoint: dict[str, Any]) -> None:
        if self.mend:
            begin_with_next_epoch(checkpoint)

    def on_train_batch_start(self, trainer: Trainer, module: Any, batch: Any, batch_idx: int) -> None:
        self.begun.append((trainer.current_epoch, batch_idx))


def fit(steps: int, *callbacks: Callback, start: Path | None = None) -> Trainer:
    off = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    trainer = Trainer(
        accelerator="cpu", max_steps=steps, limit_train_batches=4, limit_val_batches=0, callbacks=list(callbacks), **off
    )
    trainer.fit(BoringModel(), ckpt_path=start, weights_only=True)
    return trainer


def test_fit_goes_on_with_the_next_epoch(tmp_path: Path) -> None:
    file = tmp_path / "last.ckpt"
    fit(4, Saves(file))
    mended, as_it_is = Counts(mend=True), Counts(mend=False)
    trainer = fit(10, mended, start=file)
    assert mended.begun == [(1, 0), (1, 1), (1, 2), (1, 3), (2, 0), (2, 1)]
    assert (trainer.global_step, trainer.current_epoch) == (10, 3)
    fit(10, as_it_is, start=file)
    assert as_it_is.begun != mended.begun  # when this fails, Lightning has mended issue 19617: take the function out


def test_lightning_refuses_builders_that_checkpoints_name(tmp_path: Path) -> None:
    """The reason why it must be 2.6.6 or later."""
    content = {"hyper_parameters": {"_instantiator": "os.getcwd"}, "state_dict": BoringModel().state_dict()}
    torch.save({**content, "pytorch-lightning_version": "2.6.6"}, tmp_path / "a.ckpt")
    with pytest.raises(ValueError, match="allowlist of trusted"):
        BoringModel.load_from_checkpoint(tmp_path / "a.ckpt", weights_only=True)
