import math
from collections import Counter

import pytest
import torch

from leyden.metrics.text.ngram import NGrams

A, B, C = 0, 1, 2
TEXT = [A, B, A, A, B]
"""Behind nothing: 3 A, 2 B. Behind A: 2 B, 1 A. Behind B: 1 A. Behind AB: 1 A. Behind BA: 1 A. Behind AA: 1 B."""


def test_unigrams_by_hand() -> None:
    ngrams = NGrams(TEXT, order=1, vocabulary_size=3)
    p = {A: (3 + 2 / 3) / 7, B: (2 + 2 / 3) / 7, C: (2 / 3) / 7}
    for token, value in p.items():
        assert ngrams.probability(token, [B, A]) == pytest.approx(value)
    assert ngrams.bits([C, A, B, C]) == pytest.approx(-sum(map(math.log2, p.values())) / 3)


def test_trigrams_by_hand() -> None:
    ngrams = NGrams(TEXT, order=3, vocabulary_size=3)
    one = (2 + 2 / 3) / 7  # p(B)
    two = (2 + 2 * one) / 5  # p(B | A)
    three = (1 + 1 * two) / 2  # p(B | A A)
    assert ngrams.probability(B, [C, A, A]) == pytest.approx(three)
    assert ngrams.probability(B, [C, A]) == pytest.approx(two)  # nothing was seen behind C A
    assert ngrams.probability(B, [A, A], order=2) == pytest.approx(two)
    assert ngrams.probability(B, []) == pytest.approx(one)


def test_probabilities_sum_to_one() -> None:
    text = torch.randint(5, (300,), generator=torch.Generator().manual_seed(0)).tolist()
    ngrams = NGrams(text, order=4, vocabulary_size=7)
    for history in ([], [0], [6], [1, 2], [4, 6, 0], text[:3], text[40:50]):
        for order in (1, 2, 3, 4):
            assert sum(ngrams.probability(token, history, order) for token in range(7)) == pytest.approx(1)


def test_long_text_reaches_its_entropy() -> None:
    text = torch.multinomial(torch.tensor([0.5, 0.25, 0.25]), 40_000, True, generator=torch.Generator().manual_seed(0))
    train, test = text.tolist()[:30_000], text.tolist()[30_000:]
    shares = Counter(train)
    entropy = -sum(math.log2(shares[token] / len(train)) for token in test[1:]) / (len(test) - 1)
    ngrams = NGrams(train, order=2, vocabulary_size=3)
    assert ngrams.bits(test, order=1) == pytest.approx(entropy, abs=1e-4)
    assert ngrams.bits(test) == pytest.approx(1.5, abs=0.02)


def test_orders_and_texts_too_short_are_refused() -> None:
    with pytest.raises(ValueError, match="order 0: orders count from 1"):
        NGrams(TEXT, order=0, vocabulary_size=3)
    with pytest.raises(ValueError, match="1 tokens: to predict one, give two or more"):
        NGrams(TEXT, order=2, vocabulary_size=3).bits([A])
