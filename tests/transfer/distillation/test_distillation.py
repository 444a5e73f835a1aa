"""Distillation on small digits: who learns what from whom, and what checkpoints hold."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
import yaml
from lightning.pytorch.callbacks import ModelCheckpoint
from torch.nn import functional as F

from leyden.data.source.builtin.digits import Digits
from leyden.transfer.classifier import Classifier
from leyden.transfer.distillation.data import DistillationImages, Lesson
from leyden.transfer.distillation.distillation import Distillation
from leyden.transfer.distillation.stages import stage_pairs
from leyden.transfer.distillation.teacher import find_teacher
from leyden.transfer.finetune.finetune import Finetune
from leyden.transfer.finetune.heads import LinearHead

STRIDES = {"strides": [1, 2], "teacher_strides": [1, 2]}


def new_lessons(**arguments: Any) -> DistillationImages:
    """Three labels per class, 16 labelled and 8 unlabelled images a step, two steps an epoch."""
    given = {"labels_per_class": 3, "batch_size": 16, "unlabelled": 8, "degrees": 10, "epoch_size": 32}
    return DistillationImages(Digits(), **(given | arguments))


def new_student(data: DistillationImages, **arguments: Any) -> Distillation:
    """A student of two narrow stages; the same at each call."""
    torch.manual_seed(0)
    small = {"widths": [4, 8], "teacher_widths": [8, 16], "teacher_epochs": 1, "teacher_batch_size": 128}
    return Distillation(**data.spec, **(STRIDES | small | arguments))


def test_lessons_hold_few_labels() -> None:
    data = new_lessons()
    batch = next(iter(data.loader("train")))
    assert (batch.images.shape, batch.labels.shape, batch.signals.shape) == ((24, 1, 8, 8), (16,), (24, 0))
    assert len(data.split("train")) == 32
    assert len(data.every_image()) == len(data.teacher_task(64).split) == len(data.source.split("train"))
    alone = next(iter(new_lessons(unlabelled=0).loader("train")))
    assert len(alone.images) == len(alone.labels) == 16
    few = new_lessons(teacher_labels_per_class=5).teacher_task(10)
    assert len(few.split) == 50


def test_teacher_is_frozen_and_not_in_the_state(new_trainer: Callable, tmp_path: Path) -> None:
    data = new_lessons()
    student = new_student(data)
    trainer = new_trainer()
    trainer.fit(student, data)
    teacher = student.teacher
    assert teacher is not None
    assert not teacher.net.training
    assert not any(parameter.requires_grad for parameter in teacher.net.parameters())
    known = {id(parameter) for parameter in student.parameters()}
    assert not known & {id(parameter) for parameter in teacher.net.parameters()}
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    stored = torch.load(tmp_path / "a.ckpt", weights_only=True)
    assert {name.partition(".")[0] for name in stored["state_dict"]} == {"net", "control"}
    again = Distillation.load_from_checkpoint(tmp_path / "a.ckpt", weights_only=True)
    assert again.teacher is not None
    images = data.split("test").columns.images
    assert torch.equal(again.teacher(images)[0], teacher(images)[0])


def test_told_once_is_told_each_time(new_trainer: Callable) -> None:
    """Without augmentation the teacher's logits are computed once, and the student ends the same."""
    ends = []
    for repeats in (True, False):
        data = new_lessons(degrees=0)
        if not repeats:
            data.tell = lambda teacher: None  # type: ignore[method-assign]
        student = new_student(data)
        new_trainer().fit(student, data)
        ends.append(student.net.state_dict())
    for key, value in ends[0].items():
        torch.testing.assert_close(value, ends[1][key], rtol=1e-4, atol=1e-5)


def test_signals_stand_beside_their_images() -> None:
    data = new_lessons(degrees=0)
    data.tell(lambda images: images.flatten(1).float())
    for batch in data.loader("train"):
        assert torch.equal(batch.signals, batch.images.flatten(1).float())
    data.forget()
    assert next(iter(data.loader("train"))).signals.shape == (24, 0)
    with pytest.raises(ValueError, match="augmented"):
        new_lessons().tell(lambda images: images)


