from pathlib import Path

import pytest

from leyden.core.technique import Predictions
from leyden.report.predictions import PredictionWriter
from leyden.report.samples import write_samples


class Table:
    """Samples rows, and has a file of them."""

    def sample(self, count: int, label: str | None = None, seed: int | None = None) -> Predictions:
        return Predictions([{"a": i, **{f"column {n}": n for n in range(8)}} for i in range(count)], [])

    def prediction_files(self, rows: list[dict]) -> dict[str, str]:
        return {"rows.csv": "".join(f"{row['a']}\n" for row in rows)}


def test_rows_have_a_file_of_their_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_samples(Table(), PredictionWriter(tmp_path), 3, None, 1)
    assert (tmp_path / "rows.csv").read_text() == "0\n1\n2\n"
    assert (tmp_path / "predictions.csv").read_text().startswith("path,a,column 0,")
    assert (
        "sample_002: a 2, column 0 0, column 1 1, column 2 2, column 3 3, column 4 4, ...\n" in capsys.readouterr().out
    )
