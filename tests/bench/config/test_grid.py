from typing import Any
from unittest.mock import Mock

import pytest

from leyden.bench.config.compose import ConfigError
from leyden.bench.config.grid import grid


def test_every_combination_is_a_job() -> None:
    jobs = grid(["seed=0,1", "model.lr=choice(1e-3,1e-2)", "trainer=cpu"])
    assert len(jobs) == 4
    assert jobs[0] == ["seed=0", "model.lr=0.001", "trainer=cpu"]
    assert len({tuple(job) for job in jobs}) == 4


def test_globs_leave_out_what_labs_have_in_common() -> None:
    loader: Any = Mock()
    loader.get_group_options.return_value = ["_gan", "gan_dcgan", "gan_vanilla", "tour_gan"]
    assert grid(["experiment=glob(*)"], loader) == [
        ["experiment=gan_dcgan"], ["experiment=gan_vanilla"], ["experiment=tour_gan"]
    ]  # fmt: skip


def test_of_one_key_the_last_counts() -> None:
    assert grid(["seed=0,1", "seed=5"]) == [["seed=5"]]


def test_an_interval_is_for_a_search() -> None:
    with pytest.raises(ConfigError, match="chooses from them"):
        grid(["model.lr=interval(0,1)"])
