"""The judge of a generator: the same features, the same real images and the same counts for every run on a data set."""

from collections.abc import Callable

import torch
from torch import Tensor

from leyden.data.examples import InMemory, Split
from leyden.metrics.features import learn_features
from leyden.metrics.fidelity import frechet_distance, kernel_distance, manifolds, modes, nearest_ratio

Sampler = Callable[[int], Tensor]
"""Gives so many generated images (N, C, H, W) uint8."""


class Judge:
    """Scores generated images against real ones; takes seconds to make and knows nothing of the generator.

    Features come from a classifier trained on the training split, or, for data without classes, from the principal
    components of its pixels (see ``leyden.metrics.features``). So scores compare between runs on the same data, not
    between data sets, and not with published Inception scores.

    Args:
        train: the images that features are learned from and validation scores refer to.
        test: the images that test scores refer to.
        classes: how many the labels tell apart; fewer than 2 means none.
        limit: at most so many images of each split are used.
        device: where to compute.
    """

    def __init__(self, train: Split, test: Split, classes: int, limit: int, device: torch.device) -> None:
        self.classes = classes if classes > 1 else 0
        self.train_images, self.train_labels = _choose(train, limit, self.classes > 0, device)
        self.test_images, self.test_labels = _choose(test, min(limit, len(train)), self.classes > 0, device)
        self.features = learn_features(self.train_images, self.train_labels, self.classes, device)
        self.train_features = self.features(self.train_images)
        self.test_features = self.features(self.test_images)

    def validation(self, sample: Sampler) -> dict[str, float]:
        """Cheap scores against the training split, by which the best checkpoint is chosen.

        A validation split of a tenth of a small data set has too few images for a Frechet distance (180 digits: its
        bias alone would be 12), and the test split must not choose. A generator that copied the training images would
        score well here; ``nn_ratio`` of the test tells.

        Args:
            sample: gives as many generated images as training images are used.

        Returns:
            ``fid``, ``coverage``, and ``modes`` where there are classes; as in ``test``.
        """
        images = sample(len(self.train_images))
        features = self.features(images)
        scores = {
            "fid": frechet_distance(self.train_features, features).item(),
            "coverage": manifolds(self.train_features, features).coverage.item(),
        }
        return scores | self._modes(images)

    def test(self, sample: Sampler) -> dict[str, float]:
        """All scores against the test split, with as many generated images as it has.

        Args:
            sample: gives as many generated images as test images are used.

        Returns:
            ``fid``: Frechet distance to the test images (0 is best), ``fid_floor``: that of as many training images,
            which no generator should be expected to beat, ``fid_over_floor``: their ratio, ``fid_noise``: that of
            uniform noise; ``kid``: kernel distance (about 0 is best); ``precision``, ``recall``, ``density``,
            ``coverage`` in the balls of 5 nearest neighbours; ``nn_ratio``: distance to the nearest training image over
            that of test images (far below 1: copies). With classes also ``modes``: how many classes get 0.5 % of the
            samples or more, ``mode_kl``: KL of the class histogram from the data's in nats, and ``judge_accuracy``:
            share of test images that the features' classifier names rightly, so how far the features can be trusted.
        """
        images = sample(len(self.test_images))
        features = self.features(images)
        noise = torch.randint(0, 256, images.shape, generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
        fid = frechet_distance(self.test_features, features).item()
        floor = frechet_distance(self.test_features, self.train_features[: len(images)]).item()
        scores = {
            "fid": fid,
            "fid_floor": floor,
            "fid_over_floor": fid / floor,
            "fid_noise": frechet_distance(self.test_features, self.features(noise.to(images.device))).item(),
            "kid": kernel_distance(self.test_features, features).item(),
            "nn_ratio": nearest_ratio(features, self.test_features, self.train_features).item(),
        }
        scores |= {name: value.item() for name, value in manifolds(self.test_features, features)._asdict().items()}
        named = self.features.classify(self.test_images)
        if named is not None and self.test_labels is not None:
            scores["judge_accuracy"] = (named == self.test_labels).float().mean().item()
        return scores | self._modes(images)

    def nearest(self, images: Tensor, count: int) -> Tensor:
        """The ``count`` training images (N, count, C, H, W) nearest to each of ``images`` (N, C, H, W) in features."""
        distance = torch.cdist(self.features(images), self.train_features)
        return self.train_images[distance.topk(count, largest=False).indices]

    def _modes(self, images: Tensor) -> dict[str, float]:
        named = self.features.classify(images)
        if named is None or self.train_labels is None:
            return {}
        found, divergence = modes(named, self.train_labels, self.classes)
        return {"modes": float(found), "mode_kl": divergence.item()}


def _choose(split: Split, limit: int, labelled: bool, device: torch.device) -> tuple[Tensor, Tensor | None]:
    """Images (N, C, H, W) and labels (N,) of a split, in one fixed random order, at most ``limit`` of them."""
    order = torch.randperm(len(split), generator=torch.Generator().manual_seed(0))[:limit]
    if isinstance(split, InMemory):
        images, labels = split.take(order.to(split.images.device))
    else:
        pairs = [split[i] for i in order.tolist()]
        images, labels = torch.stack([image for image, _ in pairs]), torch.tensor([label for _, label in pairs])
    return images.to(device), labels.to(device) if labelled else None
