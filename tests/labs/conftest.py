"""The end of `make labs`."""

import pytest
from lab_minutes import lab_minutes


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says how long each lab took, so that `lab.minutes` can be held against it."""
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    if lines := lab_minutes(reports):
        terminalreporter.section("minutes of the labs")
        for line in lines:
            terminalreporter.write_line(line)
