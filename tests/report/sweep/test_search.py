from pathlib import Path

import pytest
from PIL import Image
from torch import Tensor

optuna = pytest.importorskip("optuna")

from optuna.distributions import CategoricalDistribution, FloatDistribution  # noqa: E402
from optuna.trial import TrialState, create_trial  # noqa: E402

from leyden.report.sweep.search import draw, summary  # noqa: E402
from leyden.visualization.charts import draw_bars  # noqa: E402


def study_of(count: int, constant: bool = False) -> "optuna.Study":
    """Trials whose value depends on the rate alone."""
    study = optuna.create_study(direction="maximize")
    study.set_user_attr("metric", "best/val/accuracy")
    kinds = {"model.lr": FloatDistribution(1e-3, 1e-1, log=True), "model.head": CategoricalDistribution(["a", "b"])}
    for i in range(count):
        lr = 10 ** (-3 + 2 * i / max(1, count - 1))
        params = {"model.lr": lr, "model.head": "ab"[i % 2]}
        value = 0.5 if constant else 1 - abs(i / count - 0.5)
        study.add_trial(create_trial(params=params, distributions=kinds, value=value))
    return study


def test_few_trials_show_no_importance(tmp_path: Path) -> None:
    files, left_out = draw(study_of(19), tmp_path)
    assert [file.name for file in files] == ["search_history.png", "search_parallel.png"]
    assert left_out == ["no search_importance.png: too few trials were run to their end, 19 of the 20 it takes"]
    assert {Image.open(file).size for file in files} == {(900, 600)}
    _, left_out = draw(study_of(20, constant=True), tmp_path)
    assert left_out == ["no search_importance.png: it takes two trials with different values"]


def test_importance_names_what_matters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: dict[str, float] = {}

    def watch(values: dict[str, float], x: str, title: str) -> Tensor:
        shown.update(values)
        return draw_bars(values, x, title)

    monkeypatch.setattr("leyden.report.sweep.search.draw_bars", watch)
    files, left_out = draw(study_of(40), tmp_path)
    assert left_out == []
    assert files[-1].name == "search_importance.png"
    assert shown["model.lr"] > 0.8 > 0.2 > shown["model.head"]


def test_trials_that_did_not_end_are_counted(tmp_path: Path) -> None:
    study = study_of(2)
    study.add_trial(create_trial(state=TrialState.PRUNED))
    assert summary(study) == ["trials: 2 run to the end, 1 ended early", "best: trial 1, best/val/accuracy 1"]
    nothing = study_of(0)
    assert draw(nothing, tmp_path) == ([], ["no charts: no trial was run to its end"])
