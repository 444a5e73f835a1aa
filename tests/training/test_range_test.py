import numpy as np
import pytest

from leyden.training.range_test import MOMENTUM, steepest, unbiased


def test_running_mean_of_a_constant() -> None:
    mean, smoothed = 0.0, []
    for step in range(20):  # what Lightning's callback does with a loss of 3
        mean = MOMENTUM * mean + (1 - MOMENTUM) * 3.0
        smoothed.append(mean / (1 - MOMENTUM ** (step + 2)))
    assert smoothed[0] == pytest.approx(1.5, abs=0.1)
    assert unbiased(np.array(smoothed)) == pytest.approx(np.full(20, 3.0))


def test_steepest_fall_is_by_the_logarithm() -> None:
    rates = np.logspace(-6, 0, 61)
    losses = 1 / (1 + np.exp(5 * (np.log10(rates) + 3)))  # falls steepest at 1e-3
    assert steepest(rates, losses) == pytest.approx(1e-3, rel=0.3)
