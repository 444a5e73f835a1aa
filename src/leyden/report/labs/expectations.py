"""What labs expect of a sound run (``lab.expect``), beside what runs reached.

An expectation bounds a metric, or its difference from another one::

    expect:
      test/accuracy: {min: 0.62, above: {scratch: 0.05}}   # at least 0.62, and 0.05 above the variant "scratch"
      test/swd: {max: 130, below: {test/swd_srresnet: 5}}  # 5 below another metric of the same run

A bound holds for every run. A difference holds for the mean over the seeds, each run against the variant's run of its
seed: what a lab teaches is mostly a difference, and a bound alone would pass a run that has not got what it teaches.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import yaml

from leyden.core.start.nearest import nearest
from leyden.core.text.shell import command
from leyden.report.runs import Run
from leyden.report.text import markdown_table

COMMENT = 45
"""Column of the values behind an ``expect``'s line."""
BOUNDS = {"min": "at least", "max": "at most"}
DIFFERENCES = ("above", "below")
STAGES = ("test/", "val/", "train/", "best/")
"""What names of metrics begin with."""

Expect = Mapping[str, Mapping[str, Any]]
"""``lab.expect``: metric -> min, max, above, below."""


class Expectation(NamedTuple):
    """Bounds of a metric, or of its difference from that of a control."""

    metric: str
    bounds: dict[str, float]
    """"min" and "max" of the metric; "min" of a difference."""
    way: str = ""
    """"above" or "below" for a difference."""
    other: str = ""
    """What the difference is from: a variant of the lab, or, with a slash, another metric of the same run."""

    @property
    def control(self) -> str | None:
        """The variant that must be run too."""
        return self.other if self.way and "/" not in self.other else None

    @property
    def expected(self) -> str:
        """Such as ``at least 0.7 and at most 0.9``, or ``above scratch by at least 0.05``."""
        bounds = " and ".join(f"{BOUNDS[end]} {self.bounds[end]}" for end in BOUNDS if end in self.bounds)
        return f"{self.way} {self.other} by {bounds}" if self.way else bounds

    def value(self, metrics: Mapping[str, float], control: Mapping[str, float] | None = None) -> float | None:
        """The metric, or how far it is above or below; None where it was not measured.

        Args:
            metrics: of the run.
            control: metrics of the variant's run, if the expectation needs it.
        """
        own = metrics.get(self.metric)
        if not self.way:
            return own
        other = (control or {}).get(self.metric) if self.control else metrics.get(self.other)
        if own is None or other is None:
            return None
        return own - other if self.way == "above" else other - own

    def is_kept(self, values: Sequence[float | None]) -> bool:
        """Whether every value keeps the bounds, of a difference their mean; never where one is missing."""
        known = [value for value in values if value is not None]
        if len(known) < len(values) or not known:
            return False
        checked = [sum(known) / len(known)] if self.way else known
        return all(is_kept(self.bounds, value) for value in checked)


class Outcome(NamedTuple):
    """One expectation of one lab, over all its seeds."""

    lab: str
    expectation: Expectation
    values: list[float | None]
    """By seed; None where a run, or its control, did not come so far."""

    @property
    def kept(self) -> bool:
        """Whether the runs reached what the lab expects."""
        return self.expectation.is_kept(self.values)


def expectations(expect: Expect | None) -> list[Expectation]:
    """Those of a lab, metric by metric: its bounds, then its differences."""
    found = []
    for metric, content in (expect or {}).items():
        if bounds := {end: content[end] for end in BOUNDS if end in content}:
            found.append(Expectation(metric, bounds))
        for way in DIFFERENCES:
            found += [Expectation(metric, {"min": m}, way, other) for other, m in (content.get(way) or {}).items()]
    return found


def controls(expect: Expect | None) -> list[str]:
    """The variants that a lab's expectations need."""
    return list(dict.fromkeys(line.control for line in expectations(expect) if line.control))


def mistakes(expect: Any, variants: Iterable[str]) -> Iterator[tuple[str, str]]:
    """What is wrong with ``lab.expect``: pairs of a dotted key and a sentence.

    Args:
        expect: as it stands in a config.
        variants: of the lab.
    """
    if not isinstance(expect, Mapping):
        yield from [] if expect is None else [("lab.expect", f"should be metric: {{min: ...}}, is {expect!r}")]
        return
    known = list(variants)
    for metric, content in expect.items():
        key = f"lab.expect.{metric}"
        if not str(metric).startswith(STAGES):
            yield key, f"no name of a metric: those begin with {', '.join(STAGES)}"
        if not isinstance(content, Mapping) or not content:
            yield key, f"should be {{min: ..., max: ..., above: {{VARIANT: ...}}, below: ...}}, is {content!r}"
            continue
        for end, value in content.items():
            if end in BOUNDS:
                yield from _number(f"{key}.{end}", value, -math.inf)
            elif end not in DIFFERENCES:
                yield f"{key}.{end}", f"unknown key{nearest(end, (*BOUNDS, *DIFFERENCES))}"
            elif not isinstance(value, Mapping):
                yield f"{key}.{end}", f"should be {{VARIANT: margin}}, is {value!r}"
            else:
                for other, margin in value.items():
                    yield from _number(f"{key}.{end}.{other}", margin, 0)
                    if "/" not in str(other) and other not in known:
                        yield (
                            f"{key}.{end}.{other}",
                            f"no such variant{nearest(other, known) if known else '; add it to lab.variants'}",
                        )


