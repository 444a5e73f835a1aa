"""Ways of adapting a generator: which weights learn, and what is added to the generator's loss."""

from typing import Literal, get_args

from torch import Tensor, nn

from leyden.gan.criterion import BATCH_NORMS

Method = Literal["full", "freeze_d", "scale", "ewc", "cdc", "scratch"]
METHODS: tuple[Method, ...] = get_args(Method)


def first_layers(discriminator: nn.Sequential, convolutions: int) -> list[nn.Module]:
    """A discriminator's layers up to the next convolution behind the first so many; all where there is none."""
    places = [number for number, layer in enumerate(discriminator) if isinstance(layer, nn.Conv2d)]
    return list(discriminator)[: places[convolutions] if convolutions < len(places) else None]


def freeze_first(discriminator: nn.Sequential, convolutions: int) -> None:
    """Fixes a discriminator's first convolutions and the normalisation behind each (Mo et al. 2020), in place.

    Raises:
        ValueError: there are not more convolutions than that, so nothing would learn.
    """
    count = sum(isinstance(layer, nn.Conv2d) for layer in discriminator)
    if not 0 < convolutions < count:
        raise ValueError(
            f"model.frozen_layers={convolutions}: 1 to {count - 1} of the discriminator's {count} convolutions"
        )
    for layer in first_layers(discriminator, convolutions):
        layer.requires_grad_(False)


def scale_only(generator: nn.Module) -> None:
    """Fixes all but scale and shift of the batch normalisation (Noguchi and Harada 2019, section 3.1), in place.

    Raises:
        ValueError: the generator has no batch normalisation.
    """
    norms = [layer for layer in generator.modules() if isinstance(layer, BATCH_NORMS)]
    if not norms:
        raise ValueError("model.method=scale moves scale and shift of batch normalisation: set generator_norm=batch")
    generator.requires_grad_(False)
    for norm in norms:
        norm.requires_grad_(True)


def with_maps(generator: nn.Sequential, noise: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Images (N, C, S, S) of noise (N, D), and the maps behind each hidden layer's activation, coarse to fine."""
    maps: list[Tensor] = []
    out = noise
    for layer in generator:
        out = layer(out)
        if isinstance(layer, nn.ReLU):
            maps.append(out)
    return out, maps
