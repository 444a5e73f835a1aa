"""Encoder and decoder of a variational autoencoder (Burgess et al. 2018, appendix A.1)."""

import math

from torch import nn

SIZES = (16, 32, 64, 128)
"""Sides of images."""


class Encoder(nn.Sequential):
    """Images (N, C, S, S) in 0..1 to (N, 2 latent_dim): mu and ln sigma^2 of q(z | x)."""

    def __init__(self, channels: int, image_size: int, latent_dim: int, base_channels: int, hidden: int) -> None:
        layers: list[nn.Module] = []
        for inputs in [channels, *[base_channels] * (int(math.log2(image_size)) - 3)]:
            layers += [nn.Conv2d(inputs, base_channels, 4, stride=2, padding=1), nn.ReLU(True)]
        layers += [nn.Flatten(), nn.Linear(base_channels * 16, hidden), nn.ReLU(True)]
        super().__init__(*layers, nn.Linear(hidden, hidden), nn.ReLU(True), nn.Linear(hidden, 2 * latent_dim))
        initialise(self)


class Decoder(nn.Sequential):
    """Latents (N, latent_dim) to (N, C, S, S): logits of pixels, or their means."""

    def __init__(self, channels: int, image_size: int, latent_dim: int, base_channels: int, hidden: int) -> None:
        layers: list[nn.Module] = [nn.Linear(latent_dim, hidden), nn.ReLU(True), nn.Linear(hidden, hidden)]
        layers += [nn.ReLU(True), nn.Linear(hidden, base_channels * 16), nn.ReLU(True)]
        layers += [nn.Unflatten(1, (base_channels, 4, 4))]
        for outputs in [*[base_channels] * (int(math.log2(image_size)) - 3), channels]:
            layers += [nn.ConvTranspose2d(base_channels, outputs, 4, stride=2, padding=1), nn.ReLU(True)]
        super().__init__(*layers[:-1])
        initialise(self)


def initialise(network: nn.Module) -> None:
    """Weights so that ReLU keeps the variance (He et al. 2015), every bias 0.

    PyTorch's own are 2.4 times as small: through ten layers no image tells itself from another, and training stays at
    the mean image with a divergence of 0.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
