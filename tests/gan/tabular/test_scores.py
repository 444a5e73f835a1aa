import numpy as np
import pytest
import torch

from leyden.data.batches.gan.mixed_rows import MixedTable
from leyden.gan.tabular.scores import (
    Features,
    column_distances,
    correlation_distance,
    correlations,
    detection_auc,
    neighbour_ratio,
)

NAN = float("nan")


def test_golden_distances_of_columns(weather: MixedTable) -> None:
    real = torch.tensor([[1.0, 0, 0, 0, 0], [2, 1, 0, 0, 0], [3, 2, 1, 0, 0], [4, 3, 1, 0, 1]], dtype=torch.float64)
    other = torch.tensor([[3.0, 0, 0, 0, 0], [4, 1, 0, 0, 1], [5, 2, 0, 0, 1], [6, 3, 2, 0, 1]], dtype=torch.float64)
    found = column_distances(weather.columns, real, other)
    assert found == pytest.approx({"degrees": 0.5, "day": 0.0, "station": 0.5, "weather": 0.5})
    assert set(column_distances(weather.columns, real, real).values()) == {0.0}


def test_empty_cells_count(weather: MixedTable) -> None:
    real = torch.tensor([[1.0, 0, 0, 0, 0], [2, 1, 0, 0, 0]], dtype=torch.float64)
    holes = real.clone()
    holes[:, 0] = torch.tensor([1.0, NAN])
    assert column_distances(weather.columns, real, holes)["degrees"] == pytest.approx(0.5)
    holes[:, 0] = NAN
    assert column_distances(weather.columns, real, holes)["degrees"] == 1.0


def test_features_are_standardised_numbers_and_one_hots(weather: MixedTable) -> None:
    rows = weather.rows("train")
    features = Features(weather.columns, rows, without=4)
    points = features(rows)
    assert points.shape == (len(rows), 2 + 3 + 1)
    assert features.names == ["degrees", "day", "station=north", "station=south", "station="]
    known = ~rows[:, 0].isnan()
    torch.testing.assert_close(points[known, 0].mean(), torch.tensor(0.0), atol=1e-6, rtol=0)
    torch.testing.assert_close(points[known, 0].std(correction=0), torch.tensor(1.0))
    assert torch.equal(points[:, 5] == 1, ~known)
    assert (points[:, 2:5].sum(1) == 1).all()


def test_correlations_are_numpy_s() -> None:
    points = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    np.testing.assert_allclose(correlations(points), np.corrcoef(points.numpy(), rowvar=False), atol=1e-6)
    points[:, 2] = 3.0
    assert correlations(points)[2].tolist() == [0, 0, 0, 0]


def test_correlation_distance_of_a_flipped_sign() -> None:
    x = torch.randn(200, 1, generator=torch.Generator().manual_seed(0))
    assert correlation_distance(torch.cat([x, x], 1), torch.cat([x, -x], 1)) == pytest.approx(2)
    assert correlation_distance(x, x) == 0


def test_a_forest_tells_only_what_differs() -> None:
    generator = torch.Generator().manual_seed(0)
    one, other = torch.randn(150, 3, generator=generator), torch.randn(150, 3, generator=generator)
    assert detection_auc(one, other) == pytest.approx(0.5, abs=0.1)
    assert detection_auc(one, other + 4) > 0.99


def test_copies_have_no_distance() -> None:
    generator = torch.Generator().manual_seed(0)
    train, test = torch.randn(300, 3, generator=generator), torch.randn(300, 3, generator=generator)
    assert neighbour_ratio(train, test, train) == 0
    assert neighbour_ratio(train, test, torch.randn(300, 3, generator=generator)) == pytest.approx(1, abs=0.2)
