"""A classification network without its classifier, as named stages that run one after another.

One interface for all networks, so that cutting, freezing, caching and the necks of detectors work on any of them.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call


class StageShape(NamedTuple):
    """Name, channels and size of a stage's output, for images of the size that the backbone was built for."""

    name: str
    channels: int
    """Of its map, or the length of its vector."""
    size: tuple[int, int] | None
    """Height and width of its map; None where the output is a vector."""
    stride: int | None
    """Image pixels per map pixel, rounded; None where the output is a vector."""


class Backbone(nn.Module):
    """Named stages; uint8 images in, a feature vector out.

    Args:
        name: of the network, for messages.
        stages: modules that run one after another, from the image upwards; each turns maps (B, C, H, W) into maps, or
            into vectors (B, F), which all later ones take.
        channels: of the images that come in, 1 or more.
        image_size: side of the square images in pixels.
        in_channels: channels of the first stage's input; grey images are repeated to ``in_channels`` equal channels.
        published: this module's keys -> keys of the published network, of which ``stages`` are parts.
        taps: stages whose maps feed auxiliary classifiers.

    Raises:
        ValueError: the network takes another number of channels, or larger images.

    Attributes:
        shapes: a ``StageShape`` for each, in order.
        num_features: length of the feature vector.
        mean, std: per-channel normalisation of images in [0, 1]; buffers, so they travel with the weights.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        name: str,
        stages: Mapping[str, nn.Module],
        channels: int,
        image_size: int,
        in_channels: int,
        published: Mapping[str, str] | None = None,
        taps: Sequence[str] = (),
    ) -> None:
        super().__init__()
        if channels not in (1, in_channels):
            raise ValueError(f"{name} takes images of {in_channels} channels (or grey ones), not of {channels}")
        self.name = name
        self.stages = nn.ModuleDict(stages)
        self.in_channels = in_channels
        self.published = dict(published or {})
        self.taps = tuple(taps)
        self.register_buffer("mean", torch.full((in_channels,), 0.5))
        self.register_buffer("std", torch.full((in_channels,), 0.5))
        try:
            self.shapes = shapes_of(self.stages, in_channels, image_size)
        except AssertionError as error:  # timm's networks of one size
            raise ValueError(f"{name} takes no images of {image_size} pixels ({error}): set data.image_size") from error
        if not self.shapes:
            least = next((s for s in range(image_size + 1, 1025) if shapes_of(self.stages, in_channels, s)), None)
            raise ValueError(f"{name} needs images of at least {least} pixels, got {image_size}: set data.image_size")
        self.num_features = self.shapes[-1].channels

    @property
    def stage_names(self) -> list[str]:
        """Names of the stages, from the image upwards."""
        return list(self.stages)

    def truncate(self, names: Sequence[str]) -> None:
        """Cuts off every stage that is not among the first ones, ``names``."""
        for name in self.stage_names[len(names) :]:
            del self.stages[name]
        self.shapes = self.shapes[: len(names)]
        self.num_features = self.shapes[-1].channels

    def normalise(self, images: Tensor) -> Tensor:
        """uint8 images (B, 1 or in_channels, H, W) as the network wants them: float, (x / 255 - mean) / std."""
        scale, shift = (1 / (255 * self.std))[:, None, None], (self.mean / self.std)[:, None, None]
        return images.float() * scale - shift

    def run(self, x: Tensor, start: int = 0, stop: int | None = None) -> Tensor:
        """Runs the stages ``start`` (inclusive) to ``stop`` (exclusive) on the output of the one before ``start``."""
        for stage in list(self.stages.values())[start:stop]:
            x = stage(x)
        return x

    def maps(self, images: Tensor) -> dict[str, Tensor]:
        """uint8 images (B, C, S, S) to each stage's output, by the stage's name."""
        outputs, x = {}, self.normalise(images)
        for name, stage in self.stages.items():
            x = outputs[name] = stage(x)
        return outputs

    def forward(self, images: Tensor) -> Tensor:
        """uint8 images (B, C, S, S) to features (B, num_features)."""
        return pool(self.run(self.normalise(images)))


def pool(x: Tensor) -> Tensor:
    """Maps (B, C, H, W) to their spatial means (B, C); vectors stay as they are."""
    return x.mean((2, 3)) if x.dim() == 4 else x


@torch.no_grad()
def shapes_of(stages: nn.ModuleDict, channels: int, image_size: int) -> list[StageShape]:
    """Output shape of each stage for square images, found without computing; empty where the images are too small."""
    x = torch.empty(2, channels, image_size, image_size, device="meta")
    found = []
    for name, stage in stages.items():
        training = stage.training
        state = {key: torch.empty_like(value, device="meta") for key, value in stage.state_dict().items()}
        try:
            x = functional_call(stage.eval(), state, x)
        except RuntimeError:  # a kernel or a pooling window larger than its input
            return []
        finally:
            stage.train(training)
        if 0 in x.shape:
            return []
        size = (x.shape[2], x.shape[3]) if x.dim() == 4 else None
        found.append(StageShape(name, x.shape[1], size, round(image_size / size[0]) if size else None))
    return found
