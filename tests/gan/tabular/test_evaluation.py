import pytest
import torch

from leyden.data.batches.gan.mixed_rows import MixedTable
from leyden.data.source.mixed_rows.gaussian_mixtures import Rings
from leyden.gan.tabular.ctgan import CTGAN
from training import Kept, quiet_trainer


@pytest.fixture(scope="module")
def tested(weather: MixedTable):
    torch.manual_seed(0)
    model, logger = CTGAN(**weather.spec, latent_dim=4, hidden=8, pac=2), Kept()
    trainer = quiet_trainer(max_steps=1, max_epochs=-1, logger=logger, limit_val_batches=1, val_check_interval=1)
    trainer.fit(model, weather)
    validated = {name: value.item() for name, value in trainer.callback_metrics.items() if name.startswith("val")}
    return validated, trainer.test(model, weather, verbose=False)[0], logger


def test_validation_logs_what_chooses(tested) -> None:
    validated, _, logger = tested
    assert set(validated) == {"val/distance", "val/column_distance", "val/correlation_distance"}
    mean = (validated["val/column_distance"] + validated["val/correlation_distance"]) / 2
    assert validated["val/distance"] == pytest.approx(mean)
    assert set(logger.pictures) == {"columns", "correlations", "rows"}


def test_the_test_has_floors_and_what_classifiers_learn(tested) -> None:
    scores = tested[1]
    for name in ("distance_floor", "detection_auc", "neighbour_ratio", "ap_real_forest", "ap_synthetic_logistic"):
        assert f"test/{name}" in scores
    assert scores["test/distance_floor"] < scores["test/distance"]
    assert scores["test/ap_real_forest"] > 0.9  # snow is cold
    assert scores["test/detection_auc"] > 0.8  # one step teaches nothing


def test_modes_are_counted_on_a_ring() -> None:
    data = MixedTable(Rings(rows=300), modes=2, batch_size=20)
    data.prepare_data()
    model = CTGAN(**data.spec, latent_dim=4, hidden=8, tstr=False)
    scores = quiet_trainer().test(model, data, verbose=False)[0]
    assert scores["test/modes"] <= 8
    assert 0 <= scores["test/high_quality"] <= 1
    assert not any("ap_" in name for name in scores)


def test_plain_loaders_are_refused(weather: MixedTable) -> None:
    model = CTGAN(**weather.spec, latent_dim=4, hidden=8)
    with pytest.raises(ValueError, match="hand over MixedTable"):
        quiet_trainer().test(model, weather.test_dataloader(), verbose=False)
