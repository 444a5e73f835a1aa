"""Holes in a table: which cells are seen, which are tested, and what is refused."""

from pathlib import Path

import pytest
import torch

from leyden.data.batches.incomplete_table import IncompleteTable
from leyden.data.inputs import in_chunks, input_files
from leyden.data.issues import Tally
from leyden.data.source.builtin.digits import Digits
from leyden.data.source.builtin.python_topics import PythonTopics
from leyden.data.source.builtin.tables import Tables
from leyden.data.source.incomplete.csv_table import CsvTable
from leyden.data.source.incomplete.low_rank import LowRank


def prepared(*arguments, **named) -> IncompleteTable:
    data = IncompleteTable(*arguments, **named)
    data.prepare_data()
    data.setup("fit")
    return data


def test_seen_and_held_out_share_the_known_cells() -> None:
    data = prepared(LowRank(rows=50, tasks=4), observed=0.3, labels_observed=0.5, new_rows=0.2)
    rows, held, places = data.split("test").columns
    seen, tested = ~rows.isnan(), ~held.isnan()
    assert not (seen & tested).any()
    assert (seen | tested).all()
    assert int(seen[:, :20].sum()) == 300
    assert int(seen[:, 20:].sum()) == 100
    assert places.tolist() == [*range(40), *[-1] * 10]
    train = data.split("train").columns
    assert torch.equal(train.incomplete_rows.nan_to_num(), rows[:40].nan_to_num())
    assert train.targets.isnan().all()
    [validation] = data.val_dataloader()
    assert validation.targets.isnan().all()  # techniques hold out cells themselves


def test_the_seed_draws_the_holes() -> None:
    one, same, other = (prepared(LowRank(), seed=seed) for seed in (0, 0, 1))
    assert one.fingerprint == same.fingerprint != other.fingerprint


def test_images_and_rows_become_tables() -> None:
    data = prepared(Digits(), rows=300)
    assert data.spec["image_size"] == 8
    assert data.spec["label_names"] == [str(digit) for digit in range(10)]
    whole = data.split("test").columns
    values = whole.incomplete_rows.nan_to_num() + whole.targets.nan_to_num()
    assert values.shape == (300, 74)
    assert 0 <= float(values[:, :64].min()) < float(values[:, :64].max()) <= 1
    assert (values[:, 64:].sum(1) == -8).all()  # one class of ten
    wine = prepared(Tables("wine"))
    assert len(wine.split("test")) == 178
    assert wine.spec["channels"] is None


def test_squares_are_missing_from_images() -> None:
    data = prepared(Digits(), pattern="squares", observed=0.75, rows=200)
    missing = data.split("test").columns.incomplete_rows[:, :64].isnan().view(-1, 8, 8)
    assert (missing.flatten(1).sum(1) == 16).all()
    assert ((missing.any(1).sum(1) == 4) & (missing.any(2).sum(1) == 4)).all()  # 4 x 4, together


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"observed": 1.0}, "data.observed=1.0: .* above 0 and below 1"),
        ({"labels_observed": 0.0}, "data.labels_observed=0.0"),
        ({"new_rows": 1.0}, "data.new_rows=1.0"),
        ({"pattern": "squares"}, "cuts holes into images"),
        ({"pattern": "rows"}, "there are cells, squares"),
    ],
)
def test_shares_that_leave_nothing(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        IncompleteTable(LowRank(), **arguments)


def test_a_column_that_nothing_is_seen_of(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n" + "1,\n2,\n" * 20 + "3,4\n")
    with pytest.raises(ValueError, match="of the column 'b' no value is left that the model sees"):
        prepared(CsvTable(str(tmp_path / "t.csv")), observed=0.5, seed=1)


def test_texts_are_no_table() -> None:
    with pytest.raises(ValueError, match="produces text; a table with holes is made of"):
        IncompleteTable(PythonTopics())


def test_lines_with_empty_cells_are_inputs(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,\n,2\n")
    [chunk] = in_chunks(input_files(tmp_path / "a.csv", tmp_path / "out", "incomplete_rows", Tally()), print)
    rows = torch.stack([row for _, row in chunk])
    assert torch.equal(rows.nan_to_num(-1), torch.tensor([[1.0, -1], [-1, 2]]))
    (tmp_path / "b.csv").write_text("x,y\n1,red\n")
    with pytest.raises(ValueError, match=r"b\.csv: no table of numbers and empty cells"):
        input_files(tmp_path / "b.csv", tmp_path / "out", "incomplete_rows", Tally())
