"""What a sweep or a search may choose by: a metric of validation; one of the test split where a word asks for it."""

import re
from collections.abc import Iterator
from typing import Any

from leyden.report.sweep.selection import of_test


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
