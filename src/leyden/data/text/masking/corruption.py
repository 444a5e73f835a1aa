"""Which tokens a masked language model is asked for, and what it reads in their place."""

from copy import copy

import torch
from torch import Tensor

from leyden.data.columns import IGNORED, MaskedTokens
from leyden.data.text.masking.pieces import Pieces
from leyden.data.text.tokenizer import Tokenizer

HIDDEN, RANDOM = 0.8, 0.1
"""Of the tokens that are asked for: so many become the mask, so many another token, the rest stays (section 3.1)."""


def corrupt(tokens: Tensor, u: Tensor, ordinary: Tensor, mask: int, part: float) -> tuple[Tensor, Tensor]:
    """What is read, and what is asked for (Devlin et al. 2019, section 3.1, task 1).

    Each token that is no special one is asked for with probability ``part``. Of those 80 % become the mask, 10 % a
    token drawn uniformly among all that are no special ones, 10 % stay.

    Args:
        tokens: (B, T) int64.
        u: (B, T, 2) float32, uniform in [0, 1).
        ordinary: (R,) int64, the numbers of the tokens that are no special ones, ascending.
        mask: number of the mask.
        part: above 0, below 1.

    Returns:
        (B, T) int64 both; the second is ``IGNORED`` where nothing is asked.
    """
    asked = torch.isin(tokens, ordinary) & (u[..., 0] < part)
    kind = u[..., 0] / part  # again uniform, where a token is asked for
    others = ordinary[(u[..., 1] * len(ordinary)).long().clamp_(max=len(ordinary) - 1)]
    read = torch.where(kind < HIDDEN, mask, torch.where(kind < HIDDEN + RANDOM, others, tokens))
    return torch.where(asked, read, tokens), torch.where(asked, tokens, IGNORED)


def ordinary_tokens(tokenizer: Tokenizer) -> Tensor:
    """The numbers of the tokens that are no special ones, (R,) int64, ascending."""
    return torch.tensor([number for number in range(tokenizer.size) if number not in tokenizer.special])


class MaskedSequences:
    """A split whose sequences hide other tokens in each epoch (``leyden.data.splits.Sampled``).

    Args:
        pieces: of texts.
        tokenizer: of these.
        part: of the tokens that are asked for, above 0, below 1.
        context: tokens of a pair, at most; None: a sequence is one piece.

    Raises:
        ValueError: pairs are wanted, and no text has two pieces, or there is one text alone.
    """

    def __init__(self, pieces: Pieces, tokenizer: Tokenizer, part: float, context: int | None = None) -> None:
        assert tokenizer.mask is not None
        self.tokens, self.lengths, self.documents = pieces.tokens, pieces.lengths, pieces.documents
        self.mask, self.pad, self.part, self.context = tokenizer.mask, tokenizer.pad, part, context
        self.ordinary = ordinary_tokens(tokenizer)
        self.firsts = torch.arange(len(self.lengths))  # of what a sequence begins with
        if context is None:
            self.draws = 2 * self.tokens.shape[1]
            return
        self.draws = 2 * context + 2
        self.firsts = (self.documents[1:] == self.documents[:-1]).nonzero().flatten()
        if not len(self.firsts) or self.documents[0] == self.documents[-1]:
            raise ValueError(
                "data.next_sentence=true needs several texts, some of them longer than half a sequence: choose another "
                f"data/source, lower data.context={context}, or leave it out"
            )

    def __len__(self) -> int:
        return len(self.firsts)

    @property
    def nbytes(self) -> int:
        """What the tokens take."""
        return self.tokens.nbytes

    def to(self, device: torch.device) -> "MaskedSequences":
        """The same split with its tokens on ``device``."""
        other = copy(self)
        for name in ("tokens", "lengths", "documents", "ordinary", "firsts"):
            setattr(other, name, getattr(self, name).to(device))
        return other

    def sample(self, indices: Tensor, u: Tensor) -> MaskedTokens:
        """The sequences ``indices`` (B,), hidden by ``u`` (B, draws), cut to the longest of them."""
        indices, u = indices.to(self.tokens.device), u.to(self.tokens.device)
        if self.context is None:
            tokens, lengths = self.tokens[indices], self.lengths[indices]
            segments, follows = None, None
        else:
            tokens, lengths, segments, follows = self._pairs(self.firsts[indices], u[:, :2], self.context)
            u = u[:, 2:]
        longest = int(lengths.max())
        tokens = tokens[:, :longest]  # (B, T)
        u = u.unflatten(1, (-1, 2))[:, :longest]
        read, asked = corrupt(tokens, u, self.ordinary, self.mask, self.part)
        places = torch.arange(longest, device=tokens.device)
        segments = torch.zeros_like(tokens) if segments is None else segments[:, :longest]
        follows = torch.full_like(lengths, IGNORED) if follows is None else follows
        return MaskedTokens(read, asked, places < lengths[:, None], segments, follows)

    def _pairs(self, first: Tensor, u: Tensor, context: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Two pieces in a row: tokens (B, T), how many (B,), segments (B, T), whether the second is elsewhere (B,)."""
        apart = u[:, 0] >= 0.5
        second = torch.where(apart, self._elsewhere(first, u[:, 1]), first + 1)
        # (B, T): first the one piece, then the other without the [CLS] that it begins with
        begins = self.lengths[first]
        lengths = begins + self.lengths[second] - 1
        places = torch.arange(context, device=first.device).expand(len(first), -1)
        behind = places >= begins[:, None]
        width = self.tokens.shape[1]
        both = torch.cat([self.tokens[first], self.tokens[second]], 1)
        where = torch.where(behind, width + places - begins[:, None] + 1, places).clamp(max=2 * width - 1)
        inside = places < lengths[:, None]
        tokens = torch.where(inside, both.gather(1, where), self.pad)
        return tokens, lengths, (behind & inside).long(), apart.long()

    def _elsewhere(self, pieces: Tensor, u: Tensor) -> Tensor:
        """A piece of another text for each of some (B,), all of them equally likely."""
        begin = torch.searchsorted(self.documents, self.documents[pieces])
        end = torch.searchsorted(self.documents, self.documents[pieces], right=True)
        others = len(self.documents) - (end - begin)
        drawn = (u.double() * others).long().clamp_(max=len(self.documents) - 1)
        return torch.where(drawn < begin, drawn, drawn + end - begin)
