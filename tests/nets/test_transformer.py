"""The block against torch's own encoder layer, in both orders of norms, with padding."""

import pytest
import torch
from torch import nn

from leyden.nets.transformer import Block


def reference_of(block: Block, norm_first: bool) -> nn.TransformerEncoderLayer:
    """Torch's layer with the block's weights."""
    layer = nn.TransformerEncoderLayer(
        16, 2, 48, dropout=0.0, activation="gelu", layer_norm_eps=1e-12, batch_first=True, norm_first=norm_first
    )
    own = block.state_dict()
    names = {
        "attention.qkv": "self_attn.in_proj_", "attention.out": "self_attn.out_proj.", "mlp.0": "linear1.",
        "mlp.2": "linear2.", "norm_1": "norm1.", "norm_2": "norm2.",
    }  # fmt: skip
    layer.load_state_dict(
        {f"{theirs}{kind}": own[f"{ours}.{kind}"] for ours, theirs in names.items() for kind in ("weight", "bias")}
    )
    return layer


@pytest.mark.parametrize("norm_first", [True, False])
def test_a_block_is_torch_s_encoder_layer(norm_first: bool) -> None:
    torch.manual_seed(0)
    block = Block(16, 2, causal=False, norm_first=norm_first, gelu="none", eps=1e-12, hidden=48)
    with torch.no_grad():
        for norm in (block.norm_1, block.norm_2):
            norm.weight.uniform_(0.5, 2.0)
            norm.bias.normal_()
    x = torch.randn(3, 5, 16)
    real = torch.arange(5) < torch.tensor([[5], [3], [1]])
    expected = reference_of(block, norm_first)(x, src_key_padding_mask=~real)
    torch.testing.assert_close(block(x, real=real)[0][real], expected[real])


def test_padding_changes_nothing() -> None:
    torch.manual_seed(0)
    block = Block(16, 2, causal=False, norm_first=False)
    x = torch.randn(1, 3, 16)
    padded = torch.cat([x, torch.randn(1, 2, 16)], 1)
    alone = block(x)[0]
    torch.testing.assert_close(block(padded, real=torch.arange(5)[None] < 3)[0][:, :3], alone)
