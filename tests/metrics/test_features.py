import pytest
import torch

from leyden.data.examples import InMemory, Resized, decode
from leyden.data.source.digits import Digits
from leyden.metrics.features import DIMENSIONS, learn_features

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def train() -> InMemory:
    return decode(Resized(Digits().split("train"), 16, 1))


@pytest.fixture(scope="module")
def learned(train):
    return learn_features(train.images, train.targets, 10, CPU)


def test_the_classifier_is_right_on_unseen_digits(learned) -> None:
    test = decode(Resized(Digits().split("test"), 16, 1))
    assert (learned.classify(test.images) == test.targets).float().mean() > 0.97


def test_features_are_standardised_on_the_training_images(learned, train) -> None:
    features = learned(train.images)
    assert features.shape == (len(train), DIMENSIONS)
    torch.testing.assert_close(features.mean(0), torch.zeros(DIMENSIONS), atol=1e-4, rtol=0)
    deviation = features.std(0)
    assert ((deviation - 1).abs() < 1e-3).sum() > DIMENSIONS // 2
    assert deviation.max() < 1.001


def test_the_same_whatever_was_drawn_before_and_in_inference_mode(learned, train) -> None:
    torch.manual_seed(123)
    expected = torch.rand(3)
    torch.manual_seed(123)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        again = learn_features(train.images, train.targets, 10, CPU)
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
