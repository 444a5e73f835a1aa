"""What counting alone predicts of a text: n-grams with Witten-Bell smoothing, the floor of every language model."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence


class NGrams:
    """Probabilities of the next token, counted in a text and interpolated down to the uniform distribution.

    Witten and Bell 1991, "The zero-frequency problem", method C, with T(h) different tokens seen behind a history h,
    c(h) in all:

        p(w | h) = (c(h w) + T(h) p(w | h without its first token)) / (c(h) + T(h)),    below the empty history 1 / V

    Args:
        tokens: to count in; numbers from 0 to ``vocabulary_size`` - 1.
        order: longest n, from 1; 3 looks back on two tokens.
        vocabulary_size: V.

    Raises:
        ValueError: ``order`` is below 1.
    """

    def __init__(self, tokens: Sequence[int], order: int, vocabulary_size: int) -> None:
        if order < 1:
            raise ValueError(f"n-grams of order {order}: orders count from 1")
        self.order, self.vocabulary_size = order, vocabulary_size
        self.following: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
        for end, token in enumerate(tokens):
            for length in range(min(order - 1, end) + 1):
                self.following[tuple(tokens[end - length : end])][token] += 1
        self.totals = {history: counts.total() for history, counts in self.following.items()}

    def probability(self, token: int, history: Sequence[int], order: int | None = None) -> float:
        """p(token | history).

        Args:
            token: the next one.
            history: those before it; only the last ``order`` - 1 count.
            order: n, up to the one that was counted; None takes that.
        """
        p = 1 / self.vocabulary_size
        for length in range(min((order or self.order) - 1, len(history)) + 1):
            seen = tuple(history[len(history) - length :])
            if seen not in self.totals:
                break  # nor was any longer one
            counts = self.following[seen]
            p = (counts[token] + len(counts) * p) / (self.totals[seen] + len(counts))
        return p

    def bits(self, tokens: Sequence[int], order: int | None = None) -> float:
        """Mean of -log2 p over all tokens but the first, each given those before it, as a network is scored.

        Args:
            tokens: two or more.
            order: n, up to the one that was counted; None takes that.

        Raises:
            ValueError: fewer than two tokens.
        """
        if len(tokens) < 2:
            raise ValueError(f"{len(tokens)} tokens: to predict one, give two or more")
        reach = (order or self.order) - 1
        p = (self.probability(tokens[i], tokens[max(0, i - reach) : i], order) for i in range(1, len(tokens)))
        return -math.fsum(map(math.log2, p)) / (len(tokens) - 1)
