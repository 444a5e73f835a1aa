"""Tables with empty cells: what is read, what is generated, what is refused."""

import logging
from pathlib import Path

import pytest
import torch

from leyden.data.source.incomplete.csv_table import CsvTable
from leyden.data.source.incomplete.low_rank import LowRank
from leyden.data.source.incomplete.table_source import one_against_the_rest

RATINGS = "user,a,b,c,likes\nann,1,,3,yes\nbob,NA,2,6,no\ncid,2,1,nan,\n"


def csv(folder: Path, text: str, **arguments) -> CsvTable:
    (folder / "t.csv").write_text(text)
    return CsvTable(str(folder / "t.csv"), **arguments)


def test_empty_cells_are_nan(tmp_path: Path) -> None:
    table = csv(tmp_path, RATINGS, labels=["likes"], index="user").table()
    nan = float("nan")
    wanted = torch.tensor([[1, nan, 3], [nan, 2, 6], [2, 1, nan]], dtype=torch.float64)
    torch.testing.assert_close(table.features, wanted, equal_nan=True)
    torch.testing.assert_close(table.labels[:, 0], torch.tensor([1, -1, nan], dtype=torch.float64), equal_nan=True)
    assert table.feature_names == ["a", "b", "c"]
    assert table.row_names[2] == "user cid"


@pytest.mark.parametrize(
    ("text", "labels", "message"),
    [
        ("a,b\n1,\n2,\n", [], "the column 'b' has no value in any row"),
        ("a,b\n1,red\n2,3\n", [], r"row 1: 'b' is 'red', no number"),
        ("a,b\n1,2\n2,inf\n", [], r"row 2: 'b' is infinite"),
        ("a,b,y\n1,2,0\n2,3,1\n4,5,2\n", ["y"], "row 3: the label 'y' is 2 besides 0 and 1"),
        ("a,b,y\n1,2,1\n2,3,\n", ["y"], "all known labels of 'y' are alike"),
        ("a,b,y\n1,2,\n2,3,\n", ["y"], "the column 'y' has no value"),
        ("a,b\n1,2\n", [], "1 rows and 2 columns"),
        ("a,b\n1,2\n3,4\n", ["z"], "no column 'z': there are a, b"),
    ],
)
def test_bad_tables_are_refused_by_name(tmp_path: Path, text: str, labels: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        csv(tmp_path, text, labels=labels).table()


def test_an_empty_row_is_named_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert len(csv(tmp_path, "a,b\n1,2\n,\n3,4\n").table().features) == 3
    assert "row 2: no feature is known, so it is filled by its columns alone" in caplog.text


def test_the_generated_table_has_its_rank_and_variance() -> None:
    table = LowRank(rows=200, features=20, rank=3, noise=0.0, tasks=4, seed=1).table()
    values = torch.linalg.svdvals(table.features)
    assert int((values > 1e-9 * values[0]).sum()) == 3
    assert float(table.features.var(correction=0)) == pytest.approx(1)
    assert table.labels.abs().unique().tolist() == [1]
    noisy = LowRank(rows=200, features=20, rank=3, noise=0.1, tasks=4, seed=1).table().features
    assert float((noisy - table.features).var()) == pytest.approx(0.1, rel=0.1)
    assert torch.equal(noisy, LowRank(rows=200, features=20, rank=3, noise=0.1, tasks=4, seed=1).table().features)


def test_generated_labels_follow_a_linear_rule() -> None:
    """One rule for each task, from the features without noise; drawn, so that a few disagree with it."""
    table = LowRank(rows=400, rank=2, noise=0.0, tasks=3).table()
    x = torch.cat([table.features, torch.ones(400, 1, dtype=torch.float64)], 1)
    rule = torch.linalg.lstsq(x, table.labels, driver="gelsd").solution
    assert float(((x @ rule).sign() == table.labels).double().mean()) > 0.85


def test_classes_become_columns() -> None:
    labels, names = one_against_the_rest(torch.tensor([0, 2, 1]), ["a", "b", "c"])
    assert labels.tolist() == [[1, -1, -1], [-1, -1, 1], [-1, 1, -1]]
    assert names == ["a", "b", "c"]
    labels, names = one_against_the_rest(torch.tensor([0, 1]), ["a", "b"])
    assert (labels.tolist(), names) == ([[-1], [1]], ["b"])


@pytest.mark.parametrize(("arguments", "message"), [({"rank": 30}, "has 1 to 20"), ({"noise": -1.0}, "below 0")])
def test_impossible_tables(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LowRank(**arguments)
