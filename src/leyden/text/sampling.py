"""How the next token is drawn from a model's probabilities: temperature, the k likeliest, the likeliest mass."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Sampling:
    """How a token is drawn.

    Raises:
        ValueError: a value is outside its range.
    """

    temperature: float = 0.8
    """What logits are divided by; below 1 the likely ones become likelier, 0 takes the likeliest."""
    top_k: int | None = None
    """Only so many of the likeliest tokens can be drawn; None: all (Fan et al. 2018)."""
    top_p: float | None = None
    """Only the fewest likeliest tokens can be drawn that have this probability together, in (0, 1]; None: all (Holtzman
    et al. 2020, "The Curious Case of Neural Text Degeneration", section 3.1, where it is called nucleus sampling)."""

    def __post_init__(self) -> None:
        if self.temperature < 0:
            raise ValueError(f"model.temperature={self.temperature} must be 0 or more")
        if self.top_k is not None and self.top_k < 1:
            raise ValueError(f"model.top_k={self.top_k} counts from 1; null takes all tokens")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ValueError(f"model.top_p={self.top_p} must be above 0 and at most 1; null takes all tokens")


def draw(logits: Tensor, sampling: Sampling, generator: torch.Generator | None = None) -> Tensor:
    """A token for each row of logits (B, V): (B,) int64.

    First the temperature, then the k likeliest, then, of their probabilities, the likeliest mass.
    """
    if sampling.temperature == 0:
        return logits.argmax(-1)
    logits = logits.float() / sampling.temperature
    if sampling.top_k is not None and sampling.top_k < logits.shape[-1]:
        least = logits.topk(sampling.top_k).values[:, -1:]
        logits = logits.masked_fill(logits < least, -torch.inf)
    if sampling.top_p is not None:
        logits = logits.masked_fill(~nucleus(logits.softmax(-1), sampling.top_p), -torch.inf)
    return torch.multinomial(logits.softmax(-1), 1, generator=generator)[:, 0]


def nucleus(probabilities: Tensor, mass: float) -> Tensor:
    """Which tokens are in the smallest set of probability ``mass`` or more: (B, V) bool, one in each row at least.

    Args:
        probabilities: (B, V); rows sum to 1.
        mass: in (0, 1].
    """
    sorted_p, order = probabilities.sort(dim=-1, descending=True, stable=True)
    before = sorted_p.cumsum(-1) - sorted_p  # the mass of likelier ones
    kept = before < mass
    kept[..., 0] = True
    return torch.zeros_like(kept).scatter(-1, order, kept)
