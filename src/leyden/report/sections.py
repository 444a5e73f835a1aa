"""Records of any labs: a comparison for those that are evaluated alike, a section each."""

from collections.abc import Sequence

import pandas as pd

from leyden.report.compare import Comparison
from leyden.report.runs import Run, value_at


class Sections:
    """Records of any labs, in a comparison for each group of labs that have a way of evaluation in common.

    Labs that choose their best checkpoint by the same metric are compared with one another, such as two detectors; a
    GAN beside them gets a section of its own.

    Args:
        runs: at least two, of any labs, each with its metrics.
        metrics: those to show; a section has those that its runs have. None: see ``Comparison``.
        every: shows all that any run has instead.
        left_out: a line per record that is not among ``runs``, and why.

    Raises:
        ValueError: fewer than two runs, a metric that no run has, or none to show.
    """

    def __init__(
        self, runs: Sequence[Run], metrics: Sequence[str] = (), every: bool = False, left_out: Sequence[str] = ()
    ) -> None:
        if len(runs) < 2:
            raise ValueError("nothing to compare: give two records that are done, or a folder that holds them")
        groups = groups_of(runs)
        shown = {
            number: [metric for metric in metrics if any(metric in run["metrics"] for run in group)]
            for number, group in enumerate(groups)
        }
        if unknown := [metric for metric in metrics if not any(metric in own for own in shown.values())]:
            Comparison(runs, unknown)  # says what there is
        kept = [number for number in shown if shown[number] or not metrics]
        self.parts = [Comparison(groups[number], shown[number], every) for number in kept]
        none = [name for i, group in enumerate(groups) if i not in kept for name in labs_of(group)]
        asked = " or ".join(metrics)
        self.left_out = [f"left out: {line}" for line in [*left_out, *(f"{name} has no {asked}" for name in none)]]
        whole = len(self.parts) == 1
        self.title = self.parts[0].title if whole else f"# {len(labs_of(runs))} labs in {len(self.parts)} sections"

    def text(self, width: int) -> str:
        """The tables for a terminal of so many letters, each below its lab's title where there are several."""
        if len(self.parts) == 1:
            return self.parts[0].text(width)
        titles = [part.title.partition("\n")[0].removeprefix("# ") for part in self.parts]
        return "\n\n".join(f"{title}\n\n{part.text(width)}" for title, part in zip(titles, self.parts, strict=True))

    def markdown(self) -> str:
        """``compare.md``."""
        below = "  \n".join(self.left_out) + "\n" if self.left_out else ""
        if len(self.parts) == 1:
            return "\n".join(filter(None, [self.parts[0].markdown(), below]))
        return "\n".join(filter(None, [f"{self.title}\n", *(part.markdown("##") for part in self.parts), below]))

    def csv(self) -> str:
        """``compare.csv``: a line per row of every section; what a section has not is empty."""
        tables = [part.table() for part in self.parts]
        if len(tables) > 1:
            named = zip(tables, self.parts, strict=True)
            tables = [table.assign(section=part.title.partition("\n")[0][2:]) for table, part in named]
            tables = [table[["section", *table.columns.drop("section")]] for table in tables]
        return pd.concat(tables).to_csv(index=False, lineterminator="\n")


def groups_of(runs: Sequence[Run]) -> list[list[Run]]:
    """The runs, those of labs together that choose their best checkpoint by a common metric; in the order of the labs.

    Where a lab chooses by none, those of its test count.
    """
    groups: list[tuple[set[str], list[Run]]] = []
    for lab in labs_of(runs):
        own = [run for run in runs if lab_of(run) == lab]
        measured = {metric for run in own for metric in run["metrics"]}
        keys = {metric for metric in measured if metric.startswith("best/")} or measured
        alike = [group for group in groups if group[0] & keys]
        for group in alike:
            groups.remove(group)
        groups.append((keys.union(*(keys for keys, _ in alike)), [*(run for _, old in alike for run in old), *own]))
    return [group for _, group in groups]


def labs_of(runs: Sequence[Run]) -> list[str]:
    """The labs' names, in the order of the runs."""
    return list(dict.fromkeys(map(lab_of, runs)))


def lab_of(run: Run) -> str:
    """The name of the lab."""
    return str(value_at(run["config"], "lab.name"))
