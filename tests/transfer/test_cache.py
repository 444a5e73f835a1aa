"""What frozen stages give is computed once; but for the time that takes, a cached run is the plain one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from torch import nn

from leyden.transfer.data import TransferImages
from leyden.transfer.finetune.finetune import Finetune

FROZEN: list[dict[str, Any]] = [
    {"strategy": "head", "head": "cosine"},
    {"strategy": "truncate", "truncate": {"at": "stage1"}},
    {"strategy": "last_k", "last_k": {"k": 1}},
]
AUGMENTED: list[dict[str, Any]] = [
    {"degrees": 0, "eval_batch_size": 20},
    {"degrees": 20, "shift": 0.1, "views": 2, "eval_batch_size": 20},
]


class Passes(lightning.Callback):
    """Counts the images that went through the first stage: before training, and during it."""

    def __init__(self) -> None:
        self.before = self.during = 0
        self._training = False

    def _count(self, stage: nn.Module, inputs: Any, output: Any) -> None:
        self.during += self._training * len(output)
        self.before += (not self._training) * len(output)

    def setup(self, trainer: lightning.Trainer, module: lightning.LightningModule, stage: str) -> None:
        module.net.backbone.stages["stem"].register_forward_hook(self._count)

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        self._training = True

    def on_train_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        self._training = False


@pytest.fixture
def run(new_data: Callable, new_model: Callable, new_trainer: Callable) -> Callable[..., tuple[Finetune, Passes, Any]]:
    """Three epochs, the weights inherited from nowhere: model, passes, trainer."""

    def go(data: dict[str, Any], precision: str = "32-true", **arguments: Any) -> tuple[Finetune, Passes, Any]:
        passes, source = Passes(), new_data(**data)
        model = new_model(source, **({"weights": None, "head": "linear"} | arguments))
        trainer = new_trainer(max_epochs=3, callbacks=[passes], precision=precision)
        trainer.fit(model, source)
        return model, passes, trainer

    return go


@pytest.mark.parametrize("data", AUGMENTED)
@pytest.mark.parametrize("arguments", FROZEN)
def test_cached_training_is_plain_training(arguments: dict, data: dict, run: Callable, tmp_path: Path) -> None:
    plain, through, trainer = run(data, cache=None, **arguments)
    assert through.during > 0
    for cache in ("memory", str(tmp_path)):
        cached, passes, other = run(data, cache=cache, **arguments)
        assert passes.during == 0  # neither in training nor in validation
        for (key, value), same in zip(plain.state_dict().items(), cached.state_dict().values(), strict=True):
            torch.testing.assert_close(same, value, rtol=1e-5, atol=1e-5, msg=lambda text, key=key: f"{key}: {text}")
        assert other.callback_metrics["val/accuracy"] == trainer.callback_metrics["val/accuracy"]


def test_each_image_goes_through_the_frozen_stages_once_for_each_view(run: Callable) -> None:
    _, passes, _ = run({"degrees": 10, "views": 3}, cache="memory", strategy="head")
    assert passes.before == 3 * 32 + 90


@pytest.mark.parametrize("arguments", [{"strategy": "full"}, {"strategy": "gradual"}, {"strategy": "adapter"}])
def test_where_the_first_stage_learns_or_will_nothing_is_cached(arguments: dict, run: Callable) -> None:
    _, passes, _ = run({"degrees": 0}, cache="memory", **arguments)
    assert passes.before == 0
    assert passes.during > 0


def test_ever_new_augmentations_cannot_be_cached(run: Callable, new_data: Callable) -> None:
    _, passes, _ = run({"degrees": 10, "views": None}, cache="memory", strategy="head")
    assert passes.during > 0
    with pytest.raises(ValueError, match=r"each epoch augments anew: nothing can be computed once without data\.views"):
        new_data(degrees=10).cache(lambda batches, count, what: torch.zeros(count))


def test_tests_and_predictions_work_from_images(run: Callable, new_data: Callable) -> None:
    data: dict[str, Any] = {"degrees": 0}
    model, _, trainer = run(data, cache="memory", strategy="head")
    split = new_data(**data).split("test")
    tested = trainer.test(model, trainer.datamodule, verbose=False)[0]["test/accuracy"]
    answers = model.eval()(split.columns.images).argmax(1)
    assert tested == pytest.approx(float((answers == split.columns.labels).float().mean()), abs=1e-6)
    labels = [row["label"] for row in model.predict(list(split.columns.images[:5])).rows]
    assert labels == [model.class_names[answer] for answer in answers[:5].tolist()]


@pytest.mark.parametrize("data", AUGMENTED)
def test_a_folder_of_features_serves_the_next_run(data: dict, run: Callable, tmp_path: Path) -> None:
    first, passes, _ = run(data, cache=str(tmp_path), strategy="head")
    files = sorted(tmp_path.iterdir())
    assert passes.before > 0
    assert len(files) == (2 if data["degrees"] == 0 else 3)  # validation, and training once for each view
    second, passes, _ = run(data, cache=str(tmp_path), strategy="head")
    assert (passes.before, passes.during) == (0, 0)
    assert sorted(tmp_path.iterdir()) == files
    assert all(
        torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize(
    ("data", "arguments"),
    [
        ({"labels_per_class": 3}, {}),
        ({"seed": 1}, {}),
        ({"source_classes": 4}, {}),
        ({"epoch_size": 33}, {}),
        ({"degrees": 11}, {}),
        ({"border": "reflection"}, {}),
        ({"flip": True}, {}),
        ({"crop": 0.9}, {}),
        ({"image_size": 9}, {}),
        ({}, {"precision": "bf16-mixed"}),
        ({}, {"strategy": "truncate", "truncate": {"at": "stage1"}}),
        ({}, {"widths": [8, 17]}),
    ],
)
def test_features_of_something_else_are_not_taken(data: dict, arguments: dict, run: Callable, tmp_path: Path) -> None:
    base, given = {"degrees": 10, "views": 2}, {"cache": str(tmp_path), "strategy": "head"}
    run(base, **given)
    files = set(tmp_path.iterdir())
    _, passes, _ = run(base | data, **(given | arguments))
    training = (5 * 3 if data.get("labels_per_class") == 3 else 0) or data.get("epoch_size", 32)
    assert passes.before >= 2 * training
    assert len(set(tmp_path.iterdir()) - files) >= 2


def test_features_of_other_weights_are_not_taken(
    run: Callable, new_data: Callable, new_model: Callable, tmp_path: Path
) -> None:
    for number, rate in enumerate((1.0, 1.01), start=1):
        state = new_model(new_data()).net.backbone.state_dict()
        torch.save({key: value * rate for key, value in state.items()}, tmp_path / "w.pth")
        run({"degrees": 0}, cache=str(tmp_path / "cache"), strategy="head", weights=str(tmp_path / "w.pth"))
        assert len(list((tmp_path / "cache").iterdir())) == 2 * number


TASK: dict[str, Any] = {"weights": "source_task", "strategy": "full"}


def test_a_source_task_that_was_learnt_before_is_not_learnt_again(
    run: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = [run({}, cache=cache, **TASK)[0].state_dict() for cache in (None, str(tmp_path))]
    monkeypatch.setattr("leyden.transfer.finetune.pretraining.pretrain", lambda *_: pytest.fail("learnt again"))
    states.append(run({}, cache=str(tmp_path), **TASK)[0].state_dict())
    for key, value in states[0].items():
        assert torch.equal(states[1][key], value), key
        assert torch.equal(states[2][key], value), key


@pytest.mark.parametrize(
    ("data", "arguments"),
    [
        ({"degrees": 11}, {}),
        ({"seed": 1}, {}),
        ({"source_classes": 4}, {}),
        ({"source_classes": list("10234")}, {}),  # the same images under other labels
        ({"source_splits": ["train", "val"]}, {}),
        ({}, {"source_epochs": 2}),
        ({}, {"source_lr": 1e-3}),
        ({}, {"source_batch_size": 32}),
        ({}, {"source_views": 4}),
        ({}, {"weight_decay": 0.1}),
        ({}, {"scale": 5.0}),
        ({}, {"blocks": 2}),
    ],
)
def test_another_source_task_is_learnt(data: dict, arguments: dict, run: Callable, tmp_path: Path) -> None:
    run({}, cache=str(tmp_path), **TASK)
    run(data, cache=str(tmp_path), **(TASK | arguments))
    assert len(list(tmp_path.glob("source_task_*.pt"))) == 2


def test_the_next_model_on_the_same_data_sees_images_again(
    new_data: Callable, new_model: Callable, new_trainer: Callable
) -> None:
    def results(data: TransferImages) -> tuple[Any, dict[str, torch.Tensor]]:
        model = new_model(data, strategy="full", weights=None)
        untrained = new_trainer().validate(model, data, verbose=False)
        new_trainer().fit(model, data)
        return untrained, model.state_dict()

    data = new_data(degrees=0)
    new_trainer().fit(new_model(data, strategy="head", weights=None), data)
    (accuracy, after), (expected, fresh) = results(data), results(new_data(degrees=0))
    assert accuracy == expected
    assert all(torch.equal(after[key], value) for key, value in fresh.items())
