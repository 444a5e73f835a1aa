"""What every deep technique keeps: no label of the target has any influence, and what is seen of both domains."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Trainer
from torch import Tensor
from two_domains import Negatives, same, trained

from leyden.data.batches.domains import DomainImages
from leyden.data.source.builtin.digits import Digits
from leyden.data.source.builtin.image_patches import ImagePatches
from leyden.nets.zoo import backbone
from leyden.transfer.domain.deep.adabn import AdaBN
from leyden.transfer.domain.deep.adda import ADDA
from leyden.transfer.domain.deep.base import DomainTask
from leyden.transfer.domain.deep.cdan import CDAN
from leyden.transfer.domain.deep.dann import DANN
from leyden.transfer.domain.deep.deep_coral import DeepCORAL
from leyden.transfer.domain.deep.mmd import MMD

TECHNIQUES = [DANN, CDAN, MMD, DeepCORAL, ADDA, AdaBN]
FEW = {"batch_size": 256}  # four steps an epoch


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_nonsense_for_target_labels_changes_no_weight(technique: type[DomainTask]) -> None:
    """Neither a weight nor a criterion that chooses the checkpoint; one grey level of the images does."""
    one, first = trained(technique, Negatives(), data=FEW, selection="dev")
    other, second = trained(technique, Negatives(shift=3), data=FEW, selection="dev")
    assert same(one, other)
    assert first.callback_metrics == second.callback_metrics
    assert not same(one, trained(technique, Negatives(brightness=254), data=FEW)[0])


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_without_weight_the_target_has_no_influence(technique: type[DomainTask]) -> None:
    one, _ = trained(technique, Negatives(), data=FEW, domain_weight=0.0)
    other, _ = trained(technique, Digits(), data=FEW, domain_weight=0.0)
    assert same(one, other)


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_any_backbone_of_the_zoo(technique: type[DomainTask]) -> None:
    model, trainer = trained(
        technique, Negatives(), data={"image_size": 32, "channels": 3, "batch_size": 512}, backbone="shufflenet_v2_x0_5"
    )
    assert trainer.global_step == 2
    rows = model.predict([torch.zeros(1, 9, 7, dtype=torch.uint8)]).rows
    assert rows[0]["label"] in model.class_names


def test_lenet_with_hidden_layers() -> None:
    """DANN's network of digits: features are 48 maps of 4 x 4, the classifier has two hidden layers of 100."""
    model = DANN(list("0123456789"), 3, 28, backbone="lenet", head=[100, 100], dropout=0.5)
    assert model.net.backbone.num_features == 768
    assert [tuple(layer.weight.shape) for layer in model.net.head.modules() if isinstance(layer, torch.nn.Linear)] == [
        (100, 768), (100, 100), (10, 100)
    ]  # fmt: skip
    assert model(torch.zeros(2, 3, 28, 28, dtype=torch.uint8)).shape == (2, 10)
    with pytest.raises(ValueError, match=r"model.head=\[0\]: units of hidden layers should be 1 or more"):
        DANN(list("ab"), 1, 16, head=[0])


@pytest.mark.parametrize(
    ("word", "metric", "mode"),
    [("source", "val/accuracy", "max"), ("entropy", "val/entropy", "min"), ("im", "val/im", "max"),
     ("snd", "val/snd", "max"), ("dev", "val/dev", "min")],
)  # fmt: skip
def test_a_word_chooses_the_checkpoint(word: Any, metric: str, mode: str) -> None:
    model, trainer = trained(MMD, Negatives(), data=FEW, selection=word)
    assert (model.monitor, model.mode) == (metric, mode)
    assert trainer.callback_metrics[metric].isfinite()


