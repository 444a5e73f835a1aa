"""BERT (Devlin et al. 2019, "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding").

Each token becomes the sum of an embedding of it, one of its place and one of its segment (first or second text, section
3.1), normalised; blocks follow in which every token attends to every other (Vaswani et al. 2017, norm behind each
branch). Two heads train it: one names the tokens that were hidden, by the embeddings transposed, the other, on the
first token, says whether the second text follows the first (section 3.1, tasks 1 and 2).

Weights are drawn from N(0, 0.02), biases are 0. With 12 layers of 768 channels, 512 places and 30,522 tokens the
encoder and its pooler have BERT-base's 109,482,240 parameters.

Shapes: B texts, T tokens, D channels, V tokens that there are.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leyden.nets.transformer import Block
from leyden.text.nets.encoder import OwnEncoder

EPS = 1e-12
"""Of every norm, as published."""


class BertEmbeddings(nn.Module):
    """Tokens (B, T) to (B, T, D).

    Args:
        vocabulary_size: V.
        context: largest T.
        width: D.
        dropout: of the sum.
    """

    def __init__(self, vocabulary_size: int, context: int, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.token = nn.Embedding(vocabulary_size, width)
        self.place = nn.Embedding(context, width)
        self.segment = nn.Embedding(2, width)
        self.norm = nn.LayerNorm(width, EPS)
        self.dropout = dropout

    def forward(self, tokens: Tensor, segments: Tensor | None = None) -> Tensor:
        """Tokens and their segments, 0 or 1 (None: all 0), (B, T) int64 both, to (B, T, D)."""
        segment = self.segment.weight[0] if segments is None else self.segment(segments)
        x = self.token(tokens) + self.place.weight[: tokens.shape[1]] + segment
        return F.dropout(self.norm(x), self.dropout, self.training)


class BertEncoder(OwnEncoder):
    """Tokens (B, T) to features (B, T, D).

    Args:
        vocabulary_size: V.
        context: largest T.
        layers: blocks.
        heads: of each block's attention; they divide ``width``.
        width: D.
        dropout: of embeddings, attention weights and branches; published weights were trained with 0.1.
    """

    def __init__(
        self, vocabulary_size: int, context: int, layers: int, heads: int, width: int, dropout: float = 0.0
    ) -> None:
        sizes = {
            "vocabulary_size": vocabulary_size,
            "context": context,
            "layers": layers,
            "heads": heads,
            "width": width,
        }
        super().__init__("bert", sizes)
        self.embeddings = BertEmbeddings(vocabulary_size, context, width, dropout)
        self.blocks = nn.ModuleList(
            Block(width, heads, causal=False, dropout=dropout, norm_first=False, gelu="none", eps=EPS)
            for _ in range(layers)
        )
        self.apply(init_bert)

    @property
    def stages(self) -> dict[str, nn.Module]:
        """``embeddings``, then the blocks."""
        blocks = {f"block{i}": block for i, block in enumerate(self.blocks, 1)}
        return {"embeddings": self.embeddings, **blocks}

    def run(self, x: Tensor, real: Tensor | None = None, start: int = 0, stop: int | None = None) -> Tensor:
        """See ``Encoder``."""
        stages = list(self.stages.values())[start:stop]
        if start == 0 and stages:
            x, stages = self.embeddings(x), stages[1:]  # (B, T, D)
        for block in stages:
            x, _ = block(x, real=real)
        return x

    def pair(self, tokens: Tensor, segments: Tensor, real: Tensor | None = None) -> Tensor:
        """Two texts in a row, told apart by ``segments`` (B, T) of 0 and 1, to (B, T, D)."""
        return self.run(self.embeddings(tokens, segments), real, start=1)


class Pooler(nn.Module):
    """The first token's features through a linear layer and tanh: (B, T, D) to (B, D).

    Args:
        width: D.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width)
        self.apply(init_bert)

    def forward(self, features: Tensor) -> Tensor:
        """(B, T, D) to (B, D)."""
        return torch.tanh(self.linear(features[:, 0]))


class MaskedHead(nn.Module):
    """Names tokens: features (S, D) to logits (S, V), by the embeddings that it is given.

    Args:
        vocabulary_size: V.
        width: D.
    """

    def __init__(self, vocabulary_size: int, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, EPS)
        self.bias = nn.Parameter(torch.zeros(vocabulary_size))
        self.apply(init_bert)

    def forward(self, features: Tensor, embeddings: Tensor) -> Tensor:
        """Features (S, D) and embeddings (V, D) to logits (S, V)."""
        return F.linear(self.norm(F.gelu(self.linear(features))), embeddings, self.bias)


class BertForPretraining(nn.Module):
    """An encoder with its two heads.

    Args:
        encoder: of text.
        next_sentence: has the head that says whether the second text follows the first.
    """

    def __init__(self, encoder: BertEncoder, next_sentence: bool = False) -> None:
        super().__init__()
        self.encoder = encoder
        self.masked = MaskedHead(encoder.vocabulary_size, encoder.width)
        self.pooler = Pooler(encoder.width) if next_sentence else None
        self.follows = nn.Linear(encoder.width, 2).apply(init_bert) if next_sentence else None

    def token_logits(self, features: Tensor) -> Tensor:
        """Features (S, D) of tokens that are hidden to logits (S, V); the head's weights are the embeddings (tied)."""
        return self.masked(features, self.encoder.embeddings.token.weight)

    def pair_logits(self, features: Tensor) -> Tensor:
        """Features (B, T, D) of two texts each to logits (B, 2): the second follows the first, it does not."""
        assert self.pooler is not None
        assert self.follows is not None
        return self.follows(self.pooler(features))


def init_bert(module: nn.Module) -> None:
    """N(0, 0.02) for matrices, 0 for biases (the published code; the paper does not say)."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
