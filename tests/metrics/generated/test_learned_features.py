import logging
from pathlib import Path

import pytest
import torch

from leyden.data.source.builtin.digits import Digits
from leyden.data.splits import InMemory, Resized, decode
from leyden.metrics.generated import learned_features as module
from leyden.metrics.generated.learned_features import DIMENSIONS, key_of, learn_features

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def train() -> InMemory:
    return decode(Resized(Digits().split("train"), 16, 1))


@pytest.fixture(scope="module")
def learned(train):
    return learn_features(train.columns.images, train.columns.labels, 10, CPU)


def test_the_classifier_is_right_on_unseen_digits(learned) -> None:
    test = decode(Resized(Digits().split("test"), 16, 1))
    assert learned.accuracy(test.columns.images, test.columns.labels) > 0.97


def test_features_are_standardised_on_the_training_images(learned, train) -> None:
    features = learned(train.columns.images)
    assert features.shape == (len(train), DIMENSIONS)
    torch.testing.assert_close(features.mean(0), torch.zeros(DIMENSIONS), atol=1e-4, rtol=0)
    deviation = features.std(0)
    assert ((deviation - 1).abs() < 1e-3).sum() > DIMENSIONS // 2
    assert deviation.max() < 1.001


def test_equal_in_any_random_state_and_mode(learned, train) -> None:
    torch.manual_seed(123)
    expected = torch.rand(3)
    torch.manual_seed(123)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        again = learn_features(train.columns.images, train.columns.labels, 10, CPU)
    assert torch.equal(torch.rand(3), expected)
    torch.testing.assert_close(again.state_dict(), learned.state_dict(), rtol=0, atol=0)


def test_without_classes_whitened_principal_components() -> None:
    # Few images: the components are orthonormal directions, and at most N - 1 of them mean anything.
    images = torch.randint(0, 256, (20, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    features = learn_features(images, None, 0, CPU)
    assert features.classify(images) is None
    found = features(images)
    assert found.shape == (20, 19)
    torch.testing.assert_close(found.T.cov(), torch.eye(19), atol=1e-3, rtol=0)


def test_cached_classifier_keeps_its_accuracy(learned, train, tmp_path: Path, monkeypatch) -> None:
    first = learn_features(train.columns.images, train.columns.labels, 10, CPU, cache=tmp_path)
    [file] = tmp_path.iterdir()
    assert file.name == f"evaluator_{learned.key}.pt"
    assert torch.load(file, weights_only=True)["train_accuracy"] > 0.99
    monkeypatch.setattr(module, "_train", None)  # whoever learns anew fails
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    found = learn_features(train.columns.images, train.columns.labels, 10, CPU, cache=tmp_path)
    assert torch.equal(torch.rand(3), expected)
    for other in (first, found):
        torch.testing.assert_close(other.state_dict(), learned.state_dict(), rtol=0, atol=0)
        assert not other.training
        assert not any(parameter.requires_grad for parameter in other.parameters())


def broken(content: object, file: Path) -> None:
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content == "cut off":
        file.write_bytes(file.read_bytes()[:2000])
    else:
        torch.save(content, file)


@pytest.mark.parametrize(
    "content", [b"", b"no file of torch's", "cut off", [1], {"state_dict": {"mean": torch.zeros(3)}}, {"other": 1}]
)
def test_a_broken_file_is_learned_anew(content: object, train, tmp_path: Path, monkeypatch, caplog) -> None:
    monkeypatch.setattr(module, "_train", lambda features, images, labels: None)
    expected = learn_features(train.columns.images, train.columns.labels, 10, CPU, cache=tmp_path)
    [file] = tmp_path.iterdir()
    broken(content, file)
    with caplog.at_level(logging.WARNING):
        again = learn_features(train.columns.images, train.columns.labels, 10, CPU, cache=tmp_path)
    assert "trained anew" in caplog.text
    torch.testing.assert_close(again.state_dict(), expected.state_dict(), rtol=0, atol=0)
    assert list(tmp_path.iterdir()) == [file]
    assert torch.load(file, weights_only=True).keys() == {"state_dict", "train_accuracy"}


def test_key_covers_all_inputs(train, monkeypatch) -> None:
    images, labels = train.columns.images, train.columns.labels
    other_image, other_label = images.clone(), labels.clone()
    other_image[0, 0, 0, 0] ^= 1
    other_label[0] = 9 - other_label[0]
    keys = [
        key_of(images, labels, 10, 0),
        key_of(other_image, labels, 10, 0),
        key_of(images, other_label, 10, 0),
        key_of(images, None, 10, 0),
        key_of(images.view(-1, 1, 8, 32), labels, 10, 0),
        key_of(images, labels, 11, 0),
        key_of(images, labels, 10, 1),
    ]
    monkeypatch.setattr(module, "VERSION", module.VERSION + 1)
    keys.append(key_of(images, labels, 10, 0))
    assert len(set(keys)) == len(keys)
    monkeypatch.undo()
    assert key_of(images.clone(), labels.clone(), 10, 0) == keys[0]
