"""Marks what was selected on the test split."""

import re
from collections.abc import Iterable
from typing import Any

MARK = "selected on the test split"


def of_test(metric: str) -> bool:
    """Whether a metric, such as ``test/accuracy``, is measured on the test split."""
    return re.search(r"(^|[/_])test([/_]|$)", metric, re.IGNORECASE) is not None


def note(metrics: Iterable[str]) -> str:
    """What a reader must know of a choice by these metrics; nothing where all are of validation."""
    wrong = ", ".join(dict.fromkeys(filter(of_test, metrics)))
    return f"{MARK}, by {wrong}: the best looks better here than it will be on new data." if wrong else ""


def chosen_by(config: dict[str, Any]) -> list[str]:
    """The metric by which a sweep chooses, where its jobs' config names one."""
    metric = config.get("sweep", {}).get("metric")
    return [metric] if metric else []
