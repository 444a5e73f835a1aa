"""A transformer that reads a text and writes another, in words of its vocabulary or copied from the text.

Shapes: B texts of S tokens, T tokens written, D channels, H heads, V tokens in the vocabulary.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leyden.nets.transformer import Attention, Block, Cache

COPIES_FIRST = -1.0
"""Bias of the gate before training: p_gen is about a quarter, so that copying is learnt from the first step on."""


class Memory(NamedTuple):
    """What was read."""

    tokens: Tensor
    """(B, S) int64."""
    real: Tensor
    """(B, S) bool, False at padding."""
    states: Tensor
    """(B, S, D), of the last layer."""
    crosses: list[Cache]
    """Of each of the decoder's layers: keys and values of the text's tokens."""

    def repeated(self, count: int) -> "Memory":
        """Each text ``count`` times, one behind the other: (B count, ...)."""
        crosses = [Cache(*(x.repeat_interleave(count, 0) for x in cross)) for cross in self.crosses]
        tokens, real, states = (x.repeat_interleave(count, 0) for x in (self.tokens, self.real, self.states))
        return Memory(tokens, real, states, crosses)


class Mixture(NamedTuple):
    """The distribution of the next token: p_gen softmax(logits) + (1 - p_gen) sum of attention at that token's places
    (See et al. 2017, eq. 9)."""

    logits: Tensor
    """(B, T, V) of the vocabulary."""
    attention: Tensor
    """(B, T, S) on the text's tokens, adding up to 1."""
    p_gen: Tensor
    """(B, T) in (0, 1]; 1 where nothing is copied."""

    def at(self, targets: Tensor, tokens: Tensor) -> Tensor:
        """Probabilities (B, T) of ``targets`` (B, T), the text being ``tokens`` (B, S)."""
        written = self.logits.float().log_softmax(-1).gather(-1, targets[..., None])[..., 0].exp()
        copied = (self.attention * (tokens[:, None, :] == targets[..., None])).sum(-1)
        return self.p_gen * written + (1 - self.p_gen) * copied

    def full(self, tokens: Tensor) -> Tensor:
        """Probabilities (B, T, V) of all tokens."""
        written = self.p_gen[..., None] * self.logits.float().softmax(-1)
        places = tokens[:, None, :].expand_as(self.attention)
        return written.scatter_add(-1, places, (1 - self.p_gen[..., None]) * self.attention)


class CrossAttention(nn.Module):
    """Attention of what is written to what was read (Vaswani et al. 2017, section 3.2.3).

    Args:
        width: D, divisible by ``heads``.
        heads: H.
        dropout: of the output.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.query, self.key_value, self.out = (
            nn.Linear(width, width),
            nn.Linear(width, 2 * width),
            nn.Linear(width, width),
        )

    def remember(self, states: Tensor) -> Cache:
        """Keys and values (B, H, S, D / H) of the text's states (B, S, D)."""
        return Cache(*self.key_value(states).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4))

    def forward(self, x: Tensor, cross: Cache, real: Tensor) -> Tensor:
        """(B, T, D) to (B, T, D); ``real`` (B, S) bool is False at padding."""
        q = self.query(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, H, T, D / H)
        y = F.scaled_dot_product_attention(q, *cross, attn_mask=real[:, None, None, :])
        return F.dropout(self.out(y.transpose(1, 2).flatten(2)), self.dropout, self.training)


