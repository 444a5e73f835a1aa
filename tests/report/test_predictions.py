"""Predictions as files: what has no image has no sheet either."""

from pathlib import Path

import pytest
import torch

from leyden.core.technique import Predictions
from leyden.report.predictions import PredictionWriter


def test_rows_of_a_table_have_no_sheet(tmp_path: Path) -> None:
    writer = PredictionWriter(tmp_path)
    writer.write_predictions([("new.csv:0", torch.zeros(5))], Predictions([{"label": "a", "probability": 0.9}], []))
    writer.finish()
    assert "new.csv:0,a,0.9" in (tmp_path / "predictions.csv").read_text()
    assert not list(tmp_path.glob("*.png"))


def test_files_of_predictions_lie_beside_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Those of an earlier, longer call go."""
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "sample_007.obj").write_text("old")
    writer = PredictionWriter(tmp_path)
    images = list(torch.zeros(2, 3, 8, 8, dtype=torch.uint8))
    writer.write_samples(Predictions([{}, {}], images, [{"obj": b"first"}, {"obj": b"second", "gif": b"turns"}]), "two")
    writer.finish()
    assert capsys.readouterr().out.endswith(f"2 predictions: {tmp_path} (.gif and .obj of each in files/)\n")
    found = {file.name: file.read_text() for file in (tmp_path / "files").iterdir()}
    assert found == {"sample_000.obj": "first", "sample_001.obj": "second", "sample_001.gif": "turns"}
    assert sorted(file.name for file in (tmp_path / "images").iterdir()) == ["sample_000.png", "sample_001.png"]


def test_a_sheet_shows_what_was_made(tmp_path: Path) -> None:
    """Of a translation it shows the translation, of a class the image it is of."""
    black, white = torch.zeros(3, 8, 8, dtype=torch.uint8), torch.full((3, 8, 8), 255, dtype=torch.uint8)
    for name, row, shown in [("made", {"width": 8}, white), ("named", {"label": "a", "probability": 0.9}, black)]:
        writer = PredictionWriter(tmp_path / name)
        writer.write_predictions([("x.png", black)], Predictions([row], [white]))
        assert writer.tiles[0][0].float().mean() == shown.float().mean()
