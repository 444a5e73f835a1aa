import numpy as np
import pytest
import torch

from leyden.visualization.generated.real_and_generated import ColumnPair, draw_clouds, draw_columns, draw_correlations


def test_columns_of_both_tables_are_seen() -> None:
    numbers = np.linspace(0, 1, 50)
    words = np.array(["a", "b", ""] * 10)
    pairs = [ColumnPair("n", numbers, numbers + 5, 1.0), ColumnPair("w", words, words[:7], None)]
    image = draw_columns(pairs, "columns")
    assert image.shape == (3, 310, 600)
    blue, orange = ((image[0].int() - image[2]) < -60).any(), ((image[0].int() - image[2]) > 100).any()
    assert blue
    assert orange
    assert draw_columns(pairs * 5, "columns").shape == (3, 3 * 220 + 90, 1200)
    with pytest.raises(ValueError, match="no column"):
        draw_columns([], "none")


def test_correlations_are_red_and_blue() -> None:
    image = draw_correlations({"real": np.eye(2), "generated": -np.ones((2, 2))}, ["a", "b"], "")
    red, blue = image[0].int() - image[2], image[2].int() - image[0]
    half = image.shape[2] // 2
    assert (red[:, :half] > 70).any()
    assert (blue[:, half - 60 : half + 250] > 70).sum() > (blue[:, : half - 60] > 70).sum()


def test_clouds_share_the_axes_of_the_first() -> None:
    places, far = torch.rand(20, 2), torch.rand(20, 2) + 100
    labels = torch.arange(20) % 2
    image = draw_clouds({"real": (places, labels), "generated": (far, labels)}, ["a", "b"], ("x", "y"), "rows")
    assert image.shape == (3, 560, 880)
    inside = image[:, 120:440, 480:860]
    assert (inside == 255).float().mean() > 0.97  # what lies outside is not drawn
