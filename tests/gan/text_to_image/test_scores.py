"""Scores of samples that are known to be right, wrong, or all alike, by a classifier that is known to be right."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from leyden.gan.text_to_image import scores as module
from leyden.gan.text_to_image.scores import Described, DescriptionScores, spread

FACTORS = {"shape": ["ball", "cube", "cone"], "colour": ["red", "blue", "green"], "place": ["sea", "sky"]}
NAMES = [f"a {c} {s} in the {p}" for s in FACTORS["shape"] for c in FACTORS["colour"] for p in FACTORS["place"]]
UNSEEN = [0, 1]  # red balls


class Reader:
    """Reads factors from the first pixel's channels; features are all pixels."""

    def log_probabilities(self, images: Tensor) -> list[Tensor]:
        sizes = [len(values) for values in FACTORS.values()]
        return [
            torch.nn.functional.one_hot(images[:, k, 0, 0].long(), size).float().log() for k, size in enumerate(sizes)
        ]

    def features(self, images: Tensor) -> Tensor:
        return images.flatten(1).float()


def painted(labels: Tensor, seed: int) -> Described:
    """Images that show their descriptions, with noise in all pixels but the first."""
    images = torch.randint(0, 256, (len(labels), 3, 2, 2), generator=torch.Generator().manual_seed(seed)).byte()
    images[:, :, 0, 0] = torch.stack([labels // 6, labels // 2 % 3, labels % 2], 1).byte()
    return Described(images, labels)


@pytest.fixture
def scorer(monkeypatch: pytest.MonkeyPatch) -> DescriptionScores:
    monkeypatch.setattr(module, "learn_factors", lambda *_: Reader())
    seen = torch.arange(2, len(NAMES)).repeat(8)
    test = torch.arange(len(NAMES)).repeat(4)
    return DescriptionScores(painted(seen, 0), painted(test, 1), NAMES, UNSEEN, FACTORS, torch.device("cpu"))


def test_right_samples_are_right(scorer: DescriptionScores) -> None:
    found = scorer.testing(painted(scorer.test.labels, 2))
    for name in ("right", "right_shape", "right_mean", "unseen_right", "unseen_right_shape_and_colour", "real_right"):
        assert found[name] == 1, name
    assert found["r_precision"] == 1
    assert found["blind_right"] < 0.3
    assert 0.8 < found["diversity"] < 1.2
    assert "right_place_and_shape" not in found


def test_validation_looks_at_unseen_descriptions_without_images(scorer: DescriptionScores) -> None:
    right, wrong = painted(scorer.train.labels, 2), painted(torch.tensor(UNSEEN), 3)
    wrong.images[:, 1, 0, 0] = 2
    found = scorer.validation(right, wrong)
    assert found["right"] == found["unseen_right_shape"] == 1
    assert found["unseen_right"] == 0
    assert 0.8 < found["diversity"] < 1.2


def test_a_wrong_factor_counts_once(scorer: DescriptionScores) -> None:
    samples = painted(scorer.test.labels, 2)
    samples.images[:, 2, 0, 0] = 1 - samples.images[:, 2, 0, 0]
    found = scorer.testing(samples)
    assert found["right_place"] == found["right"] == found["unseen_right"] == found["r_precision"] == 0
    assert found["right_shape_and_colour"] == found["unseen_right_shape_and_colour"] == 1
    assert found["right_mean"] == pytest.approx(2 / 3)


def test_one_image_per_description_has_no_diversity(scorer: DescriptionScores) -> None:
    each = painted(torch.arange(len(NAMES)), 3)
    found = scorer.testing(Described(each.images[scorer.test.labels], scorer.test.labels))
    assert found["right"] == 1
    assert found["diversity"] == 0


def test_spread_is_the_mean_distance_within_descriptions() -> None:
    features, labels = torch.tensor([[0.0], [4], [0], [10], [12]]), torch.tensor([0, 0, 1, 2, 2])
    assert spread(features, labels) == 3
    assert spread(features[:1], labels[:1]) != spread(features[:1], labels[:1])  # NaN


def test_without_factors_there_are_distances_alone() -> None:
    labels = torch.arange(2).repeat(80)
    images: Callable[[int], Described] = lambda seed: painted(labels, seed)  # noqa: E731
    scorer = DescriptionScores(images(0), images(1), ["a dog", "a cat"], [], {}, torch.device("cpu"))
    assert scorer.testing(images(2)).keys() == {"fid", "fid_floor", "neighbour_ratio", "diversity"}
    distances = {"fid", "precision", "recall", "density", "coverage", "diversity"}
    assert scorer.validation(images(2), images(3)).keys() == distances


def test_too_few_images_are_refused() -> None:
    few = painted(torch.arange(2), 0)
    with pytest.raises(ValueError, match="6 or more training and test images, the data have 2 and 2"):
        DescriptionScores(few, few, ["a dog", "a cat"], [], {}, torch.device("cpu"))
