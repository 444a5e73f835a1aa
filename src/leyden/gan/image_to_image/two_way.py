"""What techniques have in common that translate images between two domains, both ways, by a network for each."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from leyden.core.technique import NO_OPTIONS, Predictions, PredictOptions
from leyden.data.batches.gan.unpaired import Unpaired
from leyden.data.splits import fit_channels
from leyden.gan.base import AdversarialTask
from leyden.gan.image_to_image.any_size import at_any_size
from leyden.gan.pixels import to_signed, to_uint8


class TwoWayTranslation(AdversarialTask):
    """Players on the networks ``generator["ab"]``, A to B, and ``generator["ba"]``, B to A, both fully convolutional.

    A technique makes these, and sets ``channels`` and ``image_size`` of its images, and ``multiple`` and ``least``.
    """

    input_type: ClassVar[str] = "images"
    generator: nn.ModuleDict
    channels: int
    image_size: int
    multiple: int
    """Of pixels that both sides of the networks' images are."""
    least: int
    """Pixels that either side has at least."""

    def prepare(self, batch: Unpaired) -> tuple[Tensor, ...]:
        """Real images a and b, and the translations of b into A and of a into B, (N, C, S, S) in -1..1."""
        a, b = to_signed(batch.a.images), to_signed(batch.b.images)
        with self.graph_for("generator"):
            return a, b, self.generator["ba"](b), self.generator["ab"](a)

    @torch.no_grad()
    def translate(self, images: Tensor, way: str = "ab") -> Tensor:
        """uint8 images (N, C, H, W) of any size in the other domain, by the averaged network, uint8 of that shape.

        Args:
            images: with the channels of the training.
            way: "ab", from A to B, or "ba".
        """
        network = self.ema.network.eval().get_submodule(way)
        parts = (at_any_size(network, to_signed(part), self.multiple, self.least) for part in images.split(256))
        return torch.cat([to_uint8(part) for part in parts])

    def predict(self, inputs: Sequence[Tensor], options: PredictOptions = NO_OPTIONS) -> Predictions:
        """Translates images into the other domain.

        Args:
            inputs: uint8 (C, H, W) of any sizes; brought to the channels of the training images. What is in them should
                be about as large, in pixels, as in those.
            options: its ``direction``, A2B unless given.

        Returns:
            for each, its ``width``, ``height`` and ``direction``; and the translated image, of its own size.

        Raises:
            ValueError: a threshold or masks are given.
        """
        options.only(self, "direction")
        direction = options.direction or "A2B"
        way = {"A2B": "ab", "B2A": "ba"}[direction]
        rows: list[dict[str, Any]] = []
        images = []
        for image in inputs:
            translated = self.translate(fit_channels(image, self.channels)[None].to(self.device), way)[0].cpu()
            rows.append({"width": image.shape[-1], "height": image.shape[-2], "direction": direction})
            images.append(translated.expand(3, -1, -1))
        return Predictions(rows, images)
