import pytest
import torch
from torch import nn

from leyden.nets.resnet import Block, resnet


def test_block_is_the_papers_sum() -> None:
    torch.manual_seed(0)
    block = Block(4, 4, 1).eval()
    x = torch.randn(2, 4, 5, 5)
    inner = block.norm2(block.conv2(block.norm1(block.conv1(x)).relu()))
    assert torch.equal(block(x), (x + inner).relu())


def test_block_of_another_shape_projects_the_shortcut() -> None:
    block = Block(4, 6, 2).eval()
    torch.nn.init.zeros_(block.conv2.weight)
    x = torch.randn(2, 4, 5, 5)
    assert torch.equal(block(x), block.shortcut(x).relu())
    assert block(x).shape == (2, 6, 3, 3)


def test_stages_shrink_and_widen_as_told() -> None:
    stages = resnet(3, [8, 16, 24], [1, 2, 2], blocks=2)
    assert list(stages) == ["stem", "stage1", "stage2", "stage3"]
    x = torch.randn(2, 3, 16, 16)
    shapes = []
    for stage in stages.values():
        x = stage(x)
        shapes.append(tuple(x.shape[1:]))
    assert shapes == [(8, 16, 16), (8, 16, 16), (16, 8, 8), (24, 4, 4)]
    assert [len(stages[f"stage{n}"]) for n in (1, 2, 3)] == [2, 2, 2]


def test_parameter_count_is_that_of_the_layers() -> None:
    stem = 1 * 8 * 9 + 2 * 8
    first = 8 * 8 * 9 * 2 + 4 * 8
    second = 8 * 16 * 9 + 16 * 16 * 9 + 8 * 16 + 6 * 16
    net = nn.ModuleDict(resnet(1, [8, 16], [1, 2]))
    assert sum(p.numel() for p in net.parameters()) == stem + first + second


@pytest.mark.parametrize(("widths", "strides"), [([8, 16], [1]), ([], [])])
def test_each_stage_needs_a_stride(widths: list[int], strides: list[int]) -> None:
    with pytest.raises(ValueError, match="one stride per stage"):
        resnet(1, widths, strides)
