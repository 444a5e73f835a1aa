"""The U-Net of pix2pix: its parameters, its shapes, what crosses from the encoder to the decoder."""

import pytest
import torch
from torch import nn

from leyden.gan.image_to_image.unet import UNet


@pytest.mark.parametrize(("downs", "parameters"), [(8, 54_413_955), (7, 41_828_995)])
def test_canonical_unet_parameters(downs: int, parameters: int) -> None:
    with torch.device("meta"):
        network = UNet(3, 3, downs=downs)
    assert sum(p.numel() for p in network.parameters()) == parameters


def test_unet_keeps_any_size_it_can_halve() -> None:
    images = UNet(2, 3, base_channels=2, downs=3)(torch.randn(2, 2, 16, 40))
    assert images.shape == (2, 3, 16, 40)
    assert images.abs().max() <= 1


def test_widths_stop_at_eight_times() -> None:
    network = UNet(1, 1, base_channels=2, downs=6)
    widths = [layer.out_channels for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    assert widths == [2, 4, 8, 16, 16, 16]


@pytest.mark.parametrize(("downs", "layers"), [(8, 3), (7, 2), (5, 0)])
def test_dropout_of_the_authors(downs: int, layers: int) -> None:
    """Three stages of U-Net-256 behind the innermost one, which has none."""
    network = UNet(1, 1, 1, downs, dropout=0.5)
    places = [i for i, stage in enumerate(network.up) for layer in stage if isinstance(layer, nn.Dropout)]
    assert places == list(range(4, 4 + layers))


def test_skips_carry_what_the_bottleneck_loses() -> None:
    """With the decoder's weights on the deeper maps at zero the outermost skip alone decides, pixel by pixel."""
    torch.manual_seed(0)
    network = UNet(1, 1, base_channels=4, downs=3, norm="none").eval()
    with torch.no_grad():
        network.up[0][1].weight[4:] = 0
    images = torch.rand(1, 1, 16, 16, requires_grad=True)
    network(images)[0, 0, 8, 8].backward()
    seen = images.grad[0, 0].nonzero()
    assert seen.min() >= 5
    assert seen.max() <= 11


@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
def test_every_weight_has_a_gradient(norm: str) -> None:
    network = UNet(1, 1, base_channels=2, downs=3, norm=norm)
    network(torch.randn(2, 1, 16, 16)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters() if p.ndim > 1)


@pytest.mark.parametrize(("values", "message"), [({"norm": "layer"}, "one of batch"), ({"downs": 1}, "downs=1")])
def test_unets_that_do_not_exist_are_refused(values: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        UNet(1, 1, **values)
