"""How long each lab took, for the end of `make labs`."""

from collections.abc import Iterable

import pytest


def lab_minutes(reports: Iterable[pytest.TestReport]) -> list[str]:
    """A line per test of a lab that ran, the longest first, then their sum; none where no lab ran.

    Args:
        reports: of tests, of all their phases.
    """
    took = {
        report.nodeid.rpartition("::")[2]: report.duration / 60
        for report in reports
        if report.when == "call" and "lab" in report.keywords and not report.skipped
    }
    lines = [f"{minutes:6.1f} min  {name}" for name, minutes in sorted(took.items(), key=lambda item: -item[1])]
    return [*lines, f"{sum(took.values()):6.1f} min  all {len(took)}"] if took else []
