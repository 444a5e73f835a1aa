from pathlib import Path

import pytest
import torch

from leyden.data.source.mixed_rows.csv_mixed import CsvMixed
from leyden.data.splits import STAGES

LINES = [f"{i * 7 % 50},{i * 1.25},{'rain' if i % 3 else 'sun'},{'yes' if i % 4 else 'no'}" for i in range(40)]


def written(folder: Path, *lines: str, heading: str = "age,income,weather,paid", encoding: str = "utf-8") -> str:
    file = folder / "t.csv"
    file.write_text("\n".join([heading, *lines]) + "\n", encoding=encoding)
    return str(file)


def test_splits_are_stratified_and_share_no_row(tmp_path: Path) -> None:
    source = CsvMixed(written(tmp_path, *LINES), label="paid")
    rows = [source.split(stage).columns.values for stage in STAGES]
    assert [len(part) for part in rows] == [24, 4, 12]
    assert [(part[:, 3] == 0).sum().item() for part in rows] == [6, 1, 3]
    assert len(torch.cat(rows).unique(dim=0)) == 40
    assert source.class_names == ["no", "yes"]
    assert [column["kind"] for column in source.columns] == ["whole", "continuous", "category", "boolean"]


def test_semicolons_decimal_commas_and_a_mark_of_byte_order(tmp_path: Path) -> None:
    plain = CsvMixed(written(tmp_path, *LINES), label="paid")
    plain.prepare()
    lines = [line.replace(",", ";").replace(".", ",") for line in LINES]
    other = CsvMixed(written(tmp_path, *lines, heading="age; income;weather;paid", encoding="utf-8-sig"), label="paid")
    other.prepare()
    assert other.columns == plain.columns
    assert torch.equal(other.split("train").columns.values, plain.split("train").columns.values)


def test_rows_without_a_class_are_left_out_and_told(tmp_path: Path) -> None:
    source = CsvMixed(written(tmp_path, *LINES, "3,4.5,sun,", "9,NA,sun,yes"), label="paid")
    source.prepare()
    assert sum(len(source.split(stage)) for stage in STAGES) == 41
    assert {issue.kind: issue.effect for issue in source.issues} == {
        "row without a class": "left out",
        "missing values": "note",
    }


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"label": "payed"}, "no column 'payed'; did you mean paid"),
        ({"label": "income"}, "'income' has 40 different classes in 40 rows"),
        ({"kinds": {"agee": "whole"}}, "no column 'agee'; did you mean age"),
        ({"kinds": {"paid": "ignore"}, "label": "paid"}, "names 'paid', the label"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, values: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CsvMixed(written(tmp_path, *LINES), **{"max_categories": 20, **values}).prepare()


def test_too_few_rows_and_nothing_to_model_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="9 rows: a table to learn from has 10"):
        CsvMixed(written(tmp_path, *LINES[:9])).prepare()
    with pytest.raises(ValueError, match="no column is left to model: id, note"):
        CsvMixed(written(tmp_path, *[f"{i},x{i}" for i in range(60)], heading="id,note")).prepare()
    with pytest.raises(FileNotFoundError, match="no such file"):
        CsvMixed(str(tmp_path / "absent.csv")).prepare()
