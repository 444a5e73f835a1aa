from pathlib import Path

from leyden.data.inspection.inspect import inspect
from leyden.data.inspection.rows import TableInspection
from leyden.data.source.mixed_rows.csv_mixed import CsvMixed
from leyden.report.inspection.report import inspection_report, inspection_sheet


def test_a_table_is_told_column_by_column(tmp_path: Path) -> None:
    lines = [
        f"{i},{i % 13},{'ab'[i % 2]},2021-01-{i % 28 + 1:02d},5,{'' if i % 4 == 0 else i * 0.5}" for i in range(60)
    ]
    file = tmp_path / "t.csv"
    file.write_text("\n".join(["id,age,kind,day,unit,income", *lines, lines[0]]))
    source = CsvMixed(str(file), label="kind", kinds={"id": "ignore"})
    seen = inspect(source)
    assert isinstance(seen, TableInspection)
    kinds = {name: (kind, different) for name, kind, _, different, _ in seen.columns}
    assert kinds == {
        "age": ("whole", 13), "kind": ("category", 2), "day": ("date", 28), "unit": ("constant", 1),
        "income": ("continuous", 45),
    }  # fmt: skip
    report = inspection_report(source, seen)
    for part in ("2021-01-01 to 2021-01-28", "26.2%", "constant column", "missing values", "left out by data.source"):
        assert part in report
    assert inspection_sheet(source, seen).shape[0] == 3


def test_a_row_of_two_splits_is_told(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("\n".join(["a,b", *(f"{i % 3},{'xy'[i % 2]}" for i in range(60))]))
    issues = inspect(CsvMixed(str(file))).issues
    assert [(issue.kind, issue.effect) for issue in issues] == [("row of two splits", "warning")] * 2
