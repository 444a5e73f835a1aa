"""What became of several labs, a section for each: its question, what was expected and reached, its images."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from leyden.report.labs.ending import aligned, main_image, next_commands
from leyden.report.labs.expectations import expectations, listed, outcomes, reached
from leyden.report.labs.headline import headline
from leyden.report.record_images import LEARNING_CURVES
from leyden.report.runs import Run


class Finished(NamedTuple):
    """A run that is done, and what else its record knows."""

    run: Run
    overrides: Sequence[str]
    environment: Mapping[str, Any]
    left_out: str | None
    """Why its lab's question and expectations do not apply; None where they do."""
    controls: Mapping[str, Run]
    """By the name of the variant, as far as they are done."""


class Section(NamedTuple):
    """A lab's part of a page or of a terminal."""

    name: str
    title: str
    question: str
    """Or why it does not apply."""
    rows: list[list[str]]
    """Metric, what each run reached, what is expected, whether that is passed."""
    images: list[tuple[str, Path]]
    """The main image of the first run and those of its controls, each with what it shows."""
    curves: Path | None
    """Of the first run."""
    commands: list[tuple[str, str]]
    """What to type next, each with a word for it."""

    def text(self) -> str:
        """The section on a terminal."""
        files = [*self.images, *([("curves", self.curves)] if self.curves else [])]
        width = max((len(what) for what, _ in files), default=0)
        lines = [f"{self.name}: {self.title}", self.question, "", *aligned(self.rows), ""]
        return "\n".join([*lines, *(f"{what:{width}}  {file}" for what, file in files)])


def sections(finished: Sequence[Finished]) -> list[Section]:
    """A section for each lab, in the order of the runs."""
    names = list(dict.fromkeys(one.run["config"]["lab"]["name"] for one in finished))
    return [_section([one for one in finished if one.run["config"]["lab"]["name"] == name]) for name in names]


def _section(finished: Sequence[Finished]) -> Section:
    own = [one for one in finished if one.left_out is None]
    shown = own or list(finished)
    first = shown[0]
    lab, folder = first.run["config"]["lab"], first.run["folder"]
    pictures = [("image", main_image(folder, lab, first.environment))]
    if first.controls:
        metric = next(one.metric for one in expectations(lab.get("expect")) if one.control)
        pictures = [
            (
                f"{name}: {metric} {listed([run['metrics'].get(metric)])}",
                main_image(run["folder"], lab, first.environment),
            )
            for name, run in {lab["name"]: first.run, **first.controls}.items()
        ]
    return Section(
        name=lab["name"],
        title=str(lab.get("title") or ""),
        question=first.left_out or str(lab.get("question") or "").strip(),
        rows=_expected(own) if own and lab.get("expect") else _reached(shown),
        images=[(what, file) for what, file in pictures if file is not None],
        curves=folder / LEARNING_CURVES if (folder / LEARNING_CURVES).is_file() else None,
        commands=list(next_commands(first.run, first.overrides, first.environment, bool(own))),
    )


def _expected(own: Sequence[Finished]) -> list[list[str]]:
    """A row per expectation; before a difference the control's own value."""
    rows = []
    for one in outcomes([(finished.run, finished.controls) for finished in own]):
        metric, control = one.expectation.metric, one.expectation.control
        missing = control and not any(control in finished.controls for finished in own)
        if control and not missing:
            values = [
                finished.controls[control]["metrics"].get(metric) for finished in own if control in finished.controls
            ]
            rows.append([f"{metric} of {control}", listed(values), "", ""])
        passed = "?" if missing else "yes" if one.kept else "NO"
        rows.append([metric, "" if missing else reached(one), one.expectation.expected, passed])
    return rows


def _reached(finished: Sequence[Finished]) -> list[list[str]]:
    """A row per metric of the headline, with what each run reached."""
    first = finished[0]
    lines = headline(first.run["config"]["lab"], first.run["metrics"], monitor(first.environment), own=False)
    return [[line.metric, listed([one.run["metrics"].get(line.metric) for one in finished]), "", ""] for line in lines]


def monitor(environment: Mapping[str, Any]) -> str:
    """The metric that chose the best checkpoint; empty where the run did not come so far."""
    return environment.get("monitor", {}).get("metric", "")
