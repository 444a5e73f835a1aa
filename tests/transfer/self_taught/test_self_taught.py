"""Self-taught learning: what is unlabelled, the rows, and a run."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Trainer
from sklearn.linear_model import LogisticRegression

from leyden.data.source.builtin.digits import Digits
from leyden.data.source.builtin.faces import Faces
from leyden.transfer.self_taught.coding import sparse_codes
from leyden.transfer.self_taught.data import SelfTaughtImages
from leyden.transfer.self_taught.features import CodedFeatures
from leyden.transfer.self_taught.linear import fit_linear
from leyden.transfer.self_taught.self_taught import SelfTaught


def digits(**arguments: Any) -> SelfTaughtImages:
    data = SelfTaughtImages(Digits(), **{"unlabelled_classes": 5, "labels_per_class": 3} | arguments)
    data.prepare_data()
    return data


def test_unlabelled_images_are_of_other_classes() -> None:
    data = digits()
    assert data.spec["class_names"] == ["0", "1", "2", "3", "4"]
    assert data.split("train").columns.labels.bincount().tolist() == [3] * 5
    train = Digits().split("train").columns
    assert torch.equal(data.unlabelled(), train.images[train.labels >= 5])
    assert len(digits(unlabelled_images=50).unlabelled()) == 50
    assert data.fingerprint != digits(unlabelled_images=50).fingerprint
    assert digits(unlabelled_classes=["0", "7"]).spec["class_names"] == list("12345689")


def test_unlabelled_images_from_elsewhere_leave_all_classes() -> None:
    data = digits(unlabelled=Faces(), unlabelled_classes=None)
    assert len(data.spec["class_names"]) == 10
    assert data.unlabelled().shape[1:] == (1, 8, 8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"unlabelled_classes": None}, "nothing is unlabelled: set data.unlabelled_classes=5"),
        ({"unlabelled_classes": ["cat"]}, "digits has no class 'cat'"),
        ({"unlabelled_classes": 9}, "leaves 1 of the 10 classes of digits"),
        ({"labels_per_class": 500}, "data.labels_per_class=500, but class '0' has"),
    ],
)
def test_data_that_nothing_can_be_learnt_from(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        digits(**arguments).split("train")


def test_a_single_label_takes_no_cross_validation() -> None:
    features = torch.randn(10, 4, generator=torch.Generator().manual_seed(0))
    assert fit_linear(features[:3], torch.arange(3), 3, "logistic", None)[2] == 1.0
    labels = torch.arange(10) % 2
    weight, bias, c = fit_linear(features, labels, 2, "logistic", 10.0)
    learner = LogisticRegression(C=10.0).fit(features.numpy(), labels.numpy())
    wanted = torch.from_numpy(learner.predict_proba(features.numpy())).float()
    torch.testing.assert_close((features @ weight.T + bias).softmax(1), wanted, atol=1e-3, rtol=0)
    assert c == 10.0


def test_a_run_with_its_rows_predicts_from_its_checkpoint(tmp_path: Path) -> None:
    data = digits()
    model = SelfTaught(**data.spec, atoms=12, epochs=1, regions=1)
    trainer = Trainer(
        accelerator="cpu", max_epochs=3, logger=False, default_root_dir=tmp_path, enable_progress_bar=False,
        enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(model, data)
    found = trainer.test(model, data, verbose=False)[0]
    assert trainer.global_step == 1
    assert 0.6 < found["test/accuracy"] <= 1
    torch.testing.assert_close(model.components @ model.components.T, torch.eye(24), atol=1e-5, rtol=0)  # as many
    images, labels = data.split("test").columns
    loaded = SelfTaught.load_from_checkpoint(trainer.checkpoint_callback.best_model_path, weights_only=True)
    assert float((loaded(images).argmax(1) == labels).float().mean()) == pytest.approx(found["test/accuracy"], abs=1e-6)
    assert [row["label"] for row in loaded.predict(list(images[:5])).rows] == [
        data.spec["class_names"][int(place)] for place in model(images[:5]).argmax(1)
    ]


def test_patches_are_coded_everywhere_and_pooled() -> None:
    """Features are the means over quarters of the image, of codes parted by sign."""
    net = CodedFeatures(1, 8, 0.1, 4, 2)
    images = Digits().split("train").columns.images[:70]
    net.fit(images, 6, 1, 0)
    features = net(images)
    assert features.shape == (70, 2 * 6 * 4)
    patch = images[3, 0, 2:6, 1:5].flatten().float() / 255  # place (2, 1) of 5 x 5
    code = sparse_codes((patch - patch.mean())[None], net.dictionary, 0.1)
    torch.testing.assert_close(net.codes(images)[3, 11], code[0], atol=1e-5, rtol=0)
    quarter = net.codes(images)[3].view(5, 5, 6)[:3, :3].clamp(min=0).mean((0, 1))
    torch.testing.assert_close(features[3].view(12, 2, 2)[:6, 0, 0], quarter, atol=1e-6, rtol=0)


def test_whole_images_are_coded_less_their_mean() -> None:
    net = CodedFeatures(1, 8, 0.1, None, 2)
    images = Digits().split("train").columns.images[:50]
    net.fit(images, 6, 1, 0, learnt=False)
    assert net(images).shape == (50, 6)
    torch.testing.assert_close(net.dictionary.norm(dim=1), torch.ones(6))
    torch.testing.assert_close(net.parts(images).mean((0, 1)), torch.zeros(64), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"atoms": 0}, "model.atoms=0"),
        ({"beta": 0.0}, "beta=0.0"),
        ({"classifier": "tree"}, "there are logistic, svm"),
        ({"patch": 9}, "model.patch=9, regions=3: a patch has 2 to 8 pixels"),
        ({"patch": 8}, "1 to as many regions as places"),
    ],
)
def test_options_out_of_range(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SelfTaught(["a", "b"], 1, 8, **arguments)


def test_it_needs_unlabelled_images() -> None:
    with pytest.raises(ValueError, match="SelfTaught learns from data=transfer/self_taught"):
        SelfTaught(["a", "b"], 1, 8).estimate(None)
