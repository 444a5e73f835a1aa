from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch.nn import functional as F

from leyden.data.source.digits import Digits
from leyden.transfer.data import TransferImages
from leyden.transfer.finetune import CosineHead, Finetune
from leyden.transfer.pretraining import normalise

SMALL: dict[str, Any] = {"widths": [8, 16], "strides": [1, 2], "source_epochs": 1, "lr": 0.01, "weight_decay": 0.5}


def new_data(**arguments: Any) -> TransferImages:
    given = {"source_classes": 5, "labels_per_class": 2, "epoch_size": 32, "batch_size": 16, "degrees": 10} | arguments
    return TransferImages(Digits(), **given)


def new_model(data: TransferImages, **arguments: Any) -> Finetune:
    torch.manual_seed(0)
    return Finetune(**data.facts, **(SMALL | arguments))


def new_trainer(**arguments: Any) -> lightning.Trainer:
    quiet: dict[str, Any] = {
        "accelerator": "cpu", "max_epochs": 2, "logger": False, "enable_checkpointing": False,
        "enable_progress_bar": False, "enable_model_summary": False, "num_sanity_val_steps": 0,
    }  # fmt: skip
    return lightning.Trainer(**(quiet | arguments))


class Before(lightning.Callback):
    """Remembers the weights and buffers that training starts from."""

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        self.state = {key: value.clone() for key, value in module.state_dict().items()}


