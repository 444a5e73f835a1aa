"""Every lab, whole, from the command line: it reaches what it says that a sound run reaches."""

from collections.abc import Callable

import pytest
from commands import read_json

from leyden.bench.compose import compose, options
from leyden.bench.summary import verdicts

PHOTOGRAPHS = ["paths.data={data}/hymenoptera_256", "model.weights={data}/weights/mobilenet_v2_imagenet_fp16.pth"]
CELLS = ["paths.data={data}", PHOTOGRAPHS[1]]
FROM_OUTSIDE = {
    "transfer_ants_bees": PHOTOGRAPHS,
    "transfer_four_cases_imagenet": PHOTOGRAPHS,
    "detection_blood_cells": CELLS,
    "detection_transfer": CELLS,
    "gan_srgan_t91": ["paths.data={data}/super_resolution"],
}
"""Labs whose pictures and weights do not come with a package, and the words that say where they are."""
AFTER = {"transfer_reuse": "transfer_task_a", "detection_nms": "detection_ssd"}
"""Labs that start from another's record."""
MADE_OF = {"detection_race"}
"""Labs whose jobs are other labs, word for word (tests/bench/test_compose.py)."""
LONG = {"detection_blood_cells"}
"""Labs that do not fit into the hour that CI has for all of them."""
LABS = [
    pytest.param(name, marks=[pytest.mark.long] if name in LONG else [])
    for name in sorted({*options("experiment")} - MADE_OF)
]


@pytest.mark.lab
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("experiment", LABS)
def test_a_lab_reaches_what_it_expects(
    experiment: str, leyden: Callable, records: Callable, request: pytest.FixtureRequest
) -> None:
    expect = compose([f"experiment={experiment}"]).config["lab"]["expect"]
    assert expect, "a lab says what a sound run reaches"
    words = [f"experiment={experiment}"]
    if experiment in FROM_OUTSIDE:
        dev_data = request.getfixturevalue("dev_data")
        words += [word.format(data=dev_data) for word in FROM_OUTSIDE[experiment]]
    if experiment in AFTER:
        assert leyden("run", f"experiment={AFTER[experiment]}").returncode == 0
    done = leyden("run", *words)
    assert done.returncode == 0, done.stderr
    folder = records()[-1] if experiment not in AFTER else next(f for f in records() if f.parent.name == experiment)
    lines = verdicts(expect, read_json(folder / "metrics.json"))
    print("\n".join(lines))
    assert len(lines) == len(expect)
    assert all(line.endswith(", as expected") for line in lines), lines
