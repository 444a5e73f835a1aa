from collections.abc import Iterator
from pathlib import Path

import pytest

from leyden.core.technique import Predictions
from leyden.report.predictions import PredictionWriter
from leyden.report.samples import write_continuations, write_samples


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


class Echo:
    """Continues a text by itself, and has a file of all."""

    def continue_text(self, prompt: str, seed: int | None = None) -> Iterator[str]:
        yield prompt

    def prediction_files(self, rows: list[dict]) -> dict[str, bytes]:
        return {f"files/{row['path']}.txt": (row["prompt"] + row["continuation"]).encode() for row in rows}


def test_continuations_have_files_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_continuations(Echo(), PredictionWriter(tmp_path), ["ab"], 2, 1)
    assert (tmp_path / "files" / "continuation_001.txt").read_text() == "abab"
    assert "(.txt of each in files/)" in capsys.readouterr().out
