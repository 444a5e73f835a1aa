"""Networks whose features say how alike two images look: the content loss of super-resolution.

Ledig et al. 2017 (section 2.2.1) compare feature maps of VGG19 instead of pixels, because the mean squared error of
pixels asks for the mean of all sharp images that might be true, which is blurred. Any network of ``leyden.nets.zoo``
can take VGG19's place. Where no published weights can be had there is ``DISTORTIONS``: a small network of VGG's kind
that has learned, here and in seconds, to tell in which way patches of the training images were spoilt. So its features
are about sharpness, noise, blocks and ringing; unlike ImageNet's, they know nothing of objects.
"""

import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leyden.nets.auxiliary import fit_classifier, load_network, save_network, train_auxiliary
from leyden.nets.weights import find_weights, load_pretrained
from leyden.nets.zoo import backbone

log = logging.getLogger(__name__)

DISTORTIONS = "distortions"
"""Name of the network that is trained here."""
VERSION = 1
"""Of that network and its training: to be raised with any change of them, so that none is taken from a cache."""
WIDTHS = {"conv1": 16, "conv2": 32, "conv3": 64}
"""Its stages, with two convolutions of so many channels each and a pooling between stages."""
VGG_SCALE = 1 / 12.75
"""Of VGG19's features in the paper (section 3.2), which makes their squared error 0.006 times what it was."""


class Perceptual:
    """Frozen feature maps of images; no part of the technique that uses it, nor of its checkpoints.

    Args:
        name: of the network and the layer, for records.
        network: float images (N, C, H, W) in -1..1 to maps.
        scale: multiplies the maps.
    """

    def __init__(self, name: str, network: nn.Module, scale: float) -> None:
        self.name = name
        self.network = network.requires_grad_(False).eval()
        self.scale = scale

    def __call__(self, images: Tensor) -> Tensor:
        """Maps (N, F, H', W') of images (N, C, H, W) in -1..1, with a graph to them."""
        return self.network(images).float() * self.scale

    def content(self, images: Tensor, target: Tensor) -> Tensor:
        """The mean squared difference of the maps of both, () with a graph to ``images``.

        Equation 5 is the sum over channels, of which this is the mean.
        """
        with torch.no_grad():
            true = self(target)
        return F.mse_loss(self(images), true)


def load_perceptual(name: str, layer: str, weights: str, images: Tensor) -> Perceptual:
    """A network of the zoo up to the last activation of a stage, before the stage's pooling.

    Args:
        name: of ``leyden.nets.zoo``; with ``vgg19`` and ``conv5`` the maps are the paper's phi_5,4, scaled as there.
            Other networks' maps are scaled to a mean square of 1 on ``images``.
        layer: one of its stages.
        weights: "imagenet", or the path of a file.
        images: uint8 (N, C, S, S), some of the training images.

    Raises:
        FileNotFoundError: there are no such weights.
        ValueError: the network has no such stage, or other weights.
    """
    size = max(images.shape[-1], 64)
    net = backbone(name, 3, size)
    if layer not in net.stage_names or net.shapes[net.stage_names.index(layer)].size is None:
        maps = ", ".join(stage.name for stage in net.shapes if stage.size)
        raise ValueError(f"model.perceptual_layer={layer}: {name} has the stages {maps}")
    stages, key = net.stage_names[: net.stage_names.index(layer) + 1], "model.perceptual_weights"
    load_pretrained(net, find_weights(weights, net, key), stages, key)
    net.truncate(stages)
    last = net.stages[layer]
    if isinstance(last, nn.Sequential) and isinstance(last[-1], nn.MaxPool2d):
        net.stages[layer] = last[:-1]
    found = Perceptual(f"{name}_{layer}", _Signed(net), 1.0)
    found.scale = VGG_SCALE if (name, layer) == ("vgg19", "conv5") else _unit_scale(found, images)
    return found


