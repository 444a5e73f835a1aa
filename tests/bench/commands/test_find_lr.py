from collections.abc import Callable

import pytest

from leyden.bench.commands.find_lr import find_lr


def test_rate_is_printed_and_drawn(leyden: Callable, tmp_path) -> None:
    done = leyden("find-lr", "experiment=transfer_fonts", "model.source_epochs=3", "--steps", "60")
    assert done.returncode == 0, done.stderr
    rate = float(done.stdout.split("learning rate ")[1].split(":")[0])
    assert 1e-5 < rate < 1
    files = [file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*") if file.is_file()]
    assert files == ["outputs/learning_rates/transfer_fonts.png"]


def test_two_optimizers_have_no_single_rate() -> None:
    with pytest.raises(ValueError, match="several optimizers"):
        find_lr(["experiment=tour_gan"], 1e-6, 1.0, 10)
