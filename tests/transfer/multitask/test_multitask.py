"""Multi-task networks on small scenes: losses, scores, what is shared, predictions."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch.nn import functional as F

from leyden.core.technique import PredictOptions
from leyden.data.batches.targets import MultiTaskImages
from leyden.data.source.scenes.coloured_digits import ColouredDigits
from leyden.transfer.multitask.multitask import MultiTask
from leyden.transfer.multitask.network import TaskScores, columns_of, task_losses

TASKS = {"colour": ["red", "blue"], "x": [], "shape": ["a", "b", "c"]}
UNITS = torch.tensor([[10.0, 2.0]])


def new_scenes(**arguments: Any) -> MultiTaskImages:
    """180 scenes of 16 pixels, four steps an epoch."""
    source = ColouredDigits(16, 1, 1, 1)
    return MultiTaskImages(source, **({"targets": ["digit", "x", "colour"], "batch_size": 45} | arguments))


def new_model(data: MultiTaskImages, **arguments: Any) -> MultiTask:
    torch.manual_seed(0)
    return MultiTask(**data.spec, **({"widths": [4, 8], "strides": [1, 2]} | arguments))


def outputs() -> list[torch.Tensor]:
    return [torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.tensor([[0.5], [-1.0]]), torch.zeros(2, 3)]


def test_losses_by_hand() -> None:
    classes, numbers = torch.tensor([[0, 2], [1, 0]]), torch.tensor([[11.0], [12.0]])
    found = task_losses(outputs(), classes, numbers, TASKS, UNITS)
    expected = F.cross_entropy(outputs()[0], torch.tensor([0, 1]))
    torch.testing.assert_close(found[0], expected)
    assert found[1].item() == pytest.approx(((0.5 - 0.5) ** 2 + (-1 - 1) ** 2) / 2)
    assert found[2].item() == pytest.approx(torch.tensor(3.0).log().item())


def test_unknown_targets_teach_nothing() -> None:
    classes, numbers = torch.tensor([[-1, 2], [1, -1]]), torch.tensor([[float("nan")], [12.0]])
    given = [output.requires_grad_() for output in outputs()]
    found = task_losses(given, classes, numbers, TASKS, UNITS)
    assert found[1].item() == pytest.approx(4.0)
    sum(found).backward()
    for output, row in ((given[0], 0), (given[1], 0), (given[2], 1)):
        assert (output.grad[row] == 0).all()
        assert (output.grad[1 - row] != 0).any()
    none = task_losses(outputs(), torch.full((2, 2), -1), torch.full((2, 1), float("nan")), TASKS, UNITS)
    assert [loss.item() for loss in none] == [0, 0, 0]


def test_scores_by_hand() -> None:
    scores = TaskScores(TASKS)
    classes, numbers = torch.tensor([[0, 0], [0, -1]]), torch.tensor([[11.0], [8.0]])
    columns = columns_of(classes, numbers, TASKS)
    for half in (slice(0, 1), slice(1, 2)):  # batch by batch
        scores.update([output[half] for output in outputs()], [column[half] for column in columns], UNITS)
    with pytest.raises(ValueError, match="'shape' is known of 1 images"):
        scores.compute()
    scores = TaskScores(TASKS)
    columns[2] = torch.tensor([0, 1])
    scores.update(outputs(), columns, UNITS)
    found = {name: float(value) for name, value in scores.compute().items()}
    # predicted 11 and 8 are exact; colour: 0 right, 1 wrong; all logits of shape are equal, so the first class
    assert found == pytest.approx({"colour_accuracy": 0.5, "x_r2": 1.0, "shape_accuracy": 0.5, "score": 2 / 3})


def test_one_trunk_or_one_each() -> None:
    data = new_scenes()
    shared, alone = new_model(data), new_model(data, shared=False)
    assert (len(shared.net.trunks), len(alone.net.trunks)) == (1, 3)
    images = data.split("test").columns.images[:2]
    assert [tuple(output.shape) for output in alone(images)] == [(2, 10), (2,), (2, 6)]
    loss = alone.net(images)[1].sum()
    loss.backward()
    touched = [any(p.grad is not None for p in trunk.parameters()) for trunk in alone.net.trunks]
    assert touched == [False, True, False]


def test_numbers_come_in_their_units() -> None:
    data = new_scenes()
    model = new_model(data).eval()
    images = data.split("test").columns.images[:3]
    mean, spread = data.spec["units"]["x"]
    torch.testing.assert_close(model(images)[1], model.net(images)[1].flatten() * spread + mean)


@pytest.mark.parametrize("weighting", ["equal", "uncertainty", "gradnorm", "pcgrad"])
def test_every_weighting_learns(weighting: str, new_trainer: Callable) -> None:
    data = new_scenes()
    model = new_model(data, weighting=weighting, lr=0.01)
    trainer = new_trainer(max_epochs=6)
    batch = next(iter(data.loader("val")))

    def total() -> float:
        model.eval()
        with torch.no_grad():
            return float(sum(task_losses(model.net(batch.images), *batch[1:], model.tasks, model.units)))

    before = total()
    trainer.fit(model, data)
    assert total() < before
    assert {"val/score", "val/digit_accuracy", "val/x_r2", "val/colour_accuracy"} <= trainer.callback_metrics.keys()


@pytest.mark.parametrize("weighting", ["uncertainty", "gradnorm", "pcgrad"])
def test_resumed_is_undisturbed(weighting: str, new_trainer: Callable, tmp_path: Path) -> None:
    keep = ModelCheckpoint(tmp_path, filename="{step}", every_n_train_steps=1, save_top_k=-1)
    given = {"weighting": weighting, "scales": {"x": 10.0}}
    whole = new_model(new_scenes(), **given)
    new_trainer(enable_checkpointing=True, callbacks=[keep], log_every_n_steps=1).fit(whole, new_scenes())
    assert len(whole.history) == 8
    for step in (1, 4, 6):
        resumed = new_model(new_scenes(), **given)
        trainer = new_trainer(log_every_n_steps=1)
        trainer.fit(resumed, new_scenes(), ckpt_path=str(tmp_path / f"step={step}.ckpt"))
        torch.testing.assert_close(resumed.state_dict(), whole.state_dict(), rtol=0, atol=0)
        assert resumed.history == whole.history


def test_weights_do_not_decay(new_trainer: Callable) -> None:
    model, data = new_model(new_scenes(), weighting="uncertainty"), new_scenes()
    trainer = new_trainer(max_steps=1)
    trainer.fit(model, data)
    groups = trainer.optimizers[0].param_groups
    assert [(group["weight_decay"], group["initial_lr"]) for group in groups] == [(0.05, 3e-3), (0.0, 0.025)]


def test_every_head_answers() -> None:
    data = new_scenes()
    model = new_model(data)
    image = torch.randint(0, 256, (3, 20, 30), dtype=torch.uint8)
    found = model.predict([image, image[:1]])
    assert len(found.images) == 2
    row = found.rows[0]
    assert row.keys() == {"digit", "p(digit)", "x", "colour", "p(colour)"}
    assert row["colour"] in data.spec["tasks"]["colour"]
    assert isinstance(row["x"], float)
    with pytest.raises(ValueError, match="leave --threshold out"):
        model.predict([image], PredictOptions(0.5))
    assert model.export_network().outputs == ("digit", "x", "colour")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"shared": False, "weighting": "pcgrad"}, "need no weights"),
        ({"scales": {"y": 2.0}}, "of the targets digit, x, colour"),
        ({"scales": {"x": 0.0}}, "above 0"),
        ({"tasks": {}}, "no target"),
    ],
)
def test_wrong_options_are_named(wrong: dict, message: str) -> None:
    given = {"tasks": {"digit": ["0", "1"], "x": [], "colour": ["a", "b"]}, "units": {"x": [0.0, 1.0]}}
    with pytest.raises(ValueError, match=message):
        MultiTask(**(given | {"channels": 3, "image_size": 16} | wrong))


def test_the_test_logs_scores_and_draws(new_trainer: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: dict[str, torch.Tensor] = {}
    monkeypatch.setattr(
        "leyden.transfer.multitask.multitask.log_image", lambda module, tag, image: drawn.update({tag: image})
    )
    data = new_scenes()
    model, trainer = new_model(data, weighting="gradnorm"), new_trainer(max_epochs=1, log_every_n_steps=2)
    trainer.fit(model, data)
    scores = trainer.test(model, data, verbose=False)[0]
    assert scores.keys() == {f"test/{name}" for name in ("digit_accuracy", "x_r2", "colour_accuracy", "score")}
    assert {tag: image.shape[0] for tag, image in drawn.items()} == {"tasks": 3, "predictions": 3}
