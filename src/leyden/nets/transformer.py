"""A transformer's block (Vaswani et al. 2017, "Attention Is All You Need"), normalised first as in GPT-2.

Shapes: B sequences, T tokens, D channels, H heads of D / H channels each, S tokens that were seen before.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Cache(NamedTuple):
    """Keys and values of the tokens seen so far, (B, H, S, D / H) each."""

    keys: Tensor
    values: Tensor


class Attention(nn.Module):
    """Scaled dot-product attention of several heads (section 3.2).

    Args:
        width: D, divisible by ``heads``.
        heads: H.
        causal: a token attends to itself and to earlier ones only.
        dropout: of attention weights and of the output.

    Raises:
        ValueError: the heads do not divide the width.
    """

    def __init__(self, width: int, heads: int, causal: bool, dropout: float = 0.0) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"{heads} heads do not divide a width of {width}: choose a multiple")
        self.heads, self.causal, self.dropout = heads, causal, dropout
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, cache: Cache | None = None) -> tuple[Tensor, Cache]:
        """(B, T, D) to (B, T, D) and the keys and values so far; with a cache, T must be 1."""
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # each (B, H, T, D / H)
        if cache is not None:
            k, v = torch.cat([cache.keys, k], 2), torch.cat([cache.values, v], 2)  # (B, H, S + T, D / H)
        drop = self.dropout if self.training else 0.0
        y = F.scaled_dot_product_attention(q, k, v, dropout_p=drop, is_causal=self.causal and cache is None)
        y = self.out(y.transpose(1, 2).flatten(2))  # (B, T, D)
        return F.dropout(y, self.dropout, self.training), Cache(k, v)


class Block(nn.Module):
    """Attention, then two linear layers, each behind a layer norm and beside a shortcut.

    Args:
        width: D.
        heads: of the attention.
        causal: see ``Attention``.
        dropout: of attention weights and of both branches.
    """

    def __init__(self, width: int, heads: int, causal: bool, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm_1 = nn.LayerNorm(width)
        self.attention = Attention(width, heads, causal, dropout)
        self.norm_2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU("tanh"), nn.Linear(4 * width, width), nn.Dropout(dropout)
        )

    def forward(self, x: Tensor, cache: Cache | None = None) -> tuple[Tensor, Cache]:
        """(B, T, D) to (B, T, D) and the attention's cache."""
        attended, cache = self.attention(self.norm_1(x), cache)
        x = x + attended
        return x + self.mlp(self.norm_2(x)), cache
