"""Self-taught learning: what is unlabelled, the rows, and a run."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Trainer
from sklearn.linear_model import LogisticRegression

from leyden.data.source.builtin.digits import Digits
from leyden.data.source.builtin.faces import Faces
from leyden.transfer.self_taught.data import SelfTaughtImages
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
    model = SelfTaught(**data.spec, atoms=24, epochs=3)
    trainer = Trainer(
        accelerator="cpu", max_epochs=3, logger=False, default_root_dir=tmp_path, enable_progress_bar=False,
        enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(model, data)
    found = trainer.test(model, data, verbose=False)[0]
    assert trainer.global_step == 1
    assert 0.6 < found["test/accuracy"] <= 1
    assert model.pca_map.shape == model.images_map.shape == (24, 64)
    torch.testing.assert_close(model.pca_map @ model.pca_map.T, torch.eye(24), atol=1e-5, rtol=0)
    images, labels = data.split("test").columns
    loaded = SelfTaught.load_from_checkpoint(trainer.checkpoint_callback.best_model_path, weights_only=True)
    assert float((loaded(images).argmax(1) == labels).float().mean()) == pytest.approx(found["test/accuracy"], abs=1e-6)
    assert [row["label"] for row in loaded.predict(list(images[:5])).rows] == [
        data.spec["class_names"][int(place)] for place in model(images[:5]).argmax(1)
    ]


def test_rows_are_pixels_components_and_images() -> None:
    model = SelfTaught(["a", "b"], 1, 2)
    model.pca_map, model.images_map = torch.eye(4)[:2], torch.eye(4)
    x = torch.tensor([[1.0, 2, 3, 4]])
    assert torch.equal(model.features("pixels", x), x)
    assert torch.equal(model.features("pca", x), x[:, :2])
    torch.testing.assert_close(model.features("images", x), x - model.beta / 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"atoms": 0}, "model.atoms=0"), ({"beta": 0.0}, "beta=0.0"), ({"classifier": "tree"}, "there are logistic, svm")],
)
def test_options_out_of_range(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SelfTaught(["a", "b"], 1, 8, **arguments)


def test_it_needs_unlabelled_images() -> None:
    with pytest.raises(ValueError, match="SelfTaught learns from data=transfer/self_taught"):
        SelfTaught(["a", "b"], 1, 8).estimate(None)
