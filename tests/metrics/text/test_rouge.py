"""ROUGE: golden values of rouge-score, means, splitting."""

import pytest
import torch

from leyden.metrics.text.rouge import KINDS, Rouge, RougeScore, rouge

pytest.importorskip("rouge_score")
CAT, SWAPPED = "the cat sat on the mat\nit was happy", "on the mat sat the cat\nhappy it was"
MEAN, ARITHMETIC = "return the mean of the array", "compute the arithmetic mean of an array"


def test_golden_values_of_two_lines() -> None:
    found = rouge(SWAPPED, CAT, stem=False, split="lines")
    assert [round(found[kind].f1, 6) for kind in KINDS] == [1.0, 0.5, 0.555556, 0.555556]


def test_golden_values_of_one_line() -> None:
    found = rouge(ARITHMETIC, MEAN, stem=False)
    assert found["rouge_1"] == pytest.approx(Rouge(4 / 7, 4 / 6, 8 / 13))
    assert found["rouge_2"].f1 == pytest.approx(0.181818, abs=1e-6)
    assert found["rouge_l"].f1 == pytest.approx(8 / 13)


def test_stemming_joins_forms_of_a_word() -> None:
    assert rouge("returns arrays", "return array", stem=True)["rouge_2"].f1 == 1
    assert rouge("returns arrays", "return array", stem=False)["rouge_1"].f1 == 0


def test_sentences_matter_to_lsum_alone() -> None:
    prediction, reference = "B comes first. A is here.", "A is here. B comes first."
    as_lines, as_sentences = rouge(prediction, reference, split="lines"), rouge(prediction, reference)
    assert as_sentences["rouge_lsum"].f1 == 1
    assert as_lines["rouge_lsum"].f1 == as_lines["rouge_l"].f1 == as_sentences["rouge_l"].f1 == 0.5


def test_means_are_percent_of_all_examples() -> None:
    metric = RougeScore()
    metric.update([MEAN, "nothing"], [MEAN, "alike"])
    metric.update([""], [""])
    torch.testing.assert_close(metric.compute()["rouge_l"], torch.tensor(100 / 3, dtype=torch.float64))
    metric.reset()
    metric.update([MEAN], [MEAN])
    assert {kind: float(value) for kind, value in metric.compute().items()} == dict.fromkeys(KINDS, 100.0)


def test_another_split_is_refused() -> None:
    with pytest.raises(ValueError, match="split='words': there are punctuation, lines"):
        rouge("a", "b", split="words")  # type: ignore[arg-type]
