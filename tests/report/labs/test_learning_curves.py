from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from leyden.report.labs import learning_curves
from leyden.report.labs.learning_curves import draw_learning_curves, write_learning_curves
from leyden.report.record_images import LEARNING_CURVES
from leyden.visualization.curve_panels import Panel

ACCURACY, FID = {"metric": "val/accuracy", "mode": "max"}, {"metric": "val/fid", "mode": "min"}


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Panel]:
    """The panels that are handed to the drawing."""
    found: list[Panel] = []
    monkeypatch.setattr(learning_curves, "draw_curve_panels", lambda panels, x, title: found.extend(panels))
    return found


def series(**columns: dict[int, float]) -> pd.DataFrame:
    named = {name.replace("__", "/"): values for name, values in columns.items()}
    return pd.DataFrame(named).sort_index()


def test_losses_beside_the_score_of_the_best(drawn: list[Panel]) -> None:
    logged = series(
        train__loss={2: 1.5, 4: 0.5}, val__loss={4: 0.7}, val__accuracy={2: 0.6, 4: 0.5}, test__accuracy={4: 0.55}
    )
    draw_learning_curves(logged, ACCURACY, "")
    losses, scores = drawn
    assert losses.curves == {"training": ([2, 4], [1.5, 0.5]), "validation": ([4], [0.7])}
    assert scores.y == "accuracy (higher is better)"
    assert scores.curves == {"validation": ([2, 4], [0.6, 0.5])}
    assert scores.stars == {"best validation: 0.6": (2.0, 0.6), "test: 0.55": (2.0, 0.55)}


def test_players_of_a_gan_are_told_apart(drawn: list[Panel]) -> None:
    columns = {f"train/loss{name}": {1: 1.0} for name in ("", "_generator", "_discriminator")}
    draw_learning_curves(
        pd.DataFrame({**columns, "val/fid": {1: 30.0, 2: 10.0}, "train/d_accuracy": {1: 0.5}}), FID, ""
    )
    assert list(drawn[0].curves) == ["sum", "generator", "discriminator"]
    assert drawn[1].y == "fid (lower is better)"
    assert drawn[1].stars == {"best validation: 10": (2.0, 10.0)}


def test_loss_that_is_the_score_is_drawn_once(drawn: list[Panel]) -> None:
    draw_learning_curves(series(train__loss={1: 1.0}, val__loss={1: 2.0}), {"metric": "val/loss", "mode": "min"}, "")
    assert [list(panel.curves) for panel in drawn] == [["training", "validation"]]


def test_nothing_to_draw(tmp_path: Path) -> None:
    assert draw_learning_curves(series(test__accuracy={1: 0.5}), ACCURACY, "") is None
    assert write_learning_curves(tmp_path, ACCURACY, "") is None
    assert not list(tmp_path.iterdir())


def test_image_lies_in_the_record(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("step,metric,value\n1,train/loss,2\n2,train/loss,nan\n2,val/accuracy,0.5\n")
    assert write_learning_curves(tmp_path, ACCURACY, "A lab") == tmp_path / LEARNING_CURVES
    with Image.open(tmp_path / LEARNING_CURVES) as image:
        assert image.size == (1280, 600)
