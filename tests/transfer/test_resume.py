"""A run that is stopped at any step and goes on from its checkpoint ends as one that was left alone, bit for bit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from leyden.transfer.finetune.finetune import Finetune

CACHED: dict[str, Any] = {"degrees": 10, "views": 2}


@pytest.mark.parametrize(
    ("data", "arguments"),
    [
        ({}, {"strategy": "full"}),
        ({}, {"strategy": "gradual"}),
        ({}, {"strategy": "gradual", "gradual": {"unfreeze_every": 2}, "fixed_statistics": True}),
        ({}, {"strategy": "l2_sp"}),
        ({}, {"strategy": "adapter", "head": "linear", "dropout": 0.0}),
        ({}, {"strategy": "head", "cache": None}),
        (CACHED, {"strategy": "head"}),
        (CACHED, {"strategy": "truncate", "truncate": {"at": "stage1"}}),
    ],
)
def test_resumed_is_undisturbed(
    data: dict,
    arguments: dict,
    new_data: Callable,
    new_model: Callable,
    new_trainer: Callable,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = new_model(new_data(**data), embedding=5, **arguments)
    keep = ModelCheckpoint(tmp_path, filename="{step}", every_n_train_steps=1, save_top_k=-1)
    new_trainer(max_epochs=4, enable_checkpointing=True, callbacks=[keep]).fit(whole, new_data(**data))
    monkeypatch.setattr("leyden.transfer.finetune.pretraining.pretrain", lambda *_: pytest.fail("pre-trained again"))
    for step in (1, 3, 4, 5):  # two steps an epoch: in the middle of one, and at its end
        torch.manual_seed(step)
        resumed = new_model(new_data(**data), embedding=5, **arguments)
        new_trainer(max_epochs=4).fit(resumed, new_data(**data), ckpt_path=str(tmp_path / f"step={step}.ckpt"))
        for (key, value), other in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
            assert torch.equal(value, other), (step, key)
        assert torch.equal(resumed.before, whole.before)


def test_a_trained_model_is_not_prepared_again(
    new_data: Callable, new_model: Callable, new_trainer: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Training goes on from a loaded checkpoint's weights, neither inherited nor imprinted anew."""
    data = new_data()
    model, trainer = new_model(data), new_trainer(max_epochs=1)
    trainer.fit(model, data)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    monkeypatch.setattr("leyden.transfer.finetune.pretraining.pretrain", lambda *_: pytest.fail("pre-trained again"))
    loaded = Finetune.load_from_checkpoint(tmp_path / "a.ckpt", weights_only=True, lr=0.0)
    new_trainer(max_epochs=1).fit(loaded, data)
    trained = dict(model.named_parameters())
    assert all(torch.equal(parameter, trained[key]) for key, parameter in loaded.named_parameters())
