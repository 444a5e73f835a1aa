"""Scores of images that were brought into another domain: how much they look like it, and what was kept."""

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from leyden.data.batches.gan.adaptation import AdaptationImages
from leyden.data.batches.gan.unpaired import DOMAINS
from leyden.data.columns import collate
from leyden.data.splits import InMemory, Split, labels_of
from leyden.metrics.generated.fidelity import distances, kernel_distance, nearest_ratio
from leyden.metrics.generated.learned_features import learn_features
from leyden.metrics.generated.structure import structure_similarity
from leyden.metrics.generated.super_resolution import texture_distance

PAIRS = 500
"""Images whose distances to each other make up a spread."""
LEARNT = 4000
"""Images of either domain that the classifier learns from, at most."""
PATCHES = 64
"""Of each image, whose texture is compared."""


class Chosen(NamedTuple):
    """Images of a split on a device."""

    images: Tensor
    """(N, C, S, S) uint8."""
    labels: Tensor
    """(N,) int64 place among all classes of both domains; a domain without classes is one."""


class DomainEvaluator:
    """Compares images with the target's held-out ones; depends on the data alone, and knows no network.

    Features come from a classifier of the classes of both domains, a domain without classes being one of its own. It
    learns from domain A's training images and from all of the target's, also those that are not among the shots: for
    the evaluation alone, and the same for every number of shots.

    Args:
        data: prepared.
        limit: at most so many images of each split are compared.
        device: where to compute.
        cache: folder in which the classifier is kept for other runs on the same data; None learns it every time.
    """

    def __init__(self, data: AdaptationImages, limit: int, device: torch.device, cache: Path | None = None) -> None:
        self.first = max(1, len(data.names("a")))
        """Classes of domain A; those of the target come behind them."""
        self.classes = self.first + max(1, len(data.names("b")))
        a, b = (_choose(data.domain("a", "train"), LEARNT, 0), _choose(data.every_target("train"), LEARNT, self.first))
        images, labels = (torch.cat(pair).to(device) for pair in zip(a, b, strict=True))
        self.features = learn_features(images, labels, self.classes, device, cache=cache)
        self.pool = b.images[:limit].to(device)
        self.shots = _choose(data.domain("b", "train"), limit, self.first).images.to(device)
        tests = [
            _choose(data.domain(domain, "test"), limit, first)
            for domain, first in zip(DOMAINS, (0, self.first), strict=True)
        ]
        self.source, self.target = (test.images.to(device) for test in tests)
        self.validation_target = _choose(data.domain("b", "val"), limit, self.first).images.to(device)
        self.accuracy = self.features.accuracy(
            torch.cat([self.source, self.target]), torch.cat([test.labels for test in tests]).to(device)
        )

    def validation(self, images: Tensor) -> dict[str, float]:
        """``kid`` to the target's validation images and ``target_share``, as in ``test``, of images (N, C, S, S)."""
        real = self.features(self.validation_target)
        return {"kid": float(kernel_distance(real, self.features(images))), "target_share": self.share(images)}

    def test(self, before: Tensor, after: Tensor) -> dict[str, float]:
        """All scores of images that were brought into the target domain.

        Args:
            before: (N, C, S, S) uint8 as they were.
            after: (N, C, S, S) uint8, in the target domain.

        Returns:
            ``kid``: kernel distance to the target's test images; ``texture``: distance to theirs of the finest details
            (``leyden.metrics.generated.super_resolution.texture_distance``). Both also as ``..._unadapted`` of
            ``before``, ``..._source`` of domain A's real test images and ``..._floor`` of the target's other real
            images.
            ``target_share``: share of images that the classifier names as one of the target's classes, also
            ``..._unadapted``. ``structure``: content that was kept, see ``leyden.metrics.generated.structure``;
            ``..._floor``: with the images that others were made from.
            ``spread``: mean distance between two images over that between two of the target's test images (1: as
            varied). ``neighbour_ratio``: distance to the nearest target image that was trained on, over that of the
            test images (far below 1: copies). ``judge_accuracy``: of the classifier on both domains' test images.
        """
        features = self.features(after)
        real, shots = self.features(self.target), self.features(self.shots)
        scores = {f"kid{end}": value for end, value in self._kids(real, before, features).items()}
        scores |= {f"texture{end}": value for end, value in self._textures(before, after).items()}
        scores |= {"target_share": self.share(after), "target_share_unadapted": self.share(before)}
        scores["structure"] = structure_similarity(before, after).mean().item()
        scores["structure_floor"] = structure_similarity(before.roll(1, 0), after).mean().item()
        scores["spread"] = spread(features) / spread(real)
        scores["neighbour_ratio"] = nearest_ratio(features, real, shots).item()
        return scores | {"judge_accuracy": self.accuracy or 0.0, "samples": float(len(after))}

    def share(self, images: Tensor) -> float:
        """Share of images (N, C, S, S) that the classifier names as one of the target's classes."""
        named = self.features.classify(images)
        assert named is not None
        return (named >= self.first).float().mean().item()

    def nearest(self, images: Tensor, count: int) -> Tensor:
        """The ``count`` target images (N, count, C, H, W) of the training that are nearest to each of ``images``."""
        distance = distances(self.features(images), self.features(self.shots))
        return self.shots[distance.topk(min(count, len(self.shots)), largest=False).indices]

    def _kids(self, real: Tensor, before: Tensor, after: Tensor) -> dict[str, float]:
        rows = {"": after, "_unadapted": self.features(before), "_source": self.features(self.source)}
        rows["_floor"] = self.features(self.pool)
        return {end: float(kernel_distance(real, features)) for end, features in rows.items()}

    def _textures(self, before: Tensor, after: Tensor) -> dict[str, float]:
        rows = {"": after, "_unadapted": before, "_source": self.source, "_floor": self.pool}
        count = min(len(self.target), *map(len, rows.values()))
        target = self.target[:count]
        return {end: texture_distance(images[:count], target, patches=PATCHES) for end, images in rows.items()}


def spread(features: Tensor) -> float:
    """Mean distance between two of the features (N, d), N from 2; at most the first ``PAIRS`` are used."""
    some = features[:PAIRS]
    return (distances(some, some).sum() / (len(some) * (len(some) - 1))).item()


def _choose(split: Split, limit: int, first: int) -> Chosen:
    """Images of a split in one fixed random order, at most ``limit``, and labels from ``first`` on."""
    order = torch.randperm(len(split), generator=torch.Generator().manual_seed(0))[:limit]
    if isinstance(split, InMemory):
        batch = split.take(order.to(split.device))
    else:
        batch = collate([split[i] for i in order.tolist()])
    if "labels" not in batch._fields:
        return Chosen(batch.images, torch.full((len(order),), first))
    return Chosen(batch.images, labels_of(split).cpu()[order] + first)
