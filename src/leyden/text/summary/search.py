"""Beam search: the likeliest texts that a network would write, nearly."""

from typing import NamedTuple

import torch
from torch import Tensor

from leyden.nets.transformer import Cache
from leyden.text.summary.net import PointerTransformer


class Written(NamedTuple):
    """Texts that a network wrote."""

    tokens: list[list[int]]
    """Of each text, without start and end."""
    copied: list[list[float]]
    """Of each token, which part of its probability is the text's, 1 - p_gen at its places."""
    attention: list[Tensor]
    """(T, S) each: where each token looked in the text."""


@torch.no_grad()
def beam_search(
    net: PointerTransformer,
    tokens: Tensor,
    start: int,
    end: int,
    never: list[int],
    beams: int = 4,
    longest: int = 30,
    length_penalty: float = 1.0,
    least: int = 0,
    stops: list[int] | None = None,
) -> Written:
    """The best of ``beams`` texts for each that is read; with one beam the likeliest token each time.

    Texts are compared by their log-probability over ``((5 + length) / 6) ** length_penalty`` (Wu et al. 2016, eq. 14).

    Args:
        net: in evaluation mode.
        tokens: (B, S) texts, padded.
        start: the token that begins every summary.
        end: the one that ends it.
        never: tokens that are not written, such as padding.
        beams: kept at each step, from 1.
        longest: tokens of a text; at this length an end is forced.
        length_penalty: 0 prefers short texts, 1 about the mean log-probability of a token.
        least: tokens before which neither an end nor one of ``stops`` is written.
        stops: tokens that end a sentence.
    """
    batch, vocabulary, device = len(tokens), net.token.num_embeddings, tokens.device
    memory = net.read(tokens).repeated(beams)
    rows = batch * beams
    written = torch.full((rows, 1), start, device=device)
    score = torch.full((batch, beams), -torch.inf, device=device)
    score[:, 0] = 0  # all beams begin alike: only the first may go on
    done = torch.zeros(batch, beams, dtype=torch.bool, device=device)
    lengths = torch.zeros(batch, beams, device=device)
    attention = torch.zeros(rows, 0, tokens.shape[1], device=device)
    copied = torch.zeros(rows, 0, device=device)
    caches: list[Cache] | None = None
    base = torch.arange(batch, device=device)[:, None] * beams
    for step in range(longest):
        mixture, caches = net.write(written, memory, caches)
        whole = mixture.full(memory.tokens)[:, 0]  # (rows, V)
        chances = whole.clone()
        chances[:, never if step >= least else [*never, end, *(stops or [])]] = 0
        if step == longest - 1:
            chances = torch.zeros_like(chances).index_fill(1, torch.tensor([end], device=device), 1.0)
        logs = chances.clamp(min=1e-12).log().view(batch, beams, vocabulary)
        over = torch.full((vocabulary,), -torch.inf, device=device)
        over[end] = 0  # a finished text stays as it is
        logs = torch.where(done[..., None], over, logs)
        total = score[..., None] + logs
        long = lengths + (~done).float()
        ranked = total / ((5 + long[..., None]) / 6) ** length_penalty
        best = ranked.flatten(1).topk(beams).indices  # (B, beams)
        parent, token = best // vocabulary, best % vocabulary
        score = total.flatten(1).gather(1, best)
        take = (base + parent).flatten()
        part = mixture.attention[:, 0] * (1 - mixture.p_gen)  # (rows, S)
        own = (part[take] * (memory.tokens == token.flatten()[:, None])).sum(1)
        chance = whole[take, token.flatten()].clamp(min=1e-12)
        copied = torch.cat([copied[take], (own / chance)[:, None]], 1)
        attention = torch.cat([attention[take], mixture.attention[take]], 1)
        written = torch.cat([written[take], token.flatten()[:, None]], 1)
        caches = [Cache(*(x[take] for x in cache)) for cache in caches]
        lengths = long.gather(1, parent)
        done = done.gather(1, parent) | (token == end)
        if done.all():
            break
    first = (base[:, 0] + 0).tolist()  # topk sorts: the first beam is the best
    texts = [written[row, 1:].tolist() for row in first]
    cut = [text[: text.index(end)] if end in text else text for text in texts]
    return Written(
        cut,
        [copied[row, : len(text)].tolist() for row, text in zip(first, cut, strict=True)],
        [attention[row, : len(text)] for row, text in zip(first, cut, strict=True)],
    )