def test_control_learns_from_labels_alone(new_trainer: Callable) -> None:
    """It ends where a student of the same weights ends that has neither teacher nor images without labels."""
    data = new_lessons()
    taught = new_student(data)
    new_trainer().fit(taught, data)
    alone_data = new_lessons(unlabelled=0)
    alone = new_student(alone_data, hard_weight=1.0, soft_weight=0.0, control=False)
    new_trainer().fit(alone, alone_data)
    assert taught.control is not None
    for key, value in alone.net.state_dict().items():
        torch.testing.assert_close(taught.control.state_dict()[key], value)
    assert any(not torch.equal(value, taught.net.state_dict()[key]) for key, value in alone.net.state_dict().items())


def test_cached_teacher_is_the_same(new_trainer: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ends = []
    for _ in range(2):
        data = new_lessons()
        student = new_student(data, cache=str(tmp_path))
        new_trainer(max_epochs=1).fit(student, data)
        ends.append(student.state_dict())
        monkeypatch.setattr("leyden.transfer.distillation.teacher.pretrain", lambda *_, **__: pytest.fail("again"))
    torch.testing.assert_close(ends[0], ends[1], rtol=0, atol=0)
    assert len(list(tmp_path.iterdir())) == 1


class Watch(lightning.Callback):
    """Remembers all tensors behind each epoch."""

    def __init__(self) -> None:
        self.states: list[dict[str, torch.Tensor]] = []

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        self.states.append({name: value.clone() for name, value in module.named_parameters()})

    on_train_epoch_end = on_train_start


def test_hints_train_the_lower_stages_first(new_trainer: Callable) -> None:
    data, watch = new_lessons(), Watch()
    student = new_student(data, hint_epochs=1, weight_decay=0.5, control=False)
    new_trainer(callbacks=[watch]).fit(student, data)
    assert student.pairs == [("stage1", "stage1"), ("stage2", "stage2")]
    start, hinted, end = watch.states
    above = [name for name in start if name.startswith("net.head")]
    below = [name for name in start if "stem.0" in name or "stage1" in name]
    assert all(torch.equal(start[name], hinted[name]) and not torch.equal(start[name], end[name]) for name in above)
    assert all(not torch.equal(start[name], hinted[name]) for name in below)
    # stages [0, 1]: the middle one is stage2, so the regressor is on it, and rests after the hints
    assert start["regressor.weight"].shape == (16, 8, 1, 1)
    assert not torch.equal(start["regressor.weight"], hinted["regressor.weight"])
    assert torch.equal(hinted["regressor.weight"], end["regressor.weight"])


def test_attention_loss_is_added(new_trainer: Callable) -> None:
    data = new_lessons()
    student = new_student(data, attention_weight=10.0, control=False)
    trainer = new_trainer(max_steps=1)
    trainer.fit(student, data)
    batch: Lesson = next(iter(new_lessons().loader("train")))
    losses = []
    for weight in (0.0, 10.0):
        student.hparams["attention_weight"] = weight
        losses.append(student.training_step(batch, 0).item())
    assert losses[1] > losses[0]


@pytest.mark.parametrize("options", [{}, {"hint_epochs": 2, "attention_weight": 10.0}])
def test_resumed_is_undisturbed(
    options: dict, new_trainer: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = ModelCheckpoint(tmp_path, filename="{step}", every_n_train_steps=1, save_top_k=-1)
    data = new_lessons()
    whole = new_student(data, **options)
    new_trainer(max_epochs=3, enable_checkpointing=True, callbacks=[keep]).fit(whole, data)
    monkeypatch.setattr("leyden.transfer.distillation.teacher.pretrain", lambda *_, **__: pytest.fail("trained again"))
    for step in (1, 2, 3, 5):
        data = new_lessons()
        resumed = new_student(data, **options)
        new_trainer(max_epochs=3).fit(resumed, data, ckpt_path=str(tmp_path / f"step={step}.ckpt"))
        torch.testing.assert_close(resumed.state_dict(), whole.state_dict(), rtol=0, atol=0)


def record(folder: Path, names: list[str]) -> tuple[Path, Finetune]:
    """A record of a classifier that was never trained."""
    torch.manual_seed(1)
    task = Finetune(names, 1, 8, widths=[8, 16], strides=[1, 2], weights="none")
    (folder / "checkpoints").mkdir(parents=True)
    target = {"model": {"_target_": "leyden.transfer.finetune.finetune.Finetune"}}
    (folder / "config.yaml").write_text(yaml.safe_dump(target))
    trainer = lightning.Trainer(logger=False, accelerator="cpu", enable_model_summary=False)
    trainer.strategy.connect(task)
    trainer.save_checkpoint(folder / "checkpoints" / "best.ckpt", weights_only=True)
    return folder, task.eval()


def student_net(image_size: int = 8, classes: int = 10) -> Classifier:
    backbone = new_student(new_lessons()).net.backbone
    return Classifier(backbone, LinearHead(backbone.num_features, classes))


def test_record_teaches_by_class_names(tmp_path: Path) -> None:
    names = [str(digit) for digit in range(10)]
    folder, task = record(tmp_path / "run", names[::-1])
    teacher = find_teacher(str(folder), student_net(), 1, 8, names)
    images = torch.randint(0, 256, (3, 1, 8, 8), dtype=torch.uint8)
    with torch.no_grad():
        expected = task(images)
    torch.testing.assert_close(teacher(images)[0], expected.flip(1))
    assert teacher(images, ["stage2"])[1][0].shape == (3, 16, 4, 4)
    larger = F.interpolate(images, scale_factor=2).expand(-1, 3, -1, -1)  # another size and colour
    assert teacher(larger)[0].shape == (3, 10)
    with pytest.raises(ValueError, match=r"knows the classes 9, 8, .* the data have cat, dog.*model.teacher=train"):
        find_teacher(str(folder), student_net(), 1, 8, ["cat", "dog"])


def test_weights_of_a_trunk_and_a_layer(tmp_path: Path) -> None:
    torch.manual_seed(2)
    net, found = student_net(), student_net()
    torch.save({"state_dict": {f"model.{name}": value for name, value in net.state_dict().items()}}, tmp_path / "a.pt")
    names = [str(digit) for digit in range(10)]
    teacher = find_teacher(str(tmp_path / "a.pt"), found, 1, 8, names)
    images = torch.randint(0, 256, (3, 1, 8, 8), dtype=torch.uint8)
    torch.testing.assert_close(teacher(images)[0], net.eval()(images))
    with pytest.raises(ValueError, match="knows 10 classes, the data have 4"):
        find_teacher(str(tmp_path / "a.pt"), student_net(classes=4), 1, 8, names[:4])
    torch.save(net.backbone.state_dict(), tmp_path / "trunk.pt")
    with pytest.raises(ValueError, match="0 linear layers"):
        find_teacher(str(tmp_path / "trunk.pt"), student_net(), 1, 8, names)
    with pytest.raises(FileNotFoundError, match=r"model.teacher=train"):
        find_teacher(str(tmp_path / "nothing"), student_net(), 1, 8, names)


def test_stages_of_equal_size_are_paired() -> None:
    student, teacher = student_net().backbone, student_net().backbone
    assert stage_pairs(student, teacher, None) == [("stage1", "stage1"), ("stage2", "stage2")]
    assert stage_pairs(student, teacher, [["stem", "stage2"]]) == [("stem", "stage2")]
    with pytest.raises(ValueError, match=r"teacher has no map 'stage9': it has stem, stage1, stage2"):
        stage_pairs(student, teacher, [["stem", "stage9"]])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"temperature": 0.0}, "temperature"), ({"hard_weight": 0.0, "soft_weight": 0.0}, "neither labels nor soft")],
)
def test_wrong_options_are_named(wrong: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        new_student(new_lessons(), **wrong)


def test_the_test_has_rows_of_teacher_and_control(new_trainer: Callable) -> None:
    data = new_lessons()
    student, trainer = new_student(data), new_trainer(max_epochs=1)
    trainer.fit(student, data)
    scores = trainer.test(student, data, verbose=False)[0]
    assert scores.keys() == {"test/accuracy", "test/accuracy_hard", "test/accuracy_teacher"}
    assert student.others.dark.examples
    assert student.others.dark.draw().shape[0] == 3
    assert student.teacher is not None
    split = data.split("test").columns
    expected = (student.teacher(split.images)[0].argmax(1) == split.labels).float().mean()
    assert scores["test/accuracy_teacher"] == pytest.approx(float(expected), abs=1e-6)
