"""The task without gradient descent: rows and images, honest of target labels, and what it refuses."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from domain_toy import LABELS, SOURCE, TARGET
from lightning import Trainer
from torch import Tensor

from leyden.data.batches.domain_rows import DomainPairs, DomainRows
from leyden.data.batches.domains import DomainImages
from leyden.data.source.builtin.digits import Digits
from leyden.data.source.builtin.image_patches import ImagePatches
from leyden.data.source.rows.row_source import RowSource
from leyden.data.source.shifted.blurred_digits import BlurredDigits
from leyden.transfer.domain.adaptation import Adaptation, AdaptedClassifier
from leyden.transfer.domain.classifiers import FeatureClassifier
from leyden.transfer.domain.closed_form.coral import CORAL
from leyden.transfer.domain.closed_form.jda import JDA
from leyden.transfer.domain.closed_form.subspace import SubspaceAlignment
from leyden.transfer.domain.closed_form.tca import TCA
from training import quiet_trainer

TECHNIQUES = [
    partial(TCA, kernel="linear", components=2),
    partial(JDA, components=2, rounds=2),
    partial(SubspaceAlignment, components=2),
    CORAL,
]


class Clouds(RowSource):
    """Three classes around three corners, moved and turned in the domain "t"; labels of "n" are nonsense."""

    def __init__(self, domain: str, protocol: Any = "split") -> None:
        super().__init__(domain, protocol)
        self.domain = domain

    def prepare(self) -> None:
        generator = torch.Generator().manual_seed(0 if self.domain == "s" else 1)
        labels = torch.arange(90) % 3
        rows = torch.eye(3).repeat(30, 2) * 4 + torch.randn(90, 6, generator=generator)
        if self.domain != "s":
            rows = rows + 0.5
        self.set_rows(rows, labels, ["a", "b", "c"])
        if self.domain == "n":  # the same rows in the same splits
            self._splits = {stage: part._replace(labels=part.labels.roll(1)) for stage, part in self._splits.items()}


def run(data: Any, technique: Any, **options: Any) -> tuple[Any, Trainer]:
    data.prepare_data()
    model = technique(**data.spec, **options)
    trainer = quiet_trainer(max_epochs=1, limit_val_batches=1.0)
    trainer.fit(model, data)
    return model, trainer


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_target_labels_change_nothing(technique: Any) -> None:
    """Nonsense in their place gives the same tensors bit for bit, and the same validation."""
    states = []
    for target in ("t", "n"):
        model, trainer = run(DomainRows(Clouds("s"), Clouds(target)), technique)
        states.append({**model.state_dict(), "val": trainer.callback_metrics["val/accuracy"]})
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_rows_are_predicted_again_from_the_checkpoint(technique: Any, tmp_path: Path) -> None:
    data = DomainRows(Clouds("s"), Clouds("t"))
    model, trainer = run(data, technique)
    accuracy = trainer.test(model, data, verbose=False)[0]["test/accuracy"]
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    again = type(model).load_from_checkpoint(tmp_path / "model.ckpt", weights_only=True)
    rows, labels = data.test_splits()[0].columns
    found = [row["label"] for row in again.predict(list(rows)).rows]
    assert accuracy > 0.8
    assert sum(name == "abc"[int(label)] for name, label in zip(found, labels, strict=True)) / 27 == pytest.approx(
        accuracy
    )
    with pytest.raises(ValueError, match="input 0 has 5 features, the rows of the training 6"):
        again.predict([rows[0, :5]])


def test_several_tasks_in_one_run() -> None:
    data = DomainPairs(Clouds("s", "whole"), ["s", "t", "u"])
    model, trainer = run(data, partial(TCA, kernel="linear", components=2))
    assert 0 <= trainer.callback_metrics["val/accuracy"] <= 1  # of a fifth of each source, held back
    found = trainer.test(model, data, verbose=False)[0]
    by_task = [found[f"test/{task}"] for task in data.spec["tasks"]]
    assert found["test/accuracy"] == pytest.approx(sum(by_task) / 6)
    alone = DomainRows(Clouds("t", "whole"), Clouds("u", "whole"))
    model, trainer = run(alone, partial(TCA, kernel="linear", components=2))
    assert trainer.test(model, alone, verbose=False)[0]["test/accuracy"] == pytest.approx(found["test/t_to_u"])
    with pytest.raises(ValueError, match="6 tasks were fitted: predict from a run of one"):
        TCA(**data.spec).predict([torch.zeros(6)])


def test_frozen_features_of_a_backbone(tmp_path: Path) -> None:
    data = DomainImages(BlurredDigits(), Digits())
    options = {"backbone": "resnet", "max_examples": 60}
    model, trainer = run(data, SubspaceAlignment, components=5, **options)
    assert model.net.adaptation.basis.shape == (128, 5)
    assert not any(p.requires_grad for p in model.features.parameters())
    images = data.split("test").columns.images[:4]
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    again = SubspaceAlignment.load_from_checkpoint(tmp_path / "model.ckpt", weights_only=True)
    torch.testing.assert_close(again(images), model(images))
    with pytest.raises(ValueError, match=r"model.backbone=resnet takes images, and these are rows"):
        CORAL(["a", "b"], feature_names=["x"], backbone="resnet")


def test_images_without_labels_have_no_accuracy(caplog: pytest.LogCaptureFixture) -> None:
    data = DomainImages(Digits(), ImagePatches(8, train=100, val=5, test=30))
    model, trainer = run(data, CORAL, max_examples=100, points=20)
    found = trainer.test(model, data, verbose=False)[0]
    assert set(found) == {"test/entropy", "test/im"}
    assert "no test/accuracy" in caplog.text


@pytest.mark.parametrize("kind", ["nearest", "logistic", "svm"])
def test_classifiers_find_the_nearest_class(kind: Any) -> None:
    points = torch.tensor([[0.0, 0], [0, 1], [5, 5], [5, 6]]).double()
    classifier = FeatureClassifier(4, kind, 1.0).fit(points, torch.tensor([1, 1, 3, 3]))
    assert classifier(points + 0.2).argmax(1).tolist() == [1, 1, 3, 3]


def test_weights_count_as_repetitions() -> None:
    points, labels = SOURCE, LABELS
    weighted = FeatureClassifier(2, "logistic", 1.0).fit(points, labels, torch.tensor([2.0, 1, 1, 3, 1, 1]))
    order = torch.tensor([0, 0, 1, 2, 3, 3, 3, 4, 5])
    repeated = FeatureClassifier(2, "logistic", 1.0).fit(points[order], labels[order])
    torch.testing.assert_close(weighted(TARGET), repeated(TARGET), atol=1e-3, rtol=1e-3)


def with_value(x: Tensor, value: float) -> Tensor:
    x = x.clone()
    x[1, 2] = value
    return x


@pytest.mark.parametrize(
    ("source", "labels", "target", "message"),
    [
        (SOURCE[:, :2], LABELS, TARGET, "the source has 2 features, the target 3"),
        (with_value(SOURCE, torch.nan), LABELS, TARGET, "example 1 of the source has nan in feature 2: fill in"),
        (SOURCE, LABELS, with_value(TARGET, torch.inf), "example 1 of the target has inf in feature 2"),
        (torch.ones_like(SOURCE), LABELS, TARGET, "all 6 examples of the source have the same features"),
        (SOURCE, LABELS * 0, TARGET, "all 6 source examples are of class 0: a classifier needs two classes"),
    ],
)
def test_features_that_nothing_can_be_fitted_to(source: Tensor, labels: Tensor, target: Tensor, message: str) -> None:
    net = AdaptedClassifier(2, Adaptation(), "joint", "nearest", 1.0)
    with pytest.raises(ValueError, match=message):
        net.fit(source, labels, target)


def test_a_constant_feature_is_left_alone() -> None:
    net = AdaptedClassifier(2, Adaptation(), "domain", "nearest", 1.0)
    net.fit(with_column(SOURCE), LABELS, with_column(TARGET))
    assert float(net.std[1]) == 1
    assert net(with_column(TARGET)).isfinite().all()


def with_column(x: Tensor) -> Tensor:
    x = x.clone()
    x[:, 1] = 7
    return x


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classifier": "forest"}, "model.classifier='forest': there are nearest, logistic, svm"),
        ({"c": 0.0}, "model.c=0.0: should be above 0"),
        ({"standardise": "all"}, "model.standardise='all': there are joint, domain, none"),
    ],
)
def test_options_that_there_are_not(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CORAL(["a", "b"], feature_names=["x"], **options)
