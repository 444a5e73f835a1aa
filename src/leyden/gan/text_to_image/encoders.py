"""Descriptions as vectors: small encoders that are learned together with what uses them."""

from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

Encoder = Literal["bag_of_words", "gru"]


class BagOfWords(nn.Module):
    """Tokens (N, T) with lengths (N,) to vectors (N, dim): the sum of their embeddings over the root of the length.

    The order of the words is lost. What is gained: a description that was never seen is a sum of parts that were.
    """

    def __init__(self, vocabulary: int, dim: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, dim)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Vectors (N, dim); what lies behind ``lengths`` is not looked at."""
        inside = torch.arange(tokens.shape[1], device=tokens.device) < lengths[:, None]
        total = (self.embed(tokens) * inside[..., None]).sum(1)
        return total / lengths[:, None].clamp(min=1).sqrt()


class GRU(nn.Module):
    """Tokens (N, T) with lengths (N,) to the last state (N, dim) of a gated recurrent unit (Cho et al. 2014)."""

    def __init__(self, vocabulary: int, dim: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, dim)
        self.recurrent = nn.GRU(dim, dim, batch_first=True)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Vectors (N, dim); what lies behind ``lengths`` is not looked at."""
        packed = pack_padded_sequence(self.embed(tokens), lengths.cpu(), batch_first=True, enforce_sorted=False)
        return self.recurrent(packed)[1][0]


ENCODERS: dict[Encoder, type[nn.Module]] = {"bag_of_words": BagOfWords, "gru": GRU}


def make_encoder(name: Encoder, vocabulary: int, dim: int) -> nn.Module:
    """An encoder of descriptions of tokens 0 .. ``vocabulary`` - 1 into vectors of ``dim`` numbers.

    Raises:
        ValueError: there is none of this name.
    """
    if name not in get_args(Encoder):
        raise ValueError(f"model.encoder={name}: one of {', '.join(get_args(Encoder))}")
    return ENCODERS[name](vocabulary, dim)
