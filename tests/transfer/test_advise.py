import numpy as np
import pytest
import torch

from leyden.data.source.builtin.digits import Digits
from leyden.transfer.advise import SMALL, choose_case, logme
from leyden.transfer.data import TransferImages
from leyden.transfer.finetune.finetune import Finetune


def blobs(count: int, dimensions: int, distance: float) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.RandomState(0)
    labels = random.randint(0, 3, count)
    features = random.randn(count, dimensions)
    features[:, :3] += distance * np.eye(3)[labels]
    return features, labels


def fixed_point(features: np.ndarray, labels: np.ndarray) -> float:
    """LogME as its authors compute it (algorithm 1), iterated until it stands still."""
    n, d = features.shape
    u, s, _ = np.linalg.svd(features, full_matrices=False)
    evidences = []
    for label in np.unique(labels):
        y = (labels == label) * 1.0
        z2, alpha, beta = (u.T @ y) ** 2, 1.0, 1.0
        rest = y @ y - z2.sum()
        for _ in range(1000):
            r = alpha / beta
            gamma = (s**2 / (s**2 + r)).sum()
            size = (s**2 * z2 / (r + s**2) ** 2).sum()
            misfit = (z2 / (1 + s**2 / r) ** 2).sum() + rest
            alpha, beta = gamma / size, (n - gamma) / misfit
        determinant = np.log(alpha + beta * s**2).sum() + (d - len(s)) * np.log(alpha)
        evidence = d * np.log(alpha) + n * np.log(beta) - determinant - beta * misfit - alpha * size
        evidences.append((evidence - n * np.log(2 * np.pi)) / 2 / n)
    return float(np.mean(evidences))


@pytest.mark.parametrize(("count", "dimensions"), [(100, 10), (40, 80)])
def test_logme_is_the_authors_fixed_point(count: int, dimensions: int) -> None:
    features, labels = blobs(count, dimensions, 3.0)
    assert logme(features, labels) == pytest.approx(fixed_point(features, labels), abs=1e-6)


def test_logme_grows_with_what_features_know() -> None:
    scores = [logme(*blobs(100, 10, distance)) for distance in (0.0, 1.0, 3.0)]
    assert scores == sorted(scores)


@pytest.mark.parametrize("small", [True, False])
@pytest.mark.parametrize("similar", [True, False])
def test_the_four_cases(small: bool, similar: bool) -> None:
    good, labels = blobs(90, 10, 4.0)
    noise = np.random.RandomState(1).randn(90, 10)
    features, pixels = (good, noise) if similar else (noise, good)
    per_class = SMALL - 1 if small else SMALL
    advice = choose_case(*(torch.from_numpy(x) for x in (features, pixels, labels)), per_class)
    assert (advice.small, advice.similar) == (small, similar)
    lecture = {(True, True): "head", (True, False): "truncate", (False, True): "full", (False, False): "full"}
    assert advice.strategy == lecture[small, similar]
    assert (advice.on_features > 0.9) == similar
    assert (advice.on_pixels > 0.9) != similar


def test_a_single_example_of_a_class_is_too_few() -> None:
    with pytest.raises(ValueError, match="two labelled images of each class"):
        choose_case(torch.randn(3, 2), torch.randn(3, 2), torch.tensor([0, 0, 1]), 1.5)


def test_a_network_that_knows_nothing_is_not_asked() -> None:
    data = TransferImages(Digits())
    data.prepare_data()
    with pytest.raises(ValueError, match=r"set model\.weights"):
        Finetune(**data.spec, weights="none", widths=[4], strides=[1]).advise(data, [])
