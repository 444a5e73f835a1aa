"""Summaries that nothing has to be learnt for: what every technique is held against, in the same run."""

from collections.abc import Sequence

import torch

from leyden.core.seeding import mix
from leyden.data.text.splitting import sentences_of
from leyden.metrics.text.rouge import rouge

FIRST_WORDS = 12
"""About as many as a one-line summary has."""


def floors(text: str, reference: str, place: int) -> dict[str, str]:
    """By their names: ``lead``, the first sentence; ``words``, the first twelve words; ``random``, any sentence.

    ``oracle`` is the sentence with the greatest ROUGE against the reference: what choosing one sentence could reach, if
    the reference were known; no technique that chooses a single sentence does better.

    Args:
        text: to sum up.
        reference: its summary, which only the oracle looks at.
        place: the example's number, which the random sentence depends on.
    """
    sentences = sentences_of(text) or [""]
    generator = torch.Generator().manual_seed(mix(place, 7))
    return {
        "lead": sentences[0],
        "words": " ".join(text.split()[:FIRST_WORDS]),
        "random": sentences[int(torch.randint(len(sentences), (1,), generator=generator))],
        "oracle": sentences[best_sentence(sentences, reference)],
    }


def best_sentence(sentences: Sequence[str], reference: str) -> int:
    """Which sentence has the greatest mean of ROUGE-1, 2 and L (F1); of equal ones the first."""
    scores = [
        sum(rouge(sentence, reference)[kind].f1 for kind in ("rouge_1", "rouge_2", "rouge_l")) for sentence in sentences
    ]
    return scores.index(max(scores))
