"""What labs expect of a sound run (``lab.expect``), beside what runs reached."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from leyden.report.runs import Run
from leyden.report.text import markdown_table

COMMENT = 45
"""Column of the values behind an ``expect``'s line."""


class Outcome(NamedTuple):
    """One metric of one lab, over all its seeds."""

    lab: str
    metric: str
    values: list[float | None]
    """By seed; None where a run did not come so far."""
    bounds: dict[str, float]

    @property
    def kept(self) -> bool:
        """Whether each run reached what the lab expects."""
        return all(value is not None and is_kept(self.bounds, value) for value in self.values)


def verdicts(expect: dict[str, dict[str, float]], metrics: dict[str, float]) -> list[str]:
    """One line per expectation of a lab: what was expected, what was reached, and whether that is enough."""
    return [f"{name} {bounds_text(bounds)}: {_reached(bounds, metrics.get(name))}" for name, bounds in expect.items()]


def bounds_text(bounds: dict[str, Any]) -> str:
    """Such as ``at least 0.7 and at most 0.9``."""
    names = {"min": "at least", "max": "at most"}
    return " and ".join(f"{names[end]} {bounds[end]}" for end in names if end in bounds)


def is_kept(bounds: dict[str, float], value: float) -> bool:
    """Whether a metric reaches what a lab expects of it."""
    return bounds.get("min", value) <= value <= bounds.get("max", value)


def _reached(bounds: dict[str, float], value: float | None) -> str:
    if value is None:
        return "not measured"
    return f"{value:.4g}, {'as expected' if is_kept(bounds, value) else 'NOT as expected'}"


def outcomes(runs: Sequence[Run]) -> list[Outcome]:
    """What the labs of some runs expect, with what each run reached, lab by lab.

    Args:
        runs: in the order in which their values are listed.
    """
    found = []
    for lab in dict.fromkeys(run["config"]["lab"]["name"] for run in runs):
        own = [run for run in runs if run["config"]["lab"]["name"] == lab]
        for metric, bounds in (own[0]["config"]["lab"]["expect"] or {}).items():
            found.append(Outcome(lab, metric, [run["metrics"].get(metric) for run in own], bounds))
    return found


def outcome_table(outcomes: Sequence[Outcome]) -> str:
    """Lab, metric, its value of each seed, what is expected, and whether that is kept."""
    lines = [
        [line.lab, line.metric, _listed(line.values), bounds_text(line.bounds), "yes" if line.kept else "NO"]
        for line in outcomes
    ]
    return markdown_table(["lab", "metric", "reached", "expected", "kept"], lines)


def expect_yaml(outcomes: Sequence[Outcome], overrides: str) -> str:
    """``expect`` of each lab, its bounds as they are, as text for the lab's file; the values are comments.

    Args:
        outcomes: see the function of that name.
        overrides: those of the command, for the comment.
    """
    paragraphs = []
    for lab in dict.fromkeys(line.lab for line in outcomes):
        rest = " ".join(text for text in overrides.split() if not text.startswith("experiment="))
        lines = [f"# {lab}.yaml"]
        lines.append("  expect:".ljust(COMMENT) + f"# measured: leyden verify experiment={lab} {rest}")
        for line in outcomes:
            if line.lab == lab:
                bounds = ", ".join(f"{end}: {value:g}" for end, value in line.bounds.items())
                lines.append(f"    {line.metric}: {{{bounds}}}".ljust(COMMENT) + f"# {_listed(line.values)}")
        paragraphs.append("\n".join(lines))
    return "\n\n".join(paragraphs)


def _listed(values: Sequence[float | None]) -> str:
    return ", ".join("-" if value is None else f"{value:.4g}" for value in values)
