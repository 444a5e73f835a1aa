"""What counting alone predicts: n-grams of characters, beside which each language model is scored."""

import logging
from collections.abc import Sequence

from leyden.data.text.tokenizer_sources import train_tokenizer
from leyden.metrics.text.ngram import NGrams

log = logging.getLogger(__name__)

ORDER = 7
"""Of the longest n-grams that are counted."""
SHOWN = (3, 5)
"""Orders that have a row of their own beside the best one's."""
MOST_COUNTED, MOST_SCORED = 2_000_000, 1_000_000
"""Characters of the training and the tested texts: half a minute and a few gigabytes."""


class NGramFloors:
    """Bits per character of n-gram models of characters, so that networks of any tokenizer are held against the same.

    Args:
        texts: to count in; an end stands behind each.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self.tokenizer = train_tokenizer("characters", texts)
        self.ngrams = NGrams(self._numbers(texts), ORDER, self.tokenizer.size)

    def bits(self, texts: Sequence[str]) -> dict[int, float]:
        """Bits per character of some texts, by order from 1 to ``ORDER``."""
        numbers = self._numbers(texts)[:MOST_SCORED]
        return {order: self.ngrams.bits(numbers, order) for order in range(1, ORDER + 1)}

    def _numbers(self, texts: Sequence[str]) -> list[int]:
        return [n for text in self.tokenizer.encode_all(texts) for n in (*text, self.tokenizer.end)]


def ngram_floors(texts: Sequence[str], characters: int) -> NGramFloors | None:
    """N-grams of the training texts; None, with a line in the log, where there are too many.

    Args:
        texts: of the training split.
        characters: that they have in all.
    """
    if characters > MOST_COUNTED:
        log.info("n-grams are not scored: %d training characters are more than %d", characters, MOST_COUNTED)
        return None
    return NGramFloors(texts)


def floor_rows(bits: dict[int, float]) -> dict[str, float]:
    """The figures of a test: the orders of ``SHOWN``, and the best one of all."""
    return {**{f"{order}gram": bits[order] for order in SHOWN}, "best_ngram": min(bits.values())}


def floor_lines(bits: dict[int, float]) -> dict[str, float]:
    """The lines of a chart by their names: some orders, and the best one of all."""
    best = min(bits, key=bits.__getitem__)
    return {
        **{f"{order}-grams": bits[order] for order in (1, 2, 3) if order != best},
        f"{best}-grams, the best": bits[best],
    }
