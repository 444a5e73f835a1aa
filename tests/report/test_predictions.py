"""Predictions as files: what has no image has no sheet either."""

from pathlib import Path

import torch

from leyden.core.technique import Predictions
from leyden.report.predictions import PredictionWriter


def test_rows_of_a_table_have_no_sheet(tmp_path: Path) -> None:
    writer = PredictionWriter(tmp_path)
    writer.write_predictions([("new.csv:0", torch.zeros(5))], Predictions([{"label": "a", "probability": 0.9}], []))
    writer.finish()
    assert "new.csv:0,a,0.9" in (tmp_path / "predictions.csv").read_text()
    assert not list(tmp_path.glob("*.png"))
