"""A generator's raw output as an encoded row: tanh for numbers, Gumbel-softmax for modes and categories."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from leyden.data.mixed.encoding import Span

TAU = 0.2


class Activation(nn.Module):
    """Vectors as networks emit them, to vectors as ``leyden.data.mixed.encoding.RowEncoding`` makes them.

    All one-hots are computed together, padded to the widest: a loop over the columns, as in the authors' program, takes
    longer than a small generator.

    Args:
        spans: of the columns.
        width: of a vector.
        tau: temperature of the Gumbel-softmax (Jang et al. 2017); 0.2 in the paper.
    """

    scalar: Tensor
    padded: Tensor
    back: Tensor

    def __init__(self, spans: Sequence[Span], width: int, tau: float = TAU) -> None:
        super().__init__()
        self.tau = tau
        self.words = [(span.start, span.stop) for span in spans if span.scalar is None]
        widest = max(span.stop - span.start for span in spans)
        padded = torch.full((len(spans), widest), width)  # behind the last place stands -inf
        back = torch.zeros(width, dtype=torch.int64)
        scalar = torch.zeros(width, dtype=torch.bool)
        for number, (_, place, start, stop) in enumerate(spans):
            padded[number, : stop - start] = torch.arange(start, stop)
            back[start:stop] = number * widest + torch.arange(stop - start)
            if place is not None:
                scalar[place] = True
        for name, value in (("scalar", scalar), ("padded", padded.flatten()), ("back", back)):
            self.register_buffer(name, value, persistent=False)
        self.spans = len(spans)

    def forward(self, raw: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Rows (N, width) of raw outputs (N, width): numbers in -1..1, the places of a one-hot positive, their sum 1.

        Args:
            raw: outputs; softmax((raw + g) / tau) with Gumbel noise g of each place.
            generator: of the noise, drawn on the CPU; None: the global one.
        """
        noise = torch.empty(raw.shape, device=raw.device if generator is None else "cpu", dtype=raw.dtype)
        gumbel = -noise.exponential_(generator=generator).log().to(raw.device)
        return torch.where(self.scalar, raw.tanh(), self.softmax((raw + gumbel) / self.tau))

    def softmax(self, logits: Tensor) -> Tensor:
        """Softmax (N, width) over each one-hot's places of logits (N, width); numbers' places are not looked at."""
        behind = logits.new_full((len(logits), 1), -torch.inf)
        padded = torch.cat([logits, behind], 1).index_select(1, self.padded)
        return padded.view(len(logits), self.spans, -1).softmax(2).flatten(1).index_select(1, self.back)

    def condition_loss(self, raw: Tensor, conditions: Tensor, asked: Tensor) -> Tensor:
        """Mean cross entropy () of the column that each row was asked for (Xu et al. 2019, sec. 4.3).

        Args:
            raw: (N, width) outputs, N >= 1.
            conditions: (N, categories) one-hot over all columns with categories, one after the other.
            asked: (N,) int64 which of these columns.
        """
        total, place = raw.new_zeros(()), 0
        for number, (start, stop) in enumerate(self.words):
            target = conditions[:, place : place + stop - start].argmax(1)
            losses = cross_entropy(raw[:, start:stop].float(), target, reduction="none")
            total = total + (losses * (asked == number)).sum()
            place += stop - start
        return total / len(raw)