class DecoderBlock(nn.Module):
    """Causal attention to what is written, attention to what was read, two linear layers; norms first.

    Args:
        width: D.
        heads: of both attentions.
        dropout: of all branches.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm_1, self.norm_2, self.norm_3 = (nn.LayerNorm(width) for _ in range(3))
        self.attention = Attention(width, heads, causal=True, dropout=dropout)
        self.cross = CrossAttention(width, heads, dropout)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU("tanh"), nn.Linear(4 * width, width), nn.Dropout(dropout)
        )

    def forward(self, x: Tensor, cross: Cache, real: Tensor, cache: Cache | None = None) -> tuple[Tensor, Cache]:
        """(B, T, D) to (B, T, D) and the cache of what is written so far; with a cache, T must be 1."""
        attended, cache = self.attention(self.norm_1(x), cache)
        x = x + attended
        x = x + self.cross(self.norm_2(x), cross, real)
        return x + self.mlp(self.norm_3(x)), cache


class PointerTransformer(nn.Module):
    """Encoder and decoder that share their embedding, which, transposed, also gives the logits.

    Args:
        vocabulary_size: V.
        context: largest S.
        summary_context: largest T.
        pad: the token of padding.
        layers: blocks that read.
        decoder_layers: blocks that write.
        heads: of each attention.
        width: D.
        dropout: of embeddings and branches.
        copy: whether the text's tokens can be copied; without, p_gen is 1.
    """

    def __init__(
        self,
        vocabulary_size: int,
        context: int,
        summary_context: int,
        pad: int,
        layers: int,
        decoder_layers: int,
        heads: int,
        width: int,
        dropout: float,
        copy: bool,
    ) -> None:
        super().__init__()
        self.pad, self.dropout, self.copies = pad, dropout, copy
        self.token = nn.Embedding(vocabulary_size, width)
        self.place, self.written_place = nn.Embedding(context, width), nn.Embedding(summary_context, width)
        self.reader = nn.ModuleList(Block(width, heads, causal=False, dropout=dropout) for _ in range(layers))
        self.writer = nn.ModuleList(DecoderBlock(width, heads, dropout) for _ in range(decoder_layers))
        self.read_norm, self.write_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        if copy:
            self.pointer_query, self.pointer_key = nn.Linear(width, width), nn.Linear(width, width, bias=False)
            self.follow = nn.Linear(width, 2)
            self.gate = nn.Linear(2 * width, 1)
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.normal_(parameter, std=0.02)
        if copy:
            nn.init.constant_(self.gate.bias, COPIES_FIRST)

    def read(self, tokens: Tensor) -> Memory:
        """Reads texts (B, S)."""
        real = tokens != self.pad
        x = self.token(tokens) + self.place.weight[: tokens.shape[1]]  # (B, S, D)
        x = F.dropout(x, self.dropout, self.training)
        for block in self.reader:
            x, _ = block(x, real=real)
        x = self.read_norm(x)
        return Memory(tokens, real, x, [block.cross.remember(x) for block in self.writer])  # type: ignore[operator,union-attr]

    def write(self, written: Tensor, memory: Memory, caches: list[Cache] | None = None) -> tuple[Mixture, list[Cache]]:
        """The distribution of the token behind each of ``written`` (B, T), and each block's cache.

        Args:
            written: so far, from the token that begins every summary on.
            memory: of the texts.
            caches: of all tokens but the last; the distributions are then those behind the last alone, T = 1.
        """
        seen = 0 if caches is None else caches[0].keys.shape[2]
        x = self.token(written[:, seen:]) + self.written_place.weight[seen : written.shape[1]]  # (B, T, D)
        x = F.dropout(x, self.dropout, self.training)
        new = []
        for i, block in enumerate(self.writer):
            x, cache = block(x, memory.crosses[i], memory.real, None if caches is None else caches[i])
            new.append(cache)
        x = self.write_norm(x)
        logits = F.linear(x, self.token.weight)
        if not self.copies:
            zeros = x.new_zeros(*x.shape[:2], memory.tokens.shape[1])
            return Mixture(logits, zeros, x.new_ones(x.shape[:2])), new
        scores = self.pointer_query(x) @ self.pointer_key(memory.states).transpose(1, 2) / x.shape[-1] ** 0.5
        bonus = F.softplus(self.follow(x))  # (B, T, 2)
        one, two = (match[:, seen:] for match in followers(written, memory.tokens))  # (B, T, S)
        scores = scores + bonus[..., :1] * one + bonus[..., 1:] * two
        attention = scores.float().masked_fill(~memory.real[:, None, :], -torch.inf).softmax(-1)  # (B, T, S)
        seen_text = attention.to(x.dtype) @ memory.states  # the context vector h* of See et al., (B, T, D)
        p_gen = torch.sigmoid(self.gate(torch.cat([x, seen_text], -1)))[..., 0].float()  # eq. 8
        return Mixture(logits, attention, p_gen), new


def followers(written: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Which places of a text stand behind its tokens that were just written, and behind the last two of them.

    Args:
        written: (B, T).
        tokens: (B, S), of the text.

    Returns:
        (B, T, S) float32 both, 1 or 0.
    """
    same = (written[:, :, None] == tokens[:, None, :]).float()
    one = F.pad(same, (1, 0))[..., :-1]
    two = F.pad(same, (2, 0, 1, 0))[:, :-1, :-2] * one
    return one, two