def bounds_only(expect: Expect | None) -> dict[str, dict[str, float]]:
    """The bounds of each metric that has some: what is known of a metric's spread."""
    return {line.metric: line.bounds for line in expectations(expect) if not line.way}


def is_kept(bounds: Mapping[str, float], value: float) -> bool:
    """Whether a value is within bounds."""
    return bounds.get("min", value) <= value <= bounds.get("max", value)


def outcomes(runs: Sequence[tuple[Run, Mapping[str, Run]]]) -> list[Outcome]:
    """What the labs of some runs expect, with what each run reached, lab by lab.

    Args:
        runs: in the order in which their values are listed, each with its controls by the name of the variant.
    """
    found = []
    for lab in dict.fromkeys(run["config"]["lab"]["name"] for run, _ in runs):
        own = [pair for pair in runs if pair[0]["config"]["lab"]["name"] == lab]
        for line in expectations(own[0][0]["config"]["lab"].get("expect")):
            values = []
            for run, controls in own:
                control = controls.get(line.control) if line.control else None
                values.append(line.value(run["metrics"], control["metrics"] if control else None))
            found.append(Outcome(lab, line, values))
    return found


def unknown_metrics(runs: Iterable[Run]) -> list[str]:
    """A sentence for each metric that a lab's expectations name and a finished run of it has not measured."""
    found = []
    for run in runs:
        lab, metrics = run["config"]["lab"], run["metrics"]
        lines = expectations(lab.get("expect")) if metrics else []
        names = [name for line in lines for name in (line.metric, line.other) if "/" in name and name not in metrics]
        found += [f"{lab['name']}: no such metric {name}{nearest(name, metrics)}" for name in names]
    return list(dict.fromkeys(found))


def outcome_table(outcomes: Sequence[Outcome]) -> str:
    """Lab, metric, its value of each seed, what is expected, and whether that is passed."""
    lines = [
        [one.lab, one.expectation.metric, reached(one), one.expectation.expected, "yes" if one.kept else "NO"]
        for one in outcomes
    ]
    return markdown_table(["lab", "metric", "reached", "expected", "passed"], lines)


def expect_yaml(outcomes: Sequence[Outcome], overrides: Sequence[str]) -> str:
    """``expect`` of each lab, its bounds as they are, as text for the lab's file; the values are comments.

    Args:
        outcomes: see the function of that name.
        overrides: those of the command, for the comment.
    """
    paragraphs = []
    for lab in dict.fromkeys(one.lab for one in outcomes):
        rest = [text for text in overrides if not text.startswith(("experiment=", "hydra.searchpath="))]
        lines = [f"# {lab}.yaml"]
        lines.append("  expect:".ljust(COMMENT) + f"# measured: {command('verify', f'experiment={lab}', *rest)}")
        own = [one for one in outcomes if one.lab == lab]
        for metric in dict.fromkeys(one.expectation.metric for one in own):
            of_metric = [one for one in own if one.expectation.metric == metric]
            line = f"    {metric}: {_yaml([one.expectation for one in of_metric])}"
            lines.append(line.ljust(COMMENT) + f"# {'; '.join(map(_named, of_metric))}")
        paragraphs.append("\n".join(lines))
    return "\n\n".join(paragraphs)


def _yaml(lines: Sequence[Expectation]) -> str:
    """What one metric's expectations are written as in YAML."""
    content: dict[str, Any] = {}
    for line in lines:
        if line.way:
            content.setdefault(line.way, {})[line.other] = line.bounds["min"]
        else:
            content |= line.bounds
    return yaml.safe_dump(content, default_flow_style=True, sort_keys=False, width=math.inf).strip()


def _named(outcome: Outcome) -> str:
    way, other = outcome.expectation.way, outcome.expectation.other
    return (f"{way} {other}: " if way else "") + listed(outcome.values)


def reached(outcome: Outcome) -> str:
    """The values of all seeds, of several differences their mean too."""
    values = [value for value in outcome.values if value is not None]
    mean = f" (mean {sum(values) / len(values):.4g})" if outcome.expectation.way and len(values) > 1 else ""
    return listed(outcome.values) + mean


def _number(key: str, value: Any, least: float) -> Iterator[tuple[str, str]]:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value < math.inf:
        yield key, f"should be a number{' from 0 on' if least == 0 else ''}, is {value!r}"


def listed(values: Sequence[float | None]) -> str:
    """Values in one line; a dash for what was not measured."""
    return ", ".join("-" if value is None else f"{value:.4g}" for value in values)
