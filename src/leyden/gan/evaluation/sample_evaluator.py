"""Scores of a generator's samples: the same features, real images and counts for every run on a data set."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from leyden.data.columns import collate
from leyden.data.splits import InMemory, Split
from leyden.metrics.generated.fidelity import (
    NEIGHBOURS,
    distances,
    frechet_distance,
    kernel_distance,
    manifolds,
    modes,
    nearest_ratio,
)
from leyden.metrics.generated.learned_features import DIMENSIONS, learn_features
from leyden.metrics.generated.pretrained_features import PretrainedFeatures
from leyden.metrics.generated.sliced_wasserstein import SMALLEST, sliced_wasserstein

PATCHES = 2**14
"""Patches per pyramid level and set for the sliced Wasserstein distance, spread over the images, 128 of each at most:
a second on one CPU core."""


class Generated(NamedTuple):
    """Generated images, and the classes that they were generated for."""

    images: Tensor
    """(N, C, H, W) uint8."""
    labels: Tensor | None = None
    """(N,) int64 classes that were asked for; None where none were."""


Sampler = Callable[[int], Generated]
"""Returns so many generated images."""


class SampleEvaluator:
    """Scores generated images against real ones; takes seconds to make and knows nothing of the generator.

    Features come from a classifier trained on the training split, or, for data without classes, from the principal
    components of its pixels (see ``leyden.metrics.generated.learned_features``): 64, or fewer where there are not more
    images. So scores compare between runs on the same data, not between data sets, and not with published Inception
    scores. The Frechet distance of n images to n others of the same distribution is about d (d + 4) / (2 n) in d
    features: scores of different n do not compare, and ``samples`` goes with them.

    Args:
        train: the images that features are learned from and validation scores refer to.
        test: the images that test scores refer to.
        classes: how many the labels tell apart; fewer than 2 means none.
        limit: at most so many images of each split are used.
        device: where to compute.
        cache: folder in which the classifier is kept for other runs on the same data; None learns it every time.
        extractor: "classifier" is described above. The name of a network in ``leyden.nets.zoo`` adds distances in its
            features to the test, under names that end in its name, such as ``fid_inception_v3``.
        weights: of that network: "imagenet" or a file.

    Raises:
        ValueError: fewer images than the distances need, or an extractor that cannot be had.
        FileNotFoundError: the extractor's weights cannot be had.
    """

    def __init__(
        self,
        train: Split,
        test: Split,
        classes: int,
        limit: int,
        device: torch.device,
        cache: Path | None = None,
        extractor: str = "classifier",
        weights: str | None = None,
    ) -> None:
        self.classes = classes if classes > 1 else 0
        self.train_images, self.train_labels = _choose(train, limit, self.classes > 0, device)
        self.test_images, self.test_labels = _choose(test, min(limit, len(train)), self.classes > 0, device)
        # What can be refused is refused before anything is learned.
        sizes, images = (len(train), len(test)), (len(self.train_images), len(self.test_images))
        _check_counts("nearest neighbours", NEIGHBOURS + 1, images, sizes, limit)
        pretrained, beside = {}, ""
        if extractor != "classifier":
            network = PretrainedFeatures(extractor, weights, self.train_images.shape[1], device)
            what = f"the {network.dimensions} features of {extractor}"
            _check_counts(what, network.dimensions + 1, images, sizes, limit, ", or leave model.extractor=classifier")
            pretrained["_" + extractor.replace("/", "_")] = network
            beside = f"; beside them those of {extractor} with weights {weights} (d = {network.dimensions})"
        own = min(DIMENSIONS, *(count - 1 for count in images))
        self.features = learn_features(
            self.train_images, self.train_labels, self.classes, device, cache=cache, dimensions=own
        )
        self._spaces: dict[str, Callable[[Tensor], Tensor]] = {"": self.features, **pretrained}
        """By what the names of their scores end in."""
        self.description = self._description() + beside
        """One line for the log."""

    def validation(self, sample: Sampler) -> dict[str, float]:
        """Cheap scores against the training split, by which the best checkpoint is chosen.

        A validation split of a tenth of a small data set has too few images for a Frechet distance (180 digits: its
        bias alone would be 12), and the test split must not choose. A generator that copied the training images would
        score well here; ``neighbour_ratio`` of the test tells.

        Args:
            sample: returns as many generated images as training images are used.

        Returns:
            ``fid``, ``precision``, ``recall``, ``density``, ``coverage`` and ``samples``; with classes also ``modes``,
            ``mode_kl`` and, where they were asked for, ``conditional_accuracy``; all as in ``test``.
        """
        generated = sample(len(self.train_images))
        features = self.features(generated.images)
        scores = {"fid": frechet_distance(self.train_features, features).item()}
        scores |= {name: value.item() for name, value in manifolds(self.train_features, features)._asdict().items()}
        return scores | self._of_classes(generated) | {"samples": float(len(generated.images))}

    def test(self, sample: Sampler) -> dict[str, float]:
        """All scores against the test split, with as many generated images as it has.

        Args:
            sample: returns as many generated images as test images are used.

        Returns:
            ``fid``: Frechet distance to the test images (0 is best); ``kid``: kernel distance (about 0 is best);
            ``precision``, ``recall``, ``density``, ``coverage`` in the balls of 5 nearest neighbours; ``swd``: sliced
            Wasserstein distance of patches, mean over scales, of images from 16 pixels (0 is best). Each also as
            ``fid_floor``, ...: that of as many training images, which no generator should be expected to beat, and
            ``fid_noise``, ...: that of uniform noise. ``fid_over_floor``: the ratio of the two.
            ``neighbour_ratio`` (and ``neighbour_ratio_noise``): distance to the nearest training image over that of
            test images (1: like new data, far below 1: copies). ``samples``: how many images were compared.

            With classes also ``modes``: how many classes get 0.5 % of the samples or more; ``mode_kl``: KL of the class
            histogram from the data's in nats; ``conditional_accuracy``: share of the samples that the features'
            classifier names as what was asked for; ``judge_accuracy``: share of test images that it names rightly, so
            how far the features can be trusted. Another extractor adds ``fid_NAME``, ``fid_NAME_floor`` and so on.
        """
        generated = sample(len(self.test_images))
        scores = self._distances(generated.images) | self._baselines
        for space in self._spaces:
            floor = scores[f"fid{space}_floor"]
            scores[f"fid{space}_over_floor"] = scores[f"fid{space}"] / floor if floor > 0 else float("inf")
        if (accuracy := self.accuracy) is not None:
            scores["judge_accuracy"] = accuracy
        return scores | self._of_classes(generated) | {"samples": float(len(generated.images))}

    def nearest(self, images: Tensor, count: int) -> Tensor:
        """The ``count`` training images (N, count, C, H, W) nearest to each of ``images`` (N, C, H, W) in features."""
        distance = distances(self.features(images), self.train_features)
        return self.train_images[distance.topk(count, largest=False).indices]

    @cached_property
    def train_features(self) -> Tensor:
        """(N, d) of the training images."""
        return self.features(self.train_images)

    @cached_property
    def accuracy(self) -> float | None:
        """Share of the test images that the features' classifier names rightly; None without classes."""
        return self.features.accuracy(self.test_images, self.test_labels)

    @cached_property
    def _test_features(self) -> dict[str, Tensor]:
        return {space: extract(self.test_images) for space, extract in self._spaces.items()}

    @cached_property
    def _baselines(self) -> dict[str, float]:
        """What training images and noise score; no generator changes them."""
        floor = self._distances(self.train_images[: len(self.test_images)])
        del floor["neighbour_ratio"]  # their nearest training images are themselves
        generator = torch.Generator().manual_seed(0)
        noise = torch.randint(0, 256, self.test_images.shape, generator=generator, dtype=torch.uint8)
        return {f"{name}_floor": value for name, value in floor.items()} | {
            f"{name}_noise": value for name, value in self._distances(noise.to(self.test_images.device)).items()
        }

    def _distances(self, images: Tensor) -> dict[str, float]:
        """How far images are from as many test images, by all measures that need no labels."""
        scores: dict[str, Tensor | float] = {}
        for space, extract in self._spaces.items():
            real, features = self._test_features[space], extract(images)
            found = {"fid": frechet_distance(real, features), "kid": kernel_distance(real, features)}
            found |= manifolds(real, features)._asdict()
            scores |= {f"{name}{space}": value for name, value in found.items()}
            if not space:
                scores["neighbour_ratio"] = nearest_ratio(features, real, self.train_features)
        if min(images.shape[-2:]) >= SMALLEST:
            levels = sliced_wasserstein(self.test_images, images, min(128, -(-PATCHES // len(images))))
            scores["swd"] = sum(levels.values()) / len(levels)
        return {name: float(value) for name, value in scores.items()}

    def _of_classes(self, generated: Generated) -> dict[str, float]:
        named = self.features.classify(generated.images)
        if named is None or self.train_labels is None:
            return {}
        found, divergence = modes(named, self.train_labels, self.classes)
        scores = {"modes": float(found), "mode_kl": divergence.item()}
        if generated.labels is not None:
            right = named == generated.labels.to(named.device)
            scores["conditional_accuracy"] = right.float().mean().item()
        return scores

    def _description(self) -> str:
        features = f"{self.features.key}, d = {self.features.dimensions}"
        what = (
            f"a classifier ({features}, test accuracy {self.accuracy:.3f})"
            if self.accuracy is not None
            else f"principal components of the pixels ({features})"
        )
        return f"features of {what}; {len(self.test_images)} test and {len(self.train_images)} training images"


def _check_counts(
    what: str, need: int, images: tuple[int, int], sizes: tuple[int, int], limit: int, other: str = ""
) -> None:
    """Raises where there are so few images that a covariance is singular or a ball has too few neighbours.

    Args:
        what: the evaluation goes by.
        need: images of either split.
        images: of training and test that are used.
        sizes: of the two splits.
        limit: at most so many are used.
        other: what else can be done.
    """
    if min(images) >= need:
        return
    asks = f"evaluating by {what} needs {need} training and {need} test images"
    if min(sizes) >= need:
        raise ValueError(f"{asks}, model.eval_samples={limit} takes fewer: set model.eval_samples={need}{other}")
    raise ValueError(f"{asks}, the data have {sizes[0]} and {sizes[1]}: take a larger data/source{other}")


def _choose(split: Split, limit: int, labelled: bool, device: torch.device) -> tuple[Tensor, Tensor | None]:
    """Images (N, C, H, W) and labels (N,) of a split, in one fixed random order, at most ``limit`` of them."""
    order = torch.randperm(len(split), generator=torch.Generator().manual_seed(0))[:limit]
    if isinstance(split, InMemory):
        batch = split.take(order.to(split.device))
    else:
        batch = collate([split[i] for i in order.tolist()])
    return batch.images.to(device), batch.labels.to(device) if labelled else None
