"""Frozen encoders whose maps say what is on an image, and by their statistics in which style: AdaIN's VGG in the paper.

There are no weights of VGG in a package. ``efficientnet_lite0``, whose weights are in one, stands for it, or any other
network of ``leyden.nets.zoo``; ``autoencoder`` needs no weights, it is trained here on the images of both domains.
"""

import logging
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leyden.nets.auxiliary import train_auxiliary
from leyden.nets.weights import find_weights, load_pretrained
from leyden.nets.zoo import backbone

log = logging.getLogger(__name__)

AUTOENCODER = "autoencoder"
"""Name of the encoder that is trained here."""
WIDTHS = {"conv1": 24, "conv2": 48, "conv3": 96}
"""Its stages; each but the first halves the side."""


class Encoder(nn.Module):
    """Images (N, channels, H, W) in -1..1 to the maps of several stages, all frozen once ``make_ready`` was called.

    Args:
        name: ``autoencoder``, or a network of ``leyden.nets.zoo``.
        stages: whose maps are given, from the image upwards; the last one's are the content. None: all three of the
            autoencoder; stem, stage1 and stage2 of ``efficientnet_lite0``, at a quarter of the image's side.
        channels: of the images.
        image_size: side of the training images in pixels.

    Raises:
        ValueError: there is no such network or stage.
    """

    scales: Tensor
    """(stages,) by which maps are divided, so that their mean square is 1 on training images."""
    ready: Tensor
    """() bool: whether it has its weights."""

    def __init__(self, name: str, stages: Sequence[str] | None, channels: int, image_size: int) -> None:
        super().__init__()
        self.name = name
        if name == AUTOENCODER:
            parts, stages = _convolutions(channels), list(stages or WIDTHS)
            widths = WIDTHS
            self.network: nn.Module = nn.ModuleDict(parts)
        else:
            net = backbone(name, 3, max(64, image_size))
            stages = list(stages or ("stem", "stage1", "stage2"))
            widths = {shape.name: shape.channels for shape in net.shapes if shape.size}
            if set(stages) <= set(widths):
                net.truncate(net.stage_names[: net.stage_names.index(stages[-1]) + 1])
            self.network = net
        if unknown := [stage for stage in stages if stage not in widths]:
            raise ValueError(f"model.stages has {unknown[0]}: {name} has the stages {', '.join(widths)}")
        self.stages, self.widths = stages, [widths[stage] for stage in stages]
        self.register_buffer("scales", torch.ones(len(stages)))
        self.register_buffer("ready", torch.tensor(False))
        self.requires_grad_(False)

    @property
    def parts(self) -> nn.ModuleDict:
        """All stages, from the image upwards."""
        found = self.network if self.name == AUTOENCODER else self.network.stages
        assert isinstance(found, nn.ModuleDict)
        return found

    def train(self, mode: bool = True) -> "Encoder":
        """Stays in evaluation: its batch statistics are part of its weights."""
        return super().train(False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """The maps (N, width, H', W') of each of ``stages``, with a graph to the images."""
        x = images
        if self.name != AUTOENCODER:
            mean, std = self.network.mean.view(-1, 1, 1), self.network.std.view(-1, 1, 1)  # type: ignore[operator]
            x = ((images.expand(-1, 3, -1, -1) + 1) / 2 - mean) / std
        found: list[Tensor] = []
        for stage, part in self.parts.items():
            x = part(x)
            if stage in self.stages:
                found.append(x / self.scales[len(found)])
        return found

    def make_ready(self, images: Tensor, weights: str, steps: int) -> None:
        """Gives it weights, published ones or learnt ones, unless it has them; a pure function of its arguments.

        Args:
            images: (N, channels, S, S) in -1..1, of both domains.
            weights: "imagenet" or a file, of a network of the zoo.
            steps: of the autoencoder's training.

        Raises:
            FileNotFoundError: there are no such weights.
            ValueError: they are of another network.
        """
        if self.ready:
            return
        with train_auxiliary(images.device):
            images = images.clone()
            if self.name == AUTOENCODER:
                error = _train(self.parts, images, steps)
                log.info(
                    "encoder: an autoencoder, trained on %d images; squared error %.4f of -1..1", len(images), error
                )
            else:
                net = self.network
                load_pretrained(net, find_weights(weights, net, "model.weights"), net.stage_names, "model.weights")  # type: ignore[arg-type]
            self.requires_grad_(False)
            with torch.no_grad():
                self.scales.fill_(1)
                self.scales.copy_(torch.stack([maps.square().mean().sqrt() for maps in self(images[:256])]))
            self.ready.fill_(True)


def _convolutions(channels: int) -> dict[str, nn.Module]:
    parts: dict[str, nn.Module] = {}
    for number, (stage, width) in enumerate(WIDTHS.items()):
        stride = 2 if number else 1
        first = nn.Conv2d(channels, width, 3, stride, padding=1, padding_mode="reflect")
        second = nn.Conv2d(width, width, 3, padding=1, padding_mode="reflect")
        parts[stage] = nn.Sequential(first, nn.ReLU(True), second, nn.ReLU(True))
        channels = width
    return parts


class Decoder(nn.Sequential):
    """Maps (N, inputs, H, W) to images (N, channels, 2^ups H, 2^ups W) in about -1..1.

    As in the paper (section 6.1): nearest-neighbour enlargement, reflection padding, and no normalisation, which would
    bring all images to one style.

    Args:
        inputs: channels of the maps.
        channels: of the images.
        ups: how many times the side is doubled.
        base_channels: of the last convolution but one; doubled with each halving of the side.
    """

    def __init__(self, inputs: int, channels: int, ups: int, base_channels: int) -> None:
        layers: list[nn.Module] = []
        for level in range(ups, -1, -1):
            width = base_channels * 2**level
            layers += [nn.Conv2d(inputs, width, 3, padding=1, padding_mode="reflect"), nn.ReLU(True)]
            if level:
                layers += [nn.Upsample(scale_factor=2)]
            inputs = width
        super().__init__(*layers, nn.Conv2d(inputs, channels, 3, padding=1, padding_mode="reflect"))


def _train(parts: nn.ModuleDict, images: Tensor, steps: int) -> float:
    """Trains stages and a decoder to give images back, 16 a step; returns the last step's mean squared error."""
    for module in parts.modules():
        if isinstance(module, nn.Conv2d):
            module.reset_parameters()
    parts.requires_grad_(True)
    last = list(WIDTHS.values())[-1]
    network = nn.Sequential(*parts.values(), Decoder(last, images.shape[1], len(WIDTHS) - 1, 24)).to(images.device)
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    for _ in range(steps):
        batch = images[torch.randint(len(images), (16,), device=images.device)]
        loss = F.mse_loss(network(batch), batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return loss.item()
