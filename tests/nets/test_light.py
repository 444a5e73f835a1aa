import pytest
import torch

from leyden.nets.light import LightBackbone


@pytest.mark.parametrize("side", [64, 96, 128])
def test_maps_have_the_promised_strides_and_widths(side: int):
    net = LightBackbone(3, [8, 12, 16, 20], [1, 1, 0, 0])
    maps = net(torch.zeros(2, 3, side, side))
    assert [tuple(m.shape) for m in maps] == [
        (2, width, side // stride, side // stride) for width, stride in zip(net.widths, (8, 16, 32), strict=True)
    ]


def test_every_parameter_learns():
    net = LightBackbone(1, [8, 12, 16], [1, 1, 1])
    sum(m.pow(2).sum() for m in net(torch.randn(4, 1, 64, 64))).backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in net.parameters())


def test_lists_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match="as many widths as blocks"):
        LightBackbone(3, [8, 12], [1])
