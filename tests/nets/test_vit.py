"""A small vision transformer: positions in closed form, patches that do not mix, weights that travel."""

import pytest
import torch

from leyden.nets.vit import PatchBlock, positions
from leyden.nets.weights import load_pretrained
from leyden.nets.zoo import backbone


def test_positions_are_sines_of_rows_and_columns() -> None:
    table = positions(2, 3, 8)
    assert table.shape == (6, 8)
    row, column = 1.0, 2.0
    wanted = [row, row / 100, row, row / 100, column, column / 100, column, column / 100]
    angles = torch.tensor(wanted)
    sines = torch.tensor([True, True, False, False] * 2)
    torch.testing.assert_close(table[5], torch.where(sines, angles.sin(), angles.cos()))
    with pytest.raises(ValueError, match="multiples of 4"):
        positions(2, 2, 6)


def test_stages_pass_maps_of_patches() -> None:
    net = backbone("vit", 3, 16, [32], [2, 2], 2)
    assert net.stage_names == ["stem", "block1", "block2"]
    assert [shape.size for shape in net.shapes] == [(4, 4)] * 3
    assert net(torch.zeros(2, 3, 16, 16, dtype=torch.uint8)).shape == (2, 32)


def test_blocks_see_a_map_as_its_tokens() -> None:
    torch.manual_seed(0)
    block, x = PatchBlock(32, last=True).eval(), torch.randn(2, 32, 3, 3)
    tokens = x.flatten(2).transpose(1, 2)
    torch.testing.assert_close(block(x).flatten(2).transpose(1, 2), block.tokens(tokens))
    shuffled = torch.randperm(9)
    torch.testing.assert_close(block.tokens(tokens[:, shuffled]), block.tokens(tokens)[:, shuffled])


def test_where_a_patch_lies_counts() -> None:
    net = backbone("vit", 1, 8, [32], [4], 1).eval()
    image = torch.zeros(1, 1, 8, 8, dtype=torch.uint8)
    image[..., :4, :4] = 255
    assert not torch.allclose(net(image), net(image.flip(3)), atol=1e-4)


def test_weights_are_taken_over() -> None:
    one, other = backbone("vit", 1, 8, [32], [4], 2), backbone("vit", 1, 8, [32], [4], 2)
    load_pretrained(other, one.state_dict(), other.stage_names)
    image = torch.randint(256, (2, 1, 8, 8), dtype=torch.uint8)
    assert torch.equal(one.eval()(image), other.eval()(image))
