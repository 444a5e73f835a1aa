import pytest
import torch
from torch import nn

from leyden.nets.small_resnet import small_resnet


@pytest.mark.parametrize("side", [64, 96, 128])
def test_maps_have_the_promised_strides_and_widths(side: int):
    x = torch.zeros(2, 3, side, side)
    stages = small_resnet(3, [8, 12, 16, 20], [1, 1, 0, 0]).values()
    for stage, width, stride in zip(stages, (8, 12, 16, 20), (4, 8, 16, 32), strict=True):
        x = stage(x)
        assert x.shape == (2, width, side // stride, side // stride)


def test_every_parameter_learns():
    net = nn.Sequential(*small_resnet(1, [8, 12, 16], [1, 1, 1]).values())
    net(torch.randn(4, 1, 64, 64)).pow(2).sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in net.parameters())


def test_lists_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match="widths and blocks differ in number"):
        small_resnet(3, [8, 12], [1])
