"""A transformer's block (Vaswani et al. 2017, "Attention Is All You Need"), norms first (GPT-2) or last (BERT).

Shapes: B sequences, T tokens, D channels, H heads of D / H channels each, S tokens that were seen before.
"""

from typing import Literal, NamedTuple

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

    def forward(self, x: Tensor, cache: Cache | None = None, real: Tensor | None = None) -> tuple[Tensor, Cache]:
        """(B, T, D) to (B, T, D) and the keys and values so far.

        Args:
            x: the tokens' channels; with a cache, T must be 1.
            cache: of the tokens before.
            real: (B, T) bool, True at tokens that are no padding; nobody attends to the others. None: all are. Not
                together with a cache or ``causal``, where padding behind the text is out of sight anyway.
        """
        # Each (B, H, T, D / H); taken apart before they are permuted, which spares a copy on the way back.
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.qkv(x).chunk(3, -1))
        if cache is not None:
            k, v = torch.cat([cache.keys, k], 2), torch.cat([cache.values, v], 2)  # (B, H, S + T, D / H)
        drop = self.dropout if self.training else 0.0
        seen = None if real is None else real[:, None, None, :]  # (B, 1, 1, T)
        y = F.scaled_dot_product_attention(q, k, v, seen, drop, is_causal=self.causal and cache is None)
        y = self.out(y.transpose(1, 2).flatten(2))  # (B, T, D)
        return F.dropout(y, self.dropout, self.training), Cache(k, v)

    def weights(self, x: Tensor, real: Tensor | None = None) -> Tensor:
        """The weights softmax(q k / sqrt(D / H)) that ``forward`` applies without dropout or cache: (B, H, T, T)."""
        q, k, _ = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
        if real is not None:
            scores = scores.masked_fill(~real[:, None, None, :], -torch.inf)
        if self.causal:
            scores = scores.masked_fill(torch.ones_like(scores[0, 0], dtype=torch.bool).triu(1), -torch.inf)
        return scores.softmax(-1)


class Block(nn.Module):
    """Attention, then two linear layers, each beside a shortcut, with a layer norm before it or behind the sum.

    Args:
        width: D.
        heads: of the attention.
        causal: see ``Attention``.
        dropout: of attention weights and of both branches.
        norm_first: True: x + f(norm(x)), as GPT-2; False: norm(x + f(x)), as Vaswani et al. and BERT.
        gelu: "tanh", the approximation of GPT-2, or "none", the exact one of BERT.
        eps: of the layer norms; BERT has 1e-12.
        hidden: channels between the two linear layers; None: 4 D.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        causal: bool,
        dropout: float = 0.0,
        norm_first: bool = True,
        gelu: Literal["none", "tanh"] = "tanh",
        eps: float = 1e-5,
        hidden: int | None = None,
    ) -> None:
        super().__init__()
        hidden = hidden or 4 * width
        self.norm_first = norm_first
        self.norm_1 = nn.LayerNorm(width, eps)
        self.attention = Attention(width, heads, causal, dropout)
        self.norm_2 = nn.LayerNorm(width, eps)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(gelu), nn.Linear(hidden, width), nn.Dropout(dropout))

    def forward(self, x: Tensor, cache: Cache | None = None, real: Tensor | None = None) -> tuple[Tensor, Cache]:
        """(B, T, D) to (B, T, D) and the attention's cache; arguments as the attention's."""
        attended, cache = self.attention(self.norm_1(x) if self.norm_first else x, cache, real)
        if self.norm_first:
            x = x + attended
            return x + self.mlp(self.norm_2(x)), cache
        x = self.norm_1(x + attended)
        return self.norm_2(x + self.mlp(x)), cache
