"""What a run would stumble over is refused before; each of these passes Lightning's own constructor or fails in it."""

import math
from datetime import timedelta
from typing import Any

import pytest

from leyden.training.trainer import refuse_few_batches, trainer_mistakes

CPU = {"accelerator": "cpu", "devices": 1, "max_epochs": 1, "max_steps": -1, "strategy": "auto"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("devices", value) for value in ([0], 0, -1, [], "0", "x", [0, 1])),
        *(("strategy", value) for value in ("fsdp", "ddp_spawn", "ddp_notebook", "nothing", "deepspeed", "dp", "")),
        *(("precision", value) for value in ("8", "x", "transformer-engine", 0, 16, "16-true", "16-mixed")),
        *(("accelerator", value) for value in ("tpu", "x", "")),
        *(("max_epochs", value) for value in (0, -2, -1)),
        *(("max_steps", value) for value in (0, -2)),
        *(("limit_train_batches", value) for value in (0, 0.0, -1, 1.5, math.nan)),
        *(("limit_val_batches", value) for value in (0, 1.01)),
        *(("limit_test_batches", value) for value in (0, -0.5)),
        *(("val_check_interval", value) for value in (0, 0.0, -3, 2.5, "soon")),
        *(("check_val_every_n_epoch", value) for value in (0, -1)),
        *(("log_every_n_steps", value) for value in (0, -1)),
        *(("accumulate_grad_batches", value) for value in (0, -1)),
        *(("gradient_clip_val", value) for value in (-1, math.nan)),
        ("gradient_clip_algorithm", "most"), ("num_nodes", 0), ("profiler", "x"),
        *(("max_time", value) for value in ("long", "", "00:00:00:00", "1:30", {}, {"weks": 1}, {"minutes": -1})),
        ("fast_dev_run", True), ("barebones", True), ("enable_checkpointing", False), ("num_sanity_val_steps", -2),
        *(("overfit_batches", value) for value in (-1, 1.5, math.nan)), ("limit_predict_batches", math.nan),
        ("min_epochs", 3), ("reload_dataloaders_every_n_epochs", -1),
    ],
)  # fmt: skip
def test_what_no_run_survives_is_named(name: str, value: Any) -> None:
    assert list(trainer_mistakes({**CPU, name: value}, False)) == [name]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("devices", 2), ("devices", "auto"), ("max_time", "00:01:00:00"), ("limit_val_batches", 1), ("strategy", "ddp"),
        ("limit_val_batches", 1.0), ("gradient_clip_val", 0.5), ("accumulate_grad_batches", 4),
        ("precision", "bf16-mixed"), ("overfit_batches", 0.0), ("overfit_batches", 2), ("limit_predict_batches", 0),
        ("devices", "3"), ("max_time", {"minutes": 90}), ("max_time", timedelta(hours=1)),
        ("val_check_interval", 0.25), ("max_steps", 5), ("deterministic", "warn"), ("accelerator", "auto"),
    ],
)  # fmt: skip
def test_what_runs_is_let_through(name: str, value: Any) -> None:
    assert trainer_mistakes({**CPU, name: value}, False) == {}


@pytest.mark.parametrize(
    ("name", "value", "cure"),
    [
        ("devices", 0, "is 0: on a CPU it should be a number of processes from 1, or auto"),
        (
            "overfit_batches",
            math.nan,
            "should be a number of batches from 1, or a share above 0.0 up to 1.0, or 0 for none",
        ),
        ("devices", [], "is []: on a CPU it should be a number of processes from 1, or auto"),
        ("max_time", "soon", "is 'soon': should be a duration, such as '00:01:30:00' (days first)"),
    ],
)
def test_the_cure_is_ours(name: str, value: Any, cure: str) -> None:
    assert trainer_mistakes({**CPU, name: value}, False)[name].startswith(cure)


def test_weights_from_elsewhere_need_no_epoch() -> None:
    assert trainer_mistakes({**CPU, "max_epochs": 0}, False, learnt=True) == {}


@pytest.mark.parametrize("steps", [-1, 10])
def test_only_a_run_without_end_is_refused(steps: int) -> None:
    endless = {**CPU, "max_epochs": -1, "max_steps": steps}
    assert list(trainer_mistakes(endless, False)) == ["max_epochs"][: steps == -1]
    assert trainer_mistakes(endless, False, ends=True) == {}


def test_gradients_of_own_steps_are_not_lightnings() -> None:
    given = {**CPU, "gradient_clip_val": 1.0, "gradient_clip_algorithm": "value", "accumulate_grad_batches": 2}
    assert list(trainer_mistakes(given, True)) == [*given][-3:]
    assert trainer_mistakes({**CPU, "gradient_clip_val": 0, "accumulate_grad_batches": 1}, True) == {}


def test_two_arguments_that_exclude_each_other() -> None:
    wrong = trainer_mistakes({**CPU, "val_check_interval": 0.5, "check_val_every_n_epoch": None}, False)
    assert "should be an integer" in wrong["val_check_interval"]


class Batches:
    """Five of each split."""

    def train_dataloader(self) -> range:
        return range(5)

    val_dataloader = test_dataloader = train_dataloader


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"limit_train_batches": 1e-9}, r"trainer\.limit_train_batches=1e-09: is less than one of 5 batches"),
        ({"limit_test_batches": 0.1}, r"trainer\.limit_test_batches=0\.1: is less than one of 5 batches"),
        ({"val_check_interval": 6}, r"val_check_interval=6: an epoch has 5 batches.*check_val_every_n_epoch=null"),
        ({"val_check_interval": 3, "limit_train_batches": 2}, r"val_check_interval=3: an epoch has 2 batches"),
        ({"val_check_interval": 3, "limit_train_batches": 0.4}, r"val_check_interval=3: an epoch has 2 batches"),
    ],
)
def test_too_few_batches_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        refuse_few_batches({"check_val_every_n_epoch": 1, **given}, Batches)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "given",
    [
        {"limit_train_batches": 0.2},
        {"limit_val_batches": 1, "limit_test_batches": 1.0},
        {"val_check_interval": 5},
        {"val_check_interval": 99, "check_val_every_n_epoch": None},
        {"val_check_interval": 0.1},
    ],
)
def test_enough_batches_are_let_through(given: dict[str, Any]) -> None:
    refuse_few_batches({"check_val_every_n_epoch": 1, **given}, Batches)  # type: ignore[arg-type]
