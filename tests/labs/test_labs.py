"""Every lab, whole, from the command line: it reaches what it says that a sound run reaches."""

from collections.abc import Callable

import pytest
from commands import read_json

from leyden.bench.compose import compose, options
from leyden.bench.summary import verdicts

FROM_OUTSIDE = {
    "transfer_ants_bees": ("hymenoptera_256", "mobilenet_v2_imagenet_fp16.pth"),
    "transfer_four_cases_imagenet": ("hymenoptera_256", "mobilenet_v2_imagenet_fp16.pth"),
}
"""Labs whose photographs and weights do not come with a package."""
AFTER = {"transfer_reuse": "transfer_task_a"}
"""Labs that start from another's record."""


@pytest.mark.lab
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("experiment", options("experiment"))
def test_a_lab_reaches_what_it_expects(
    experiment: str, leyden: Callable, records: Callable, request: pytest.FixtureRequest
) -> None:
    expect = compose([f"experiment={experiment}"]).config["lab"]["expect"]
    assert expect, "a lab says what a sound run reaches"
    words = [f"experiment={experiment}"]
    if experiment in FROM_OUTSIDE:
        dev_data = request.getfixturevalue("dev_data")
        photographs, weights = FROM_OUTSIDE[experiment]
        words += [f"paths.data={dev_data / photographs}", f"model.weights={dev_data / 'weights' / weights}"]
    if experiment in AFTER:
        assert leyden("run", f"experiment={AFTER[experiment]}").returncode == 0
    done = leyden("run", *words)
    assert done.returncode == 0, done.stderr
    folder = records()[-1] if experiment not in AFTER else next(f for f in records() if f.parent.name == experiment)
    lines = verdicts(expect, read_json(folder / "metrics.json"))
    print("\n".join(lines))
    assert len(lines) == len(expect)
    assert all(line.endswith(", as expected") for line in lines), lines
