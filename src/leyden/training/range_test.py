"""What the loss over growing rates says: the range test (Smith 2017, "Cyclical Learning Rates", sec. 3.3)."""

import numpy as np

SKIPPED = 5
"""First steps that are left out: their mean is of too few losses."""
MOMENTUM = 0.98
"""Of the running mean that Lightning keeps of the loss."""


def steepest(rates: np.ndarray, losses: np.ndarray) -> float:
    """The rate at which the loss falls steepest over the rate's logarithm.

    Args:
        rates: (N,) of each step, growing; N of at least twice ``SKIPPED``.
        losses: (N,) ``unbiased``.
    """
    slope = np.gradient(losses, np.log(rates))
    return float(rates[SKIPPED + slope[SKIPPED:-1].argmin()])


def unbiased(smoothed: np.ndarray) -> np.ndarray:
    """The running mean of the loss (N,), rid of its start at zero.

    Lightning divides by 1 - 0.98^(i + 2) where step i (from 0) needs 1 - 0.98^(i + 1): its first loss is halved. Nor
    is its suggestion used: that is the steepest fall over the rate, and the test is about the rate's logarithm.
    """
    step = np.arange(1, len(smoothed) + 1)
    return smoothed * (1 - MOMENTUM ** (step + 1)) / (1 - MOMENTUM**step)
