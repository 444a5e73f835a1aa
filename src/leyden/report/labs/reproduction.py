"""How far a run's repetition reached the same metrics: identical, within the lab's spread, or different."""

import math
from collections.abc import Mapping
from typing import Any, Literal

from leyden.report.labs.expectations import is_kept

Verdict = Literal["identical", "within", "different"]
TIMES = ("ms_per_image", "train_seconds")
"""What no two runs share; metrics whose names contain one of these are not compared."""
MEANING = {
    "identical": "identical bit for bit",
    "within": "within the lab's spread: other numbers, but all as lab.expect says that a sound run reaches",
    "different": "different",
}


def compare(
    then: Mapping[str, float], now: Mapping[str, float], expect: Mapping[str, dict[str, float]]
) -> dict[str, Verdict]:
    """A verdict on each metric that either run has, but for times.

    Args:
        then: metrics of the record.
        now: metrics of its repetition.
        expect: the lab's bounds; a metric is within its spread where both values keep them.
    """
    verdicts: dict[str, Verdict] = {}
    for name in [*then, *(name for name in now if name not in then)]:
        if any(time in name for time in TIMES):
            continue
        old, new = then.get(name), now.get(name)
        if old is None or new is None:
            verdicts[name] = "different"
        elif old == new or (math.isnan(old) and math.isnan(new)):
            verdicts[name] = "identical"
        else:
            kept = name in expect and is_kept(expect[name], old) and is_kept(expect[name], new)
            verdicts[name] = "within" if kept else "different"
    return verdicts


def overall(verdicts: Mapping[str, Verdict], expect: Mapping[str, Any]) -> Verdict:
    """The verdict on the run: identical in all, or as far as the lab's bounds reach; others have no known spread."""
    if all(verdict == "identical" for verdict in verdicts.values()):
        return "identical"
    bounded = [verdicts.get(name, "different") for name in expect]
    return "within" if bounded and "different" not in bounded else "different"
