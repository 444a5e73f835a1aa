"""New descriptions out of two: the digit of one, the colour of the other."""

import torch
from torch import Tensor, nn

from leyden.data.batches.captions import as_tokens
from leyden.data.text.tokenizer import Tokenizer
from leyden.gan.text_to_image.factors import factor_table


class Recombine(nn.Module):
    """Recombines the factors of descriptions; nothing of it is trained or kept in a checkpoint.

    Args:
        class_names: a caption for each description.
        factors: words by factor.
        tokenizer: of the captions.
        context: tokens of a caption at most.

    Raises:
        ValueError: a description has none of a factor's words, or several.
    """

    table: Tensor
    """(descriptions, factors) int64 values."""
    place: Tensor
    """The description with some values, at their number in a system of mixed bases; -1 where there is none."""
    bases: Tensor
    """(factors,) int64."""
    tokens: Tensor
    """(descriptions, T) int64."""
    lengths: Tensor
    """(descriptions,) int64."""

    def __init__(
        self, class_names: list[str], factors: dict[str, list[str]], tokenizer: Tokenizer, context: int
    ) -> None:
        super().__init__()
        sizes = torch.tensor([len(values) for values in factors.values()])
        bases = torch.cat([torch.ones(1, dtype=torch.int64), sizes.cumprod(0)[:-1]])
        table = factor_table(class_names, factors)
        place = torch.full((int(sizes.prod()),), -1)
        place[(table * bases).sum(1)] = torch.arange(len(table))
        tokens, lengths, _ = as_tokens(class_names, tokenizer, context)
        kept = {"table": table, "place": place, "bases": bases, "tokens": tokens, "lengths": lengths}
        for name, value in kept.items():
            self.register_buffer(name, value, persistent=False)

    def forward(self, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Tokens (N, T), lengths (N,) and labels (N,) of new descriptions, each factor of an example or the one before.

        Args:
            labels: (N,) descriptions. Where there is no description of what was combined, the example's own stays.
        """
        own, before = self.table[labels], self.table[labels.roll(1)]
        chosen = torch.where(torch.rand(own.shape, device=labels.device) < 0.5, own, before)
        found = self.place[(chosen * self.bases).sum(1)]
        found = torch.where(found < 0, labels, found)
        return self.tokens[found], self.lengths[found], found
