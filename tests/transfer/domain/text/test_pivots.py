"""What stands beside a pivot: words of one domain alone that come with it, none of which repeats it."""

import pytest
import torch

from leyden.data.batches.domain_pair import Pair
from leyden.data.columns import LabelledRows, Rows
from leyden.data.splits import InMemory
from leyden.transfer.domain.text.pivots import PivotRow, companions, draw_pivots, own_words, pivot_rows
from leyden.transfer.domain.text.scl import Correspondence

NAMES = ["great", "kettle", "film", "great film", "bad"]
SOURCE = torch.tensor([[1.0, 1, 0, 0, 0], [1, 1, 0, 0, 0], [0, 0, 0, 0, 1], [0, 0, 0, 0, 1]]).double()
TARGET = torch.tensor([[1.0, 0, 1, 1, 0], [1, 0, 1, 1, 0], [0, 0, 0, 0, 1], [0, 0, 0, 0, 1]]).double()
LABELS = torch.tensor([1, 1, 0, 0])


def test_companions_are_the_greatest_above_zero() -> None:
    weights = torch.tensor([0.5, -1.0, 0.9, 0.1, 0.2, 0.0])
    own = torch.tensor([True, True, False, True, True, True])
    assert companions(weights, own) == [0, 4, 3]
    assert companions(-weights.abs(), own) == []


def test_own_words_are_those_the_other_lacks() -> None:
    assert own_words(SOURCE, TARGET).tolist() == [False, True, False, False, False]
    assert own_words(TARGET, SOURCE).tolist() == [False, False, True, True, False]


def test_a_pivot_brings_words_of_both_domains() -> None:
    scl = Correspondence(pivots=2, dimensions=2, alpha=1.0, ridge=1.0, min_count=2)
    scl.fit(SOURCE, LABELS, TARGET)
    pair = Pair("to films", InMemory(LabelledRows(SOURCE, LABELS)), InMemory(Rows(TARGET)), None)
    rows = {row.word: row for row in pivot_rows(scl.places, scl.information, scl.predictors, pair, NAMES)}
    assert rows["great"][2:] == (1, ["kettle"], ["film"])  # not "great film"
    assert rows["great"].information == pytest.approx(0.6931471806)
    assert rows["bad"][2:] == (0, [], [])


def test_rows_and_classes_are_drawn() -> None:
    rows = [PivotRow("great", 0.5, 1, ["kettle"], []), PivotRow("bad", 0.2, 0, [], ["film", "plot"])]
    image = draw_pivots(rows, ["negative", "positive"])
    assert image.shape == (3, 234, 1250)
    assert image.dtype == torch.uint8
    assert not torch.equal(image, draw_pivots([rows[0]._replace(label=0), rows[1]], ["negative", "positive"]))
