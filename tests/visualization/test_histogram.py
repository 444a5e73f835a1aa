"""The histogram of weights."""

import pytest
import torch

from leyden.visualization.charts import draw_histogram


def test_a_histogram_has_its_size_and_needs_values() -> None:
    image = draw_histogram(torch.tensor([0.0, 1, 1, 9]), "weight", "Weights", 1.0, "one")
    assert image.shape == (3, 600, 900)
    assert image.float().std() > 10
    with pytest.raises(ValueError, match="no values to draw"):
        draw_histogram(torch.empty(0), "weight", "", 1.0, "one")
