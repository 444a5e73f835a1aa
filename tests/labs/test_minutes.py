from typing import Any

import pytest
from lab_minutes import lab_minutes


def report(name: str, seconds: float, when: str = "call", mark: str = "lab", outcome: str = "passed") -> Any:
    node = f"tests/labs/test_labs.py::{name}"
    return pytest.TestReport(node, (node, 1, name), {mark: 1}, outcome, None, when, duration=seconds)  # type: ignore


def test_the_end_says_how_long_each_lab_took() -> None:
    ran = [report("test_lab[a]", 60.0), report("test_lab[b]", 150.0), report("test_lab[b]", 9.0, when="setup")]
    others = [report("test_short", 99.0, mark="other"), report("test_lab[c]", 1.0, outcome="skipped")]
    lines = ["   2.5 min  test_lab[b]", "   1.0 min  test_lab[a]", "   3.5 min  all 2"]
    assert lab_minutes([*ran, *others]) == lines
    assert lab_minutes(others) == []
