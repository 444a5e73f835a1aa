"""Every lab, whole, from the command line: it reaches what it says that a sound run reaches."""

from collections.abc import Callable

import pytest
from commands import read_json

from leyden.bench.compose import compose, options
from leyden.bench.summary import verdicts


@pytest.mark.lab
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("experiment", options("experiment"))
def test_a_lab_reaches_what_it_expects(experiment: str, leyden: Callable, records: Callable) -> None:
    expect = compose([f"experiment={experiment}"]).config["lab"]["expect"]
    assert expect, "a lab says what a sound run reaches"
    done = leyden("run", f"experiment={experiment}")
    assert done.returncode == 0, done.stderr
    [folder] = records()
    lines = verdicts(expect, read_json(folder / "metrics.json"))
    print("\n".join(lines))
    assert len(lines) == len(expect)
    assert all(line.endswith(", as expected") for line in lines), lines
