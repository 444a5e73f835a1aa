"""How many jobs run at a time on this machine, and what of it each of them gets."""

from typing import Any

import pytest

from leyden.core.sweep import resources
from leyden.core.sweep.resources import divide


def trainer(accelerator: str = "cpu", devices: Any = 1) -> dict[str, Any]:
    return {"trainer": {"accelerator": accelerator, "devices": devices}}


@pytest.mark.parametrize(
    ("config", "count", "jobs", "given", "gpus", "expected"),
    [
        (trainer(), 20, "auto", None, "", (8, 1)),
        (trainer(), 3, "auto", None, "", (3, 2)),  # eight cores, two of which nobody could use fairly
        (trainer(), 1, "auto", None, "", (1, 8)),
        (trainer(), 20, 2, None, "", (2, 4)),
        (trainer(), 20, 16, None, "", (16, 1)),
        (trainer(), 20, "auto", "2", "", (4, 2)),
        (trainer(devices=2), 20, "auto", None, "", (4, 1)),
        (trainer(devices=2), 20, 1, None, "", (1, 4)),
        (trainer("gpu"), 20, "auto", None, "0,1,2,3", (4, 2)),
        (trainer("gpu", 2), 20, "auto", None, "0,1,2,3", (2, 2)),
        (trainer("gpu", "auto"), 20, "auto", None, "0,1,2,3", (1, 2)),
        (trainer("gpu"), 20, 8, None, "0,1,2,3", (8, 1)),
        (trainer("gpu"), 20, "auto", None, "", (8, 1)),
        ({"trainer": {}}, 20, "auto", None, "", (8, 1)),  # ~trainer.devices: Lightning's own choice
    ],
)
def test_eight_cores_are_divided(
    config: dict[str, Any],
    count: int,
    jobs: Any,
    given: str | None,
    gpus: str,
    expected: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resources.os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)
    monkeypatch.setenv("OMP_NUM_THREADS", given or "")
    division = divide([config] * count, jobs)
    assert (division.jobs, division.threads) == expected


def test_gpus_with_fewest_jobs_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-5,7")
    one, two, every = trainer("gpu"), trainer("gpu", 2), trainer("gpu", [0, 2])
    division = divide([one, two], "auto")
    assert division.take(one, []) == ("3",)
    assert division.take(two, ["3"]) == ("GPU-5", "7")
    assert division.take(one, ["3", "GPU-5", "3", "7", "7"]) == ("GPU-5",)
    assert division.take(every, []) == ("3", "GPU-5", "7")  # the list counts from the first of all
    assert division.take(trainer(), []) == ()


@pytest.mark.parametrize("jobs", [0, -1, "many", True, 1.5])
def test_wrong_number_of_jobs(jobs: Any) -> None:
    with pytest.raises(ValueError, match=r"sweep\.jobs: should be auto or a number from 1 on"):
        divide([trainer()], jobs)
