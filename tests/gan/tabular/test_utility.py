import importlib.util

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from leyden.data.batches.gan.mixed_rows import MixedTable
from leyden.gan.tabular.scores import Features
from leyden.gan.tabular.utility import Labelled, average_precisions, class_gaussians, missing_rows, smote


@pytest.fixture
def train(weather: MixedTable) -> Labelled:
    rows = weather.rows("train")
    return Labelled(rows, rows[:, 4].long())


def test_classes_are_filled_up_to_the_most_frequent() -> None:
    labels = torch.tensor([0, 0, 0, 1, 3, 3])
    assert missing_rows(labels, 5, beside=True).tolist() == [1, 1, 3]
    assert missing_rows(labels, 5, beside=False).tolist() == [0] * 3 + [1] * 3 + [3] * 3


def test_smote_lies_between_neighbours(weather: MixedTable, train: Labelled) -> None:
    pytest.importorskip("imblearn", reason="imbalanced-learn is the extra 'tables'")
    made = smote(weather.columns, 4, train)
    assert made.labels.bincount().tolist() == [108, 108]
    new = made.rows[len(train.labels) :]
    snow = train.rows[train.labels == 1, 0]
    filled = torch.where(snow.isnan(), train.rows[:, 0].nanmean(), snow)
    assert filled.min() <= new[:, 0].min() <= new[:, 0].max() <= filled.max()
    assert set(new[:, 2].tolist()) <= {0.0, 1.0, 2.0}


def test_one_rare_row_has_no_neighbour(weather: MixedTable, train: Labelled) -> None:
    pytest.importorskip("imblearn", reason="imbalanced-learn is the extra 'tables'")
    one = torch.cat([(train.labels == 0).nonzero().flatten(), (train.labels == 1).nonzero()[0]])
    few = Labelled(train.rows[one], train.labels[one])
    assert smote(weather.columns, 4, few) is few


def test_a_gaussian_of_each_class_has_its_mean(weather: MixedTable, train: Labelled) -> None:
    made = class_gaussians(weather.columns, 4, train)
    assert made.labels.bincount().tolist() == [108, 108]
    for label in (0, 1):
        own = train.rows[train.labels == label, 0]
        expected = torch.where(own.isnan(), train.rows[:, 0].nanmean(), own).mean()
        assert made.rows[made.labels == label, 0].mean().item() == pytest.approx(expected.item(), abs=1.2)


def test_average_precision_is_that_of_the_rare_class(weather: MixedTable, train: Labelled) -> None:
    rows = weather.rows("test")
    test = Labelled(rows, rows[:, 4].long())
    flipped = Labelled(train.rows, 1 - train.labels)
    scores = average_precisions(weather.columns, 4, {"real": train, "wrong": flipped}, test)
    features = Features(weather.columns, train.rows, without=4)
    model = LogisticRegression(max_iter=2000).fit(features(train.rows).numpy(), train.labels.numpy())
    guess = model.predict_proba(features(rows).numpy())[:, 1]
    assert scores["ap_real_logistic"] == pytest.approx(average_precision_score(test.labels == 1, guess))
    assert scores["ap_wrong_logistic"] < 0.2 < scores["ap_real_logistic"]
    assert set(scores) == {f"ap_{name}_{kind}" for name in ("real", "wrong") for kind in ("logistic", "forest")}


def test_rows_of_one_class_teach_nothing(weather: MixedTable, train: Labelled) -> None:
    rows = weather.rows("test")
    test = Labelled(rows, rows[:, 4].long())
    alone = Labelled(train.rows[train.labels == 0], train.labels[train.labels == 0])
    scores = average_precisions(weather.columns, 4, {"real": train, "alone": alone}, test)
    assert scores["ap_alone_forest"] == pytest.approx(float(np.mean(test.labels.numpy() == 1)))


def test_without_imbalanced_learn_smote_is_left_out(
    weather: MixedTable, train: Labelled, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from leyden.gan.tabular import utility

    monkeypatch.setattr(
        utility, "find_spec", lambda name: None if name == "imblearn" else importlib.util.find_spec(name)
    )
    with caplog.at_level("INFO"):
        assert set(utility.floors(weather.columns, 4, train)) == {"real", "gaussian"}
    assert "leyden[tables]" in caplog.text
