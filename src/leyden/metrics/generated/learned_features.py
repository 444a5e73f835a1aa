"""Feature vectors for the evaluation of generators, learned from the data at hand: no weights to download.

Inception features, the custom for photographs of 299 pixels, say little about digits. Here a small classifier is
trained on the training split and its last hidden layer, before the ReLU, is the feature space (behind it some features
are hardly ever active, and one outlier in them outweighs all others); without classes, principal components of the
pixels are. Either way each feature is standardised by its mean and deviation over the training images, because the
Frechet distance grows with the square of the features' scale and the kernel distance with its sixth power.
"""

import hashlib
import logging
import math
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from leyden.nets.auxiliary import fit_classifier, load_network, save_network, train_auxiliary

log = logging.getLogger(__name__)

DIMENSIONS = 64
"""Features per image, where there are images enough."""
VERSION = 1
"""Of the classifier and its training: to be raised with any change of them, so that none is taken from a cache."""


class LearnedFeatures(nn.Module):
    """uint8 images (N, C, H, W) to standardised features (N, d); made by ``learn_features``.

    Args:
        body: float images in -1..1 to features (N, d) on any scale.
        head: features to class logits, or None where there are no classes.
        dimensions: d.
        key: names what the features were learned from; see ``key_of``.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, body: nn.Module, head: nn.Module | None, dimensions: int, key: str) -> None:
        super().__init__()
        self.body = body
        self.head = head
        self.dimensions = dimensions
        self.key = key
        self.register_buffer("mean", torch.zeros(dimensions))
        self.register_buffer("deviation", torch.ones(dimensions))

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Standardised features (N, d) float32."""
        return torch.cat([(self._raw(part) - self.mean) / self.deviation for part in images.split(256)])

    @torch.no_grad()
    def classify(self, images: Tensor) -> Tensor | None:
        """The likeliest class (N,) of each image; None where there are no classes."""
        if self.head is None:
            return None
        return torch.cat([self.head(self._raw(part)).argmax(1) for part in images.split(256)])

    def accuracy(self, images: Tensor, labels: Tensor | None) -> float | None:
        """Share of images that the classifier names as ``labels`` (N,) do; None where there are no classes."""
        named = self.classify(images)
        return None if named is None or labels is None else (named == labels).float().mean().item()

    def standardise(self, images: Tensor) -> "LearnedFeatures":
        """Sets mean and deviation to those over ``images``; features that never change are left unscaled."""
        features = self(images)
        self.mean, deviation = features.mean(0), features.std(0)
        self.deviation = deviation.where(deviation > 1e-6, 1.0)
        return self

    def _raw(self, images: Tensor) -> Tensor:
        return self.body(_signed(images).to(self.mean.device))


def learn_features(
    images: Tensor,
    labels: Tensor | None,
    classes: int,
    device: torch.device,
    seed: int = 0,
    cache: Path | None = None,
    dimensions: int = DIMENSIONS,
) -> LearnedFeatures:
    """The feature space of a data set: a pure function of its images, its labels and the seed.

    It may be called within ``torch.no_grad`` or ``torch.inference_mode`` and under autocast, and leaves the global
    random state as it was.

    Args:
        images: (N, C, H, W) uint8 training images.
        labels: (N,) int64, or None: then features are principal components of the pixels.
        classes: how many there are.
        device: where to compute.
        seed: of weights and order.
        cache: folder where a classifier is kept as ``evaluator_<key>.pt``, with its accuracy on the training images,
            and found again; a file that cannot be read is replaced. None trains one in any case.
        dimensions: features per image; of principal components at most so many.
    """
    with train_auxiliary(device, seed):
        images, key = images.to(device, copy=True), key_of(images, labels, classes, seed, dimensions)
        if labels is None:
            components = PixelComponents(_signed(images), dimensions)
            return LearnedFeatures(components, None, components.dimensions, key).to(device).standardise(images)
        labels = labels.to(device, copy=True)
        features = _classifier(images.shape[1], images.shape[-1], classes, dimensions, key).to(device)
        file = None if cache is None else cache / f"evaluator_{key}.pt"
        if load_network(features, file) is None:
            _train(features, images, labels)
            features.eval().standardise(images)
            if file is not None:
                save_network(features, file, train_accuracy=features.accuracy(images, labels))
        return features.eval().requires_grad_(False)


def key_of(images: Tensor, labels: Tensor | None, classes: int, seed: int, dimensions: int = DIMENSIONS) -> str:
    """12 hexadecimal digits, equal only where ``learn_features`` learns the same: of all that decides it."""
    fewer = "" if dimensions == DIMENSIONS else f" {dimensions}"
    digest = hashlib.sha256(f"{VERSION} {seed} {classes} {tuple(images.shape)}{fewer}".encode())
    for part in (images, labels):
        if part is not None:
            digest.update(part.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]


class PixelComponents(nn.Module):
    """The first principal components of images (N, C, H, W), at most ``dimensions``."""

    center: Tensor
    components: Tensor

    def __init__(self, images: Tensor, dimensions: int = DIMENSIONS) -> None:
        super().__init__()
        pixels = images.flatten(1)
        self.register_buffer("center", pixels.mean(0))
        _, _, directions = torch.linalg.svd(pixels - self.center, full_matrices=False)
        # The last direction of N centred images carries only rounding errors.
        self.dimensions = min(dimensions, len(images) - 1, len(directions))
        self.register_buffer("components", directions[: self.dimensions].T)

    def forward(self, images: Tensor) -> Tensor:
        """Their coordinates (N, d)."""
        return (images.flatten(1) - self.center) @ self.components


def _classifier(channels: int, size: int, classes: int, dimensions: int, key: str) -> LearnedFeatures:
    """Strided convolutions down to 4x4, then a hidden layer."""
    layers: list[nn.Module] = []
    for width in [16 << min(stage, 2) for stage in range(max(1, round(math.log2(size / 4))))]:
        layers += [nn.Conv2d(channels, width, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(True)]
        channels = width
    layers += [nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(16 * channels, dimensions)]
    head = nn.Sequential(nn.ReLU(), nn.Linear(dimensions, classes))
    return LearnedFeatures(nn.Sequential(*layers), head, dimensions, key)


def _train(features: LearnedFeatures, images: Tensor, labels: Tensor, steps: int = 400, batch_size: int = 64) -> None:
    """Adam with a one-cycle rate, on shifted images."""
    size = images.shape[-1]
    assert features.head is not None
    optimizer = torch.optim.Adam(features.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=5e-3, total_steps=steps)

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        for _ in range(steps):
            chosen = torch.randint(len(images), (batch_size,), device=images.device)
            shift = torch.randint(-(size // 16), size // 16 + 1, (2,)).tolist()
            yield _signed(images[chosen]).roll(shift, (-2, -1)), labels[chosen]

    log.info("evaluator: a classifier is trained, whose features compare images: %d steps", steps)
    fit_classifier(nn.Sequential(features.body, features.head), batches(), optimizer, schedule)


def _signed(images: Tensor) -> Tensor:
    return images.float() / 127.5 - 1