def test_the_test_shows_both_domains(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: dict[str, Tensor] = {}
    keep: Callable[[Any, str, Tensor], None] = lambda _, tag, image: drawn.update({tag: image})  # noqa: E731
    monkeypatch.setattr("leyden.transfer.domain.deep.monitor.log_image", keep)
    monkeypatch.setattr("leyden.transfer.evaluation.log_image", keep)
    model, trainer = trained(MMD, Negatives(), epochs=4, embedding=20, domain_weight=0.0)
    metrics = trainer.test(model, trainer.datamodule, verbose=False)[0]
    assert {"confusion", "confusion_source", "embedding"} <= set(drawn)
    assert metrics["test/source_accuracy"] > 0.8  # of digits, on which it was trained
    data: DomainImages = trainer.datamodule
    images, labels = data.source.split("test").columns
    with torch.no_grad():
        assert float((model.eval()(images).argmax(1) == labels).float().mean()) == pytest.approx(
            metrics["test/source_accuracy"]
        )


def test_a_target_without_labels_has_no_accuracy(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    drawn: dict[str, Tensor] = {}
    for module in ("deep.monitor", "unlabelled"):
        keep: Callable[[Any, str, Tensor], None] = lambda _, tag, image: drawn.update({tag: image})  # noqa: E731
        monkeypatch.setattr(f"leyden.transfer.domain.{module}.log_image", keep)
    patches = ImagePatches(8, train=300, val=20, test=40)
    model, trainer = trained(MMD, patches, data=FEW, embedding=20)
    metrics = trainer.test(model, trainer.datamodule, verbose=False)[0]
    assert set(metrics) == {"test/entropy", "test/im", "test/source_accuracy"}
    with torch.no_grad():
        probabilities = model.eval()(trainer.datamodule.split("test").columns.images).softmax(1)
    assert metrics["test/entropy"] == pytest.approx(float(torch.special.entr(probabilities).sum(1).mean()), rel=1e-5)
    assert {"predictions", "embedding"} <= set(drawn)
    assert "confusion" not in drawn
    assert "no test/accuracy" in caplog.text


def test_options_out_of_range_are_refused() -> None:
    for options, message in [
        ({"domain_weight": -1}, r"model\.domain_weight=-1: should be 0 or more"),
        ({"selection": "oracle"}, r"model\.selection='oracle': there are source, entropy, im, snd, dev"),
    ]:
        with pytest.raises(ValueError, match=message):
            MMD(list("ab"), 1, 8, **options)


def test_a_resumed_run_draws_all_validations(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: dict[str, Tensor] = {}
    monkeypatch.setattr(
        "leyden.transfer.domain.deep.monitor.log_image", lambda _, tag, image: drawn.update({tag: image})
    )
    model, _ = trained(MMD, Negatives(), epochs=2, data=FEW)
    assert [each["step"] for each in model.history] == [4, 8]
    assert drawn["adaptation"].shape == (3, 600, 900)
    checkpoint: dict[str, Any] = {}
    model.on_save_checkpoint(checkpoint)
    again = MMD(list("0123456789"), 1, 8, widths=[8, 16], strides=[1, 2])
    again.on_load_checkpoint(checkpoint)
    assert again.history == model.history


@pytest.mark.parametrize("technique", [MMD, ADDA, AdaBN])
def test_the_backbone_starts_from_a_file(technique: type[DomainTask], tmp_path: Path) -> None:
    """Once: a training that goes on has its own weights, also without the file."""
    body = backbone("resnet", 1, 8, [8, 16], [1, 2])
    torch.save(body.state_dict(), tmp_path / "body.pt")
    weights = {"weights": str(tmp_path / "body.pt"), "lr": 0.0}
    options = weights | ({"adversarial_lr": 0.0} if technique is ADDA else {})
    model, trainer = trained(technique, Negatives(), data=FEW, **options)
    for net in (model.net, model.source_net):
        for name, parameter in net.backbone.named_parameters():
            assert torch.equal(parameter, dict(body.named_parameters())[name])
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    (tmp_path / "body.pt").unlink()
    again = technique.load_from_checkpoint(tmp_path / "a.ckpt", weights_only=True)
    Trainer(accelerator="cpu", max_epochs=1, logger=False, enable_checkpointing=False, enable_progress_bar=False).fit(
        again, trainer.datamodule
    )
