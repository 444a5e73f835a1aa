"""Captions in which one word is exchanged: "a red seven on grass" becomes "a red seven on gravel"."""

import torch
from torch import Tensor, nn

from leyden.data.text.tokenizer import Tokenizer
from leyden.gan.text_to_image.factors import factor_table

PLACES = ("", " ")
"""What may stand before a word: nothing at a text's beginning. Some tokenizers have a token for each."""


class ExchangeWord(nn.Module):
    """Exchanges the word of each factor in turn, in any wording; nothing of it is trained or kept in a checkpoint.

    What comes out is a description that training images have: of the others a discriminator would learn that they fit
    nothing.

    Args:
        class_names: a caption for each description.
        unseen: places in ``class_names`` of those that no training image has.
        factors: words by factor, each a single token (``are_tokens``).
        tokenizer: of the captions.

    Raises:
        ValueError: a description has none of a factor's words, or several.
    """

    table: Tensor
    """(descriptions, factors) int64 values."""
    allowed: Tensor
    """(descriptions, factors, values) bool: whether another value instead gives a description that was seen."""
    words: Tensor
    """(PLACES, factors, values) int64 tokens; -1 where a factor has fewer values."""

    def __init__(
        self, class_names: list[str], unseen: list[int], factors: dict[str, list[str]], tokenizer: Tokenizer
    ) -> None:
        super().__init__()
        table, most = factor_table(class_names, factors), max(map(len, factors.values()))
        seen = torch.ones(len(table), dtype=torch.bool)
        seen[unseen] = False
        differ = table[:, None] != table  # (descriptions, descriptions, factors)
        allowed = torch.zeros(*table.shape, most, dtype=torch.bool)
        for k in range(table.shape[1]):
            own, other = (differ[..., k] & (differ.sum(2) == 1) & seen).nonzero().T
            allowed[own, k, table[other, k]] = True
        words = torch.full((len(PLACES), len(factors), most), -1)
        for place, before in enumerate(PLACES):
            for k, values in enumerate(factors.values()):
                words[place, k, : len(values)] = torch.tensor([tokenizer.encode(before + word)[0] for word in values])
        for name, kept in {"table": table, "allowed": allowed, "words": words}.items():
            self.register_buffer(name, kept, persistent=False)

    def forward(self, tokens: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Captions (factors, N, T), the word of one factor exchanged in each, and where that could be, (factors, N).

        Args:
            tokens: (N, T) captions.
            labels: (N,) descriptions.
        """
        allowed = self.allowed[labels].transpose(0, 1)  # (factors, N, values)
        factor = torch.arange(len(allowed), device=labels.device)[:, None]
        own = self.table[labels].T
        other = torch.rand(allowed.shape, device=labels.device).masked_fill(~allowed, -1).argmax(2)
        exchanged = tokens.expand(len(allowed), -1, -1)
        for words in self.words:
            old, new = words[factor, own][..., None], words[factor, other][..., None]
            exchanged = torch.where(exchanged == old, new, exchanged)
        return exchanged, allowed.any(2)


def are_tokens(factors: dict[str, list[str]], tokenizer: Tokenizer) -> bool:
    """Whether each word is a single token wherever it stands, so that it can be exchanged; no words are none."""
    words = [before + word for values in factors.values() for word in values for before in PLACES]
    return bool(words) and all(len(tokenizer.encode(word)) == 1 for word in words)
