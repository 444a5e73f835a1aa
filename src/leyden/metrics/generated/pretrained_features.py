"""Features of a published network for the evaluation of generators, beside those learned from the data at hand."""

import torch
from torch import Tensor

from leyden.data.splits import fit_image
from leyden.nets.weights import find_weights, load_pretrained
from leyden.nets.zoo import backbone

SIDES = {"inception_v3": 299, "xception": 299}
"""Sides of the images in pixels that a network was trained on, where they are not 224."""


class PretrainedFeatures:
    """uint8 images (N, C, H, W) to the pooled last map (N, d) of a network, on the scale that it has.

    Images are resized, bilinearly, to the size that the network was trained on. With ``inception_v3`` d is 2048, as in
    Heusel et al. 2017; published FIDs come from another copy of that network (TensorFlow's weights of 2015), so scores
    compare among each other, not with those.

    Args:
        name: of a network in ``leyden.nets.zoo``.
        weights: "imagenet", a file, or what else ``leyden.nets.weights.find_weights`` takes.
        channels: of the images.
        device: where to compute.

    Raises:
        ValueError: there is no such network, it does not take these images, or the weights do not fit.
        FileNotFoundError: the weights cannot be had.
    """

    def __init__(self, name: str, weights: str | None, channels: int, device: torch.device) -> None:
        if weights is None:
            raise ValueError(f"the extractor {name} needs weights: set model.extractor_weights to imagenet or a file")
        self.size = SIDES.get(name, 224)
        try:
            with torch.random.fork_rng(devices=[]):
                self.net = backbone(name, channels, self.size)
        except ValueError as error:  # it speaks of a technique's own network; here the user has set another key
            raise ValueError(str(error).replace("model.backbone", "model.extractor")) from error
        key = "model.extractor_weights"
        load_pretrained(self.net, find_weights(weights, self.net, key), self.net.stage_names, key)
        self.net.to(device).eval().requires_grad_(False)
        self.device = device
        self.dimensions = self.net.num_features

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Features (N, d) float32."""
        parts = (fit_image(part.to(self.device), self.size, part.shape[1]) for part in images.split(64))
        return torch.cat([self.net(part) for part in parts])
