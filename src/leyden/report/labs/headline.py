"""The few metrics that a lab is about, each beside what the lab expects of it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from leyden.core.start.nearest import nearest
from leyden.report.labs.expectations import Expectation, expectations

FEW = 5
"""Metrics of the test that are shown where neither the lab nor the technique names one."""


class Line(NamedTuple):
    """A metric at the end of a run."""

    metric: str
    reached: str
    expected: str = ""
    passed: bool | None = None
    """None where nothing is expected, or where it takes the control to say."""

    def cells(self) -> list[str]:
        """Four texts."""
        known = {True: "yes", False: "NO", None: "?" if self.expected else ""}
        return [self.metric, self.reached, self.expected, known[self.passed]]


def headline(lab: Mapping[str, Any], metrics: Mapping[str, float], monitor: str, own: bool = True) -> list[Line]:
    """What ``lab.expect`` and ``lab.headline`` name; where they name nothing, the test of what chose the checkpoint.

    Args:
        lab: of the run's config.
        metrics: of the run.
        monitor: the metric that chose the best checkpoint, such as ``val/accuracy``.
        own: whether the run has its lab's settings; if not, nothing is expected of it.
    """
    expected = expectations(lab.get("expect"))
    named = list(dict.fromkeys([*(one.metric for one in expected), *(lab.get("headline") or [])]))
    if not any(name in metrics for name in named):
        name = monitor.partition("/")[2]
        named += [metric for metric in (f"test/{name}", f"best/{monitor}") if metric in metrics]
    if not any(name in metrics for name in named):
        named += [metric for metric in metrics if metric.startswith("test/")][:FEW]
    lines = [_line(one, metrics) for one in expected] if own else []
    shown = {line.metric for line in lines}
    return lines + [Line(name, f"{metrics[name]:.4g}") for name in named if name in metrics and name not in shown]


def _line(one: Expectation, metrics: Mapping[str, float]) -> Line:
    if one.metric not in metrics:
        missing = f"no such metric{nearest(one.metric, metrics)}" if metrics else "not measured"
        return Line(one.metric, missing, one.expected, False)
    if one.control:
        return Line(one.metric, f"{metrics[one.metric]:.4g}", one.expected)
    value = one.value(metrics)
    if value is None:
        return Line(one.metric, f"no such metric {one.other}{nearest(one.other, metrics)}", one.expected, False)
    return Line(one.metric, f"{value:.4g}", one.expected, one.is_kept([value]))
