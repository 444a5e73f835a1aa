from collections.abc import Callable

import numpy as np
import pytest

from leyden.bench.commands.find_lr import MOMENTUM, find_lr, unbiased


def test_running_mean_of_a_constant() -> None:
    mean, smoothed = 0.0, []
    for step in range(20):  # what Lightning's callback does with a loss of 3
        mean = MOMENTUM * mean + (1 - MOMENTUM) * 3.0
        smoothed.append(mean / (1 - MOMENTUM ** (step + 2)))
    assert smoothed[0] == pytest.approx(1.5, abs=0.1)
    assert unbiased(np.array(smoothed)) == pytest.approx(np.full(20, 3.0))


def test_rate_is_printed_and_drawn(leyden: Callable, tmp_path) -> None:
    done = leyden("find-lr", "experiment=tour_transfer", "model.source_epochs=3", "--steps", "60")
    assert done.returncode == 0, done.stderr
    rate = float(done.stdout.split("learning rate ")[1].split(":")[0])
    assert 1e-5 < rate < 1
    files = [file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*") if file.is_file()]
    assert files == ["outputs/learning_rates/tour_transfer.png"]


def test_two_optimizers_have_no_single_rate() -> None:
    with pytest.raises(ValueError, match="several optimizers"):
        find_lr(["experiment=tour_gan"], 1e-6, 1.0, 10)