def fitted(strategy: str, **arguments: Any) -> tuple[Finetune, dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """A trained model, its state when training started and the state it was constructed with."""
    data, before = new_data(), Before()
    model = new_model(data, strategy=strategy, **arguments)
    drawn = {key: value.clone() for key, value in model.state_dict().items()}
    new_trainer(callbacks=[before]).fit(model, data)
    return model, before.state, drawn


@pytest.mark.parametrize(
    ("strategy", "inherited", "frozen"),
    [
        ("head", ("stem", "stages.0", "stages.1"), ("stem", "stages.0", "stages.1")),
        ("full", ("stem", "stages.0", "stages.1"), ()),
        ("truncate", ("stem", "stages.0"), ("stem", "stages.0")),
        ("scratch", (), ()),
    ],
)
def test_what_is_inherited_and_what_is_frozen(strategy: str, inherited: tuple, frozen: tuple) -> None:
    model, before, drawn = fitted(strategy, kept_stages=1)
    after = model.state_dict()
    for name in ("stem", "stages.0", "stages.1"):
        keys = [key for key in after if key.startswith(f"backbone.{name}.") and not key.endswith("num_batches_tracked")]
        assert any(not torch.equal(before[key], drawn[key]) for key in keys) == (name in inherited)
        same = [torch.equal(before[key], after[key]) for key in keys]  # statistics of batch norms included
        assert all(same) if name in frozen else not any(same)
    assert not torch.equal(before["head.weight"], after["head.weight"])


def test_frozen_parts_stay_in_evaluation_mode() -> None:
    model = new_model(new_data(), strategy="truncate", kept_stages=1).train()
    assert not any(m.training for part in (model.backbone.stem, model.backbone.stages[0]) for m in part.modules())
    assert all(m.training for m in model.backbone.stages[1].modules())
    images = torch.randint(0, 256, (4, 1, 8, 8), dtype=torch.uint8)
    low = torch.nn.Sequential(model.backbone.stem, model.backbone.stages[0])
    assert torch.equal(low(normalise(images)), low.eval()(normalise(images)))


def test_optimizer_holds_what_is_trained_and_nothing_else() -> None:
    data = new_data()
    for strategy, rates in {"head": [0.01], "full": [0.01, 0.002], "truncate": [0.01], "scratch": [0.01]}.items():
        model = new_model(data, strategy=strategy, backbone_lr=0.2)
        model.trainer = new_trainer()
        model.trainer.strategy.connect(model)
        model.trainer.datamodule = data
        model.trainer.fit_loop.setup_data = lambda: None
        model.trainer.fit_loop.max_epochs = 1
        model.trainer.fit_loop.max_batches = 2
        optimizer = model.configure_optimizers()["optimizer"]
        assert [group["initial_lr"] for group in optimizer.param_groups] == pytest.approx(rates)
        held = {id(p) for group in optimizer.param_groups for p in group["params"]}
        assert held == {id(p) for p in model.parameters() if p.requires_grad}


def test_it_learns_and_inheriting_helps() -> None:
    """On the source task's features five new digits are told apart from two examples each; chance is 0.2."""
    data = new_data(epoch_size=64)
    model = new_model(data, strategy="full", source_epochs=8, widths=[16, 32], backbone_lr=0.5, weight_decay=0.01)
    trainer = new_trainer(max_epochs=5)
    trainer.fit(model, data)
    assert trainer.callback_metrics["val/accuracy"] > 0.5
    tested = trainer.test(model, data, verbose=False)[0]["test/accuracy"]
    images, labels = data.split("test").take(torch.arange(269))
    model.eval()
    assert tested == pytest.approx(float((model(images).argmax(1) == labels).float().mean()), abs=1e-6)


def test_runs_repeat_bit_for_bit() -> None:
    one, other = (fitted("full")[0].state_dict() for _ in range(2))
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_resuming_does_not_train_the_source_task_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = new_model(new_data(), strategy="full")
    keep = ModelCheckpoint(tmp_path, filename="{step}", every_n_train_steps=1, save_top_k=-1)
    new_trainer(max_epochs=3, enable_checkpointing=True, callbacks=[keep]).fit(whole, new_data())
    monkeypatch.setattr("leyden.transfer.finetune.pretrain", lambda *_: pytest.fail("pre-trained again"))
    for step in (1, 3, 4):  # in the middle of an epoch, and at its end
        resumed = Finetune(**new_data().facts, **SMALL, strategy="full")
        new_trainer(max_epochs=3).fit(resumed, new_data(), ckpt_path=str(tmp_path / f"step={step}.ckpt"))
        for (key, value), other in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
            assert torch.equal(value, other), (step, key)


def test_a_trained_model_is_not_prepared_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = new_data()
    model = new_model(data)
    trainer = new_trainer(max_epochs=1)
    trainer.fit(model, data)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    loaded = Finetune.load_from_checkpoint(tmp_path / "a.ckpt", weights_only=True)
    monkeypatch.setattr("leyden.transfer.finetune.pretrain", lambda *_: pytest.fail("pre-trained again"))
    before = Before()
    new_trainer(max_epochs=1, callbacks=[before]).fit(loaded, data)
    assert all(torch.equal(value, before.state[key]) for key, value in model.state_dict().items())


def test_weights_from_a_file_and_none(tmp_path: Path) -> None:
    data = new_data()
    giver = new_model(data)
    torch.nn.init.constant_(giver.backbone.stem[0].weight, 0.25)
    torch.save(giver.backbone.state_dict(), tmp_path / "w.pth")
    model = new_model(data, strategy="head", weights=str(tmp_path / "w.pth"))
    new_trainer(max_epochs=1).fit(model, data)
    assert (model.backbone.stem[0].weight == 0.25).all()
    control = new_model(data, strategy="head", weights=None)
    drawn = control.backbone.stem[0].weight.clone()
    new_trainer(max_epochs=1).fit(control, data)
    assert torch.equal(control.backbone.stem[0].weight, drawn)


def test_all_classes_with_all_labels_is_plain_training() -> None:
    data = new_data(source_classes=None, labels_per_class=None, epoch_size=None, batch_size=128)
    model = new_model(data, strategy="scratch", weight_decay=0.01)
    new_trainer(max_epochs=1).fit(model, data)
    assert len(model.class_names) == 10


def test_cosine_head() -> None:
    head = CosineHead(3, 2, scale=10)
    features = torch.tensor([[3.0, 0.0, 0.0], [0.0, 0.5, 0.0], [0.0, 5.0, 0.0]])
    head.imprint(features, torch.tensor([1, 0, 0]))
    assert torch.allclose(head(features), torch.tensor([[0.0, 10.0], [10.0, 0.0], [10.0, 0.0]]))
    assert torch.allclose(head(features * 7), head(features))
    x = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    expected = 10 * F.cosine_similarity(x[:, None], head.weight.double()[None], dim=2)
    assert torch.allclose(head.double()(x), expected)
    assert torch.autograd.gradcheck(head, (x,))


def test_imprinting_takes_the_mean_features_of_each_class() -> None:
    data = new_data(labels_per_class=3, epoch_size=None)
    model = new_model(data)
    model.imprint(data)
    model.eval()
    split = data.split("train")
    directions = F.normalize(model.backbone(normalise(split.images)))
    for label in range(5):
        assert torch.allclose(model.head.weight[label], directions[split.targets == label].mean(0), atol=1e-6)


def test_predicts_pictures_of_any_kind() -> None:
    model = new_model(new_data()).train()
    pictures = [torch.randint(0, 256, (c, 30, 50), dtype=torch.uint8) for c in (1, 3)]
    predictions = model.predict(pictures)
    for row, picture in zip(predictions.rows, predictions.pictures, strict=True):
        assert row["class"] in "56789"
        assert row["probabilities"][row["class"]] == max(row["probabilities"].values())
        assert sum(row["probabilities"].values()) == pytest.approx(1, abs=1e-4)
        assert picture.dtype == torch.uint8
        assert picture.shape[0] == 3
    with pytest.raises(ValueError, match="give it pictures"):
        model.predict(None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"strategy": "all"}, "'all': choose head"), ({"kept_stages": 3}, "kept_stages=3, but the network has 2 stages")],
)
def test_impossible_choices(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        new_model(new_data(), **arguments)


def test_source_task_needs_source_classes() -> None:
    data = new_data(source_classes=None)
    with pytest.raises(ValueError, match=r"set data\.source_classes, or model\.weights=null"):
        new_trainer().fit(new_model(data), data)
