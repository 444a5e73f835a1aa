"""Sentences by punctuation."""

import pytest

from leyden.data.text.splitting import sentences_of


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One here. Two there! Three?", ["One here.", "Two there!", "Three?"]),
        ("It is 3.5 of np.array, i.e. Numpy. (So.) Yes", ["It is 3.5 of np.array, i.e. Numpy.", "(So.)", "Yes"]),
        ('He said "no." She went. then stayed', ['He said "no."', "She went. then stayed"]),
        ("a line\n\nanother, e.g.\nthird", ["a line", "another, e.g.", "third"]),
        ("  ", []),
        ("", []),
    ],
)  # fmt: skip
def test_sentences_end_at_stops(text: str, sentences: list[str]) -> None:
    assert sentences_of(text) == sentences


def test_no_word_is_lost() -> None:
    text = 'See Fig. 3 of Dr. No. It? \n Is (e.g.) here... And "there." Then 4. 5 vs. 6!\n'
    assert " ".join(sentences_of(text)).split() == text.split()
