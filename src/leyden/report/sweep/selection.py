"""What a sweep or a search chooses by: a metric of validation; one of the test split only where a word asks for it."""

import re
from collections.abc import Iterable, Iterator
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


def mistakes_in_choice(sweep: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Pairs of a dotted key and what is wrong with it, of the part ``sweep`` of a config whose types are right."""
    metric = sweep.get("metric")
    if metric is None:
        return
    if sweep.get("mode") is None:
        yield "sweep.mode", f"should say whether max or min of {metric} is best"
    if of_test(metric) and not sweep.get("select_on_test"):
        yield (
            "sweep.metric",
            f"{metric} is measured on the test split, and what is chosen by it looks better than it is: leave it out "
            f"(the best checkpoint's validation decides), or use {re.sub('test', 'val', metric)} or another metric of "
            "validation; sweep.select_on_test=true does it all the same, and every table then says so",
        )
