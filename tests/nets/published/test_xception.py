from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from leyden.nets.published.xception import Block, SeparableConv2d, Xception, from_timm, xception


@pytest.fixture(scope="module")
def net() -> Xception:
    torch.manual_seed(0)
    return xception(classes=5).eval()


def test_parameters_are_as_many_as_published() -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in xception().parameters()) == 22_855_952


def test_maps_have_the_papers_sizes_at_299_pixels() -> None:
    with torch.device("meta"):
        net, x = xception(), torch.zeros(1, 3, 299, 299)
    shapes = {}
    for name, stage in net.stages().items():
        x = stage(x)
        shapes[name] = tuple(x.shape[1:])
    assert shapes == {
        "stem": (64, 147, 147),
        "entry1": (128, 74, 74),
        "entry2": (256, 37, 37),
        "entry3": (728, 19, 19),
        "middle": (728, 19, 19),
        "exit1": (1024, 10, 10),
        "exit2": (2048, 10, 10),
    }


def test_middle_flow_repeats_one_block_eight_times(net: Xception) -> None:
    assert len(net.middle) == 8
    for block in net.middle:
        assert isinstance(block.shortcut, nn.Identity)
        assert sum(isinstance(layer, SeparableConv2d) for layer in block.body) == 3


def test_every_convolution_is_followed_by_batch_norm(net: Xception) -> None:
    followers = []
    for parent in net.modules():
        if isinstance(parent, nn.Sequential) and not isinstance(parent, SeparableConv2d):
            for layer, follower in pairwise([*parent, None]):
                if isinstance(layer, nn.Conv2d | SeparableConv2d):
                    followers.append(follower)
    assert all(isinstance(follower, nn.BatchNorm2d) for follower in followers)
    # 36 convolutional layers (sec. 3), and the four shortcuts that change the shape
    assert len(followers) == 36 + 4


@torch.no_grad()
def test_separable_convolution_is_a_factored_kernel() -> None:
    separable = SeparableConv2d(4, 6)
    depthwise, pointwise = separable
    kernel = pointwise.weight * depthwise.weight.transpose(0, 1)  # (6, 4, 1, 1) * (1, 4, 3, 3)
    x = torch.randn(2, 4, 5, 5)
    torch.testing.assert_close(separable(x), F.conv2d(x, kernel, padding=1))


@torch.no_grad()
@pytest.mark.parametrize("stride", [1, 2])
def test_block_adds_its_body_to_the_unrectified_shortcut(stride: int) -> None:
    block = Block(4, 4, 4, stride=stride).eval()
    nn.init.zeros_(block.body[5].weight)  # the last batch norm
    x = torch.randn(2, 4, 7, 7)
    before = x.clone()
    assert torch.equal(block(x), block.shortcut(before))


@torch.no_grad()
def test_stages_and_head_are_the_network(net: Xception) -> None:
    x = image = torch.randn(1, 3, 71, 71)
    for stage in net.stages().values():
        x = stage(x)
    assert torch.equal(net.head(x), net(image))
    inside = {id(p) for part in (*net.stages().values(), net.head) for p in part.parameters()}
    assert inside == {id(p) for p in net.parameters()}


@torch.no_grad()
def test_same_weights_give_timms_output() -> None:
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    theirs = timm.create_model("legacy_xception", pretrained=False, num_classes=5)
    for layer in theirs.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 1.0
    theirs.train()(torch.randn(4, 3, 96, 96))  # real statistics, so that no block drowns in its shortcut
    theirs.eval()
    with torch.device("meta"):
        ours = xception(classes=5).eval()
    ours.load_state_dict(from_timm(theirs.state_dict()), assign=True)
    image = torch.randn(1, 3, 96, 96)
    torch.testing.assert_close(ours(image), theirs(image))
