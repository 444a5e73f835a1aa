"""Feature vectors of images for judging generators, learned from the data at hand: no weights to download.

Inception features, the custom for photographs of 299 pixels, say little about digits. Here a small classifier is
trained on the training split and its last hidden layer, before the ReLU, is the feature space (behind it some features
are hardly ever active, and one outlier in them outweighs all others); without classes, principal components of the
pixels are. Either way each feature is standardised by its mean and deviation over the training images, because the
Frechet distance grows with the square of the features' scale and the kernel distance with its sixth power.
"""

import math

import torch
from torch import Tensor, nn

DIMENSIONS = 64
"""Features per image."""


class Features(nn.Module):
    """uint8 images (N, C, H, W) to standardised features (N, d); made by ``learn_features``.

    Args:
        body: float images in -1..1 to features (N, d) on any scale.
        head: features to class logits, or None where there are no classes.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, body: nn.Module, head: nn.Module | None) -> None:
        super().__init__()
        self.body = body
        self.head = head
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("deviation", torch.ones(()))

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

    def standardise(self, images: Tensor) -> "Features":
        """Sets mean and deviation to those over ``images``; features that never change are left unscaled."""
        features = self(images)
        self.mean, deviation = features.mean(0), features.std(0)
        self.deviation = deviation.where(deviation > 1e-6, 1.0)
        return self

    def _raw(self, images: Tensor) -> Tensor:
        return self.body(_signed(images).to(self.mean.device))


def learn_features(
    images: Tensor, labels: Tensor | None, classes: int, device: torch.device, seed: int = 0
) -> Features:
    """The feature space of a data set: a pure function of its images, its labels and the seed.

    It may be called within ``torch.no_grad`` or ``torch.inference_mode`` and under autocast, and leaves the global
    random state as it was.

    Args:
        images: (N, C, H, W) uint8 training images.
        labels: (N,) int64, or None: then features are principal components of the pixels.
        classes: how many there are.
        device: where to compute.
        seed: of weights and order.
    """
    cuda = [device] if device.type == "cuda" else []
    with (
        torch.inference_mode(False),
        torch.enable_grad(),
        torch.autocast(device.type, enabled=False),
        torch.random.fork_rng(devices=cuda),
    ):
        torch.manual_seed(seed)
        images = images.to(device, copy=True)
        if labels is None:
            features = Features(PixelComponents(_signed(images)), None)
        else:
            features = _train_classifier(images, labels.to(device, copy=True), classes)
        return features.to(device).eval().requires_grad_(False).standardise(images)


class PixelComponents(nn.Module):
    """The first principal components of images (N, C, H, W)."""

    center: Tensor
    components: Tensor

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        pixels = images.flatten(1)
        self.register_buffer("center", pixels.mean(0))
        _, _, directions = torch.linalg.svd(pixels - self.center, full_matrices=False)
        # The last direction of N centred images carries only rounding errors.
        self.register_buffer("components", directions[: min(DIMENSIONS, len(images) - 1)].T)

    def forward(self, images: Tensor) -> Tensor:
        """Their coordinates (N, d)."""
        return (images.flatten(1) - self.center) @ self.components


def _train_classifier(images: Tensor, labels: Tensor, classes: int, steps: int = 400, batch_size: int = 64) -> Features:
    """Strided convolutions down to 4x4, then a hidden layer of 64: Adam with a one-cycle rate, on shifted images."""
    channels, size = images.shape[1], images.shape[-1]
    layers: list[nn.Module] = []
    for width in [16 << min(stage, 2) for stage in range(max(1, round(math.log2(size / 4))))]:
        layers += [nn.Conv2d(channels, width, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(True)]
        channels = width
    layers += [nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(16 * channels, DIMENSIONS)]
    body, head = nn.Sequential(*layers), nn.Sequential(nn.ReLU(), nn.Linear(DIMENSIONS, classes))
    features = Features(body, head).to(images.device)
    optimizer = torch.optim.Adam(features.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=5e-3, total_steps=steps)
    for _ in range(steps):
        chosen = torch.randint(len(images), (batch_size,), device=images.device)
        shift = torch.randint(-(size // 16), size // 16 + 1, (2,)).tolist()
        logits = head(body(_signed(images[chosen]).roll(shift, (-2, -1))))
        loss = nn.functional.cross_entropy(logits, labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return features


def _signed(images: Tensor) -> Tensor:
    return images.float() / 127.5 - 1
