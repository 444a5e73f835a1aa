"""A student of a language model: its loss, its teacher's places, what a checkpoint keeps."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from leyden.data.batches.tokens import TokenWindows
from leyden.data.columns import Texts, Tokens
from leyden.data.source import Source
from leyden.data.splits import InMemory
from leyden.metrics.soft_labels import soft_label_loss
from leyden.text.checkpoints import gpt_of
from leyden.text.distill import DistilledGPT
from leyden.text.gpt import GPT
from training import Kept, quiet_trainer


class Words(Source):
    produces, name = "text", "words"

    def split(self, stage: str) -> InMemory[Texts]:
        texts = {"train": ["background"] * 9, "val": ["abra cadabra"], "test": ["cadabra abra"]}
        return InMemory(Texts(texts[stage]))


def windows(**options: Any) -> TokenWindows:
    return TokenWindows(Words(), **{"context": 4, "batch_size": 4, "epoch_size": 12, **options})


def student(data: TokenWindows, **options: Any) -> DistilledGPT:
    torch.manual_seed(0)
    small = {"teacher_width": 8, "teacher_heads": 2, "teacher_steps": 3, "width": 4, "heads": 2, "layers": 1}
    return DistilledGPT(**data.spec, **{**small, "sample_length": 3, **options})


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a GPT that has learnt the text by heart; the only one in its folder of runs."""
    folder, data = tmp_path_factory.mktemp("runs") / "run", windows(context=8, epoch_size=80, batch_size=8)
    torch.manual_seed(0)
    model = GPT(**data.spec, layers=1, heads=2, width=32, lr=1e-2)
    trainer = quiet_trainer(max_epochs=8)
    trainer.fit(model, data)
    trainer.save_checkpoint(folder / "checkpoints" / "best.ckpt")
    return folder


def test_a_record_s_teacher_predicts_as_it_did(record: Path) -> None:
    """Its weights are read; its technique, which need not be there, is not made."""
    data = windows()
    net = gpt_of(str(record.parent), data.tokenizer.spec, 4)
    own = GPT.load_from_checkpoint(record / "checkpoints" / "best.ckpt", weights_only=True).eval()
    tokens = data.split("train").sample(torch.arange(3), torch.zeros(3, 0)).tokens[:, :4]
    assert torch.equal(net.eval()(tokens)[0], own(tokens))


def test_all_three_are_scored_and_drawn(record: Path) -> None:
    """Student, control and teacher are scored beside each other, and drawn."""
    data, kept = windows(context=8), Kept()
    model = student(data, teacher=str(record), width=16, layers=1)
    trainer = quiet_trainer(max_epochs=6, limit_val_batches=1.0, logger=kept)
    trainer.fit(model, data)
    found = trainer.test(model, data, verbose=False)[0]
    names = {"test/bits_per_char", "test/bits_per_char_alone", "test/bits_per_char_teacher"}
    assert names < found.keys()
    assert all(math.isfinite(found[name]) for name in names)
    assert kept.pictures.keys() == {"learning"}
    assert [step for step, _ in model.controls] == [moment.step for moment in model.moments] == [3, 6, 9, 12, 15, 18]


def test_each_network_learns_from_its_own_loss(record: Path) -> None:
    data = windows(context=8)
    batch = data.split("train").sample(torch.arange(4), torch.zeros(4, 0))
    grads = []
    for control in (True, False):
        model = student(data, teacher=str(record), control=control)
        quiet_trainer(max_steps=1).fit(model, data)
        model.training_step(Tokens(batch.tokens), 1).backward()
        grads.append([p.grad for p in model.net.parameters()])
        assert all(p.grad is None for p in model.teacher.parameters())  # type: ignore[union-attr]
    assert all(torch.equal(one, other) for one, other in zip(*grads, strict=True))
    teacher = model.teacher(batch.tokens[:, :-1])[0].flatten(0, 1)  # type: ignore[misc]
    logits = model(batch.tokens[:, :-1]).flatten(0, 1)
    assert model.training_step(batch, 1).item() == pytest.approx(soft_label_loss(logits, teacher).item())


def test_the_control_begins_as_the_student_does() -> None:
    model = student(windows())
    assert all(torch.equal(a, b) for a, b in zip(model.net.parameters(), model.control.parameters(), strict=True))  # type: ignore[union-attr]


def test_a_teacher_of_the_run_comes_with_its_checkpoint(tmp_path: Path) -> None:
    data = windows()
    model = student(data)
    trainer = quiet_trainer(max_epochs=1)
    trainer.fit(model, data)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    again = DistilledGPT.load_from_checkpoint(tmp_path / "a.ckpt", weights_only=True)
    for one, other in zip(again.teacher.parameters(), model.teacher.parameters(), strict=True):  # type: ignore[union-attr]
        assert torch.equal(one, other)
    assert not any(name.startswith("_teacher") for name in model.state_dict())


def fit(data: TokenWindows, **options: Any) -> None:
    quiet_trainer(max_steps=1).fit(student(data, **options), data)


def test_wrong_teachers_and_weights_are_refused(record: Path, tmp_path: Path) -> None:
    other = TokenWindows(Words(), context=4, batch_size=4, epoch_size=12, tokenizer="bpe", vocabulary_size=300)
    with pytest.raises(ValueError, match=r"^model.teacher=.* another of \d+: set data.tokenizer="):
        fit(other, teacher=str(record))
    with pytest.raises(ValueError, match=r"takes 8 tokens of a text: set data.context=8"):
        fit(windows(context=9), teacher=str(record))
    with pytest.raises(FileNotFoundError, match=r"^model.teacher: .* holds no record"):
        fit(windows(), teacher=str(tmp_path))
    with pytest.raises(ValueError, match=r"model.teacher=none knows nothing"):
        student(windows(), teacher="none")
    with pytest.raises(ValueError, match=r"model.distill_temperature=0 must be above 0"):
        student(windows(), distill_temperature=0)
    with pytest.raises(ValueError, match="neither text nor teacher"):
        student(windows(), soft_weight=0.0)
