"""The order of whole labs, the limit of their time, and what the end of `make labs` says.

First the tour, then labs that the last twenty commits touched, then the others; the shortest of each first. What is
taken away from a lab is tested next to the lab. ``LEYDEN_LABS_MINUTES`` limits how long all may take together: one
that would not fit, as slow as this machine has turned out to be, is skipped and says so.
"""

import os

import pytest
from lab_minutes import lab_minutes
from whole_labs import Allowance, in_turn


def experiment_of(item: pytest.Item) -> str | None:
    """The lab that a test runs; None for other tests."""
    return item.callspec.params.get("experiment") if "lab" in item.keywords and hasattr(item, "callspec") else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Brings the tests of whole labs that were asked for into their order, whatever file they are in."""
    items[:] = [items[place] for place in in_turn([experiment_of(item) for item in items])]


@pytest.fixture(scope="session")
def allowance() -> Allowance:
    return Allowance(float(os.environ.get("LEYDEN_LABS_MINUTES", "inf")))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says how long each lab took, so that `lab.minutes` can be held against it."""
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    if lines := lab_minutes(reports):
        terminalreporter.section("minutes of the labs")
        for line in lines:
            terminalreporter.write_line(line)