def train_perceptual(images: Tensor, layer: str = "conv2", cache: Path | None = None, steps: int = 300) -> Perceptual:
    """The network that tells distortions, a pure function of ``images``; the global random state stays as it was.

    Args:
        images: uint8 (N, C, S, S), training images; what it learns from.
        layer: a stage of it, whose last activation gives the maps, scaled to a mean square of 1. With "conv2" they
            stand where the paper's phi_2,2 does; deeper ones leave colours loose.
        cache: folder where it is kept as ``perceptual_<key>.pt`` and found again; None learns anew.
        steps: of its training.

    Raises:
        ValueError: there is no such stage.
    """
    if layer not in WIDTHS:
        raise ValueError(f"model.perceptual_layer={layer}: {DISTORTIONS} has the stages {', '.join(WIDTHS)}")
    digest = hashlib.sha256(f"{VERSION} {steps} {tuple(images.shape)}".encode())
    digest.update(images.cpu().contiguous().numpy().tobytes())
    file = None if cache is None else cache / f"perceptual_{digest.hexdigest()[:12]}.pt"
    with train_auxiliary(images.device):
        images = images.clone()
        network = _small_vgg(images.shape[1]).to(images.device)
        spec = load_network(network, file)
        accuracy = _train(network, images, steps) if spec is None else spec["accuracy"]
        if spec is None and file is not None:
            save_network(network, file, accuracy=accuracy)
        stages = list(WIDTHS)
        maps = nn.Sequential(*(network[stage] for stage in stages[: stages.index(layer) + 1]))
        found = Perceptual(f"{DISTORTIONS}_{layer}", maps, 1.0)
        found.scale = _unit_scale(found, images)
    log.info(
        "perceptual network: %s, trained here on %d patches; it tells %d distortions with accuracy %.2f",
        *(found.name, len(images), len(SPOIL), accuracy),
    )
    return found


class _Signed(nn.Module):
    """A backbone that takes images in -1..1."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> Tensor:
        images = images.expand(-1, 3, -1, -1)
        return self.net.run(self.net.normalise((images + 1) * 127.5))  # type: ignore[operator]


def _unit_scale(found: Perceptual, images: Tensor) -> float:
    """What makes the mean square of the maps 1."""
    with torch.no_grad():
        return found(images[:64].float() / 127.5 - 1).square().mean().rsqrt().item()


def _small_vgg(channels: int) -> nn.ModuleDict:
    """Stages, each beginning with its pooling, and the classifier behind them; they run one after another."""
    parts: dict[str, nn.Module] = {}
    for stage, width in WIDTHS.items():
        layers: list[nn.Module] = [nn.MaxPool2d(2)] if parts else []
        for _ in range(2):
            layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(True)]
            channels = width
        parts[stage] = nn.Sequential(*layers)
    parts["head"] = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, len(SPOIL)))
    return nn.ModuleDict(parts)


def _train(network: nn.ModuleDict, images: Tensor, steps: int, count: int = 6, side: int = 32) -> float:
    """Learns which distortion patches went through, ``count`` of each a step; returns the last 20 steps' accuracy."""
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    labels = torch.arange(len(SPOIL), device=images.device).repeat_interleave(count)
    side = min(side, images.shape[-1])

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        for _ in range(steps):
            chosen = torch.randint(len(images), (len(labels),), device=images.device)
            top, left = torch.randint(images.shape[-1] - side + 1, (2,)).tolist()
            patches = images[chosen][..., top : top + side, left : left + side].float() / 127.5 - 1
            spoilt = torch.cat([spoil(part) for spoil, part in zip(SPOIL, patches.split(count), strict=True)])
            yield spoilt.clamp(-1, 1), labels

    network.train()
    correct = fit_classifier(nn.Sequential(*network.values()), batches(), optimizer, schedule)
    network.eval()
    return torch.stack([step.float().mean() for step in correct[-20:]]).mean().item()


def _keep(x: Tensor) -> Tensor:
    return x


def _blur_2(x: Tensor) -> Tensor:
    return _through(x, 2, "bicubic")


def _blur_4(x: Tensor) -> Tensor:
    return _through(x, 4, "bicubic")


def _pixelate(x: Tensor) -> Tensor:
    return _through(x, 2, "nearest")


def _noise(x: Tensor) -> Tensor:
    return x + torch.empty(len(x), 1, 1, 1, device=x.device).uniform_(0.04, 0.15) * torch.randn_like(x)


def _block(x: Tensor) -> Tensor:
    """Blocks of 8x8, each half way to its mean, as in a JPEG of low quality."""
    coarse = F.interpolate(F.avg_pool2d(x, 8), size=x.shape[-2:], mode="nearest")
    return (x + coarse) / 2


def _sharpen(x: Tensor) -> Tensor:
    return 2 * x - _blurred(x)


def _ring(x: Tensor) -> Tensor:
    """Stripes of two pixels, as those a transposed convolution makes."""
    board = torch.ones(x.shape[-2:], device=x.device)
    board[::2, ::2] = board[1::2, 1::2] = -1
    return x + 0.06 * board


def _through(x: Tensor, scale: int, back: str) -> Tensor:
    small = F.interpolate(x, scale_factor=1 / scale, mode="bicubic", antialias=True)
    return F.interpolate(small, size=x.shape[-2:], mode=back, antialias=back == "bicubic")


def _blurred(x: Tensor) -> Tensor:
    return F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)


SPOIL = (_keep, _blur_2, _blur_4, _pixelate, _noise, _block, _sharpen, _ring)
"""What is done to patches (N, C, S, S) in -1..1; the network tells which."""
