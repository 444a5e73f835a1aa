"""Beam search: the likeliest texts that a network would write, nearly."""

from typing import NamedTuple

import torch
from torch import Tensor

from leyden.nets.transformer import Cache
from leyden.text.summary.net import Memory, PointerTransformer


class Rules(NamedTuple):
    """What may be written."""

    start: int
    """The token that begins every summary."""
    end: int
    """The one that ends it."""
    never: list[int]
    """Tokens that are not written, such as padding."""
    longest: int
    """Tokens of a summary, its end included; there an end is forced."""
    least: int = 0
    """Tokens before which neither an end nor one of ``stops`` is written."""
    stops: tuple[int, ...] = ()
    """Tokens that end a sentence."""
    unique: int = 0
    """So many tokens in a row are not written twice (Paulus et al. 2018, section 2.5, of three); 0: they may be."""

    def allow(self, logs: Tensor, written: Tensor) -> Tensor:
        """ln P (R, V) of the token behind ``written`` (R, T), -infinity where it is not allowed.

        Args:
            logs: of the network.
            written: so far, the start included.
        """
        step, device = written.shape[1] - 1, logs.device
        if step == self.longest - 1:
            refused = torch.full_like(logs, -torch.inf)
            return refused.index_fill(-1, torch.tensor([self.end], device=device), 0.0)
        refused_tokens = self.never if step >= self.least else [*self.never, self.end, *self.stops]
        logs = logs.index_fill(-1, torch.tensor(refused_tokens, device=device), -torch.inf)
        if 0 < self.unique <= step + 1:
            before = written.unfold(1, self.unique, 1)  # (R, places, unique)
            again = (before[..., :-1] == written[:, None, step + 2 - self.unique :]).all(-1)
            twice = torch.zeros_like(logs).scatter_reduce(1, before[..., -1], again.float(), "amax")
            logs = logs.masked_fill(twice > 0, -torch.inf)
        return logs


class Written(NamedTuple):
    """Texts that a network wrote."""

    tokens: list[list[int]]
    """Of each text, without start and end."""
    copied: list[list[float]]
    """Of each token, which part of its probability comes from its places in the text, 0 to 1."""
    attention: list[Tensor]
    """(T, S) each: where each token looked in the text."""


@torch.no_grad()
def beam_search(
    net: PointerTransformer, tokens: Tensor, rules: Rules, beams: int = 4, length_penalty: float = 1.0
) -> Written:
    """The best of ``beams`` texts for each that is read; with one beam the likeliest token each time.

    Texts are compared by their log-probability over ``((5 + length) / 6) ** length_penalty`` (Wu et al. 2016, eq. 14).

    Args:
        net: in evaluation mode.
        tokens: (B, S) texts, padded.
        rules: what may be written.
        beams: kept at each step, from 1.
        length_penalty: 0 prefers short texts, 1 about the mean log-probability of a token.
    """
    state = _Beams(net.read(tokens).repeated(beams), beams, rules)
    for _ in range(rules.longest):
        state.extend(net, length_penalty)
        if state.done.all():
            break
    return state.best()


class _Beams:
    """B texts of K beams each, grown by a token at a time; R = B K rows, those of a text side by side, the best first.

    Args:
        memory: of the texts, each K times.
        beams: K.
        rules: what may be written.
    """

    def __init__(self, memory: Memory, beams: int, rules: Rules) -> None:
        rows, device = len(memory.tokens), memory.tokens.device
        self.memory, self.beams, self.rules = memory, beams, rules
        self.written = torch.full((rows, 1), rules.start, device=device)
        self.score = torch.full((rows // beams, beams), -torch.inf, device=device)
        self.score[:, 0] = 0  # all beams begin alike: only the first may go on
        self.done = torch.zeros_like(self.score, dtype=torch.bool)
        self.lengths = torch.zeros_like(self.score)
        self.attention = torch.zeros(rows, 0, memory.tokens.shape[1], device=device)
        self.copied = torch.zeros(rows, 0, device=device)
        self.caches: list[Cache] | None = None

    def extend(self, net: PointerTransformer, length_penalty: float) -> None:
        """Puts a token behind each beam, and keeps the best of all that there are."""
        mixture, caches = net.write(self.written, self.memory, self.caches)
        chances = mixture.full(self.memory.tokens)[:, 0]  # (R, V)
        vocabulary = chances.shape[1]
        logs = self.rules.allow(chances.clamp(min=1e-12).log(), self.written)
        logs = logs.unflatten(0, (-1, self.beams))  # (B, K, V)
        stays = torch.full_like(logs[0, 0], -torch.inf)
        stays[self.rules.end] = 0
        total = self.score[..., None] + torch.where(self.done[..., None], stays, logs)
        lengths = self.lengths + (~self.done).float()
        ranked = total / ((5 + lengths[..., None]) / 6) ** length_penalty
        best = ranked.flatten(1).topk(self.beams).indices  # (B, K)
        parent, token = best // vocabulary, best % vocabulary
        first = torch.arange(0, len(chances), self.beams, device=best.device)[:, None]
        rows, own = (first + parent).flatten(), token.flatten()  # (R,)

        self.score = total.flatten(1).gather(1, best)
        self.lengths = lengths.gather(1, parent)
        self.done = self.done.gather(1, parent) | (token == self.rules.end)
        self.written = torch.cat([self.written[rows], own[:, None]], 1)
        self.caches = [Cache(*(part[rows] for part in cache)) for cache in caches]
        from_text = (mixture.attention * (1 - mixture.p_gen)[..., None])[:, 0][rows]  # (R, S)
        from_text = (from_text * (self.memory.tokens == own[:, None])).sum(1) / chances[rows, own].clamp(min=1e-12)
        self.copied = torch.cat([self.copied[rows], from_text[:, None]], 1)
        self.attention = torch.cat([self.attention[rows], mixture.attention[rows]], 1)

    def best(self) -> Written:
        """The first beam of each text, up to its end."""
        tokens, copied, attention = [], [], []
        for row in range(0, len(self.written), self.beams):
            own = self.written[row, 1:].tolist()
            length = own.index(self.rules.end) if self.rules.end in own else len(own)
            tokens.append(own[:length])
            copied.append(self.copied[row, :length].tolist())
            attention.append(self.attention[row, :length])
        return Written(tokens, copied, attention)
