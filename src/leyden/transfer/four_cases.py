"""Which layers to freeze: the lecture's four cases, each with what a sweep found and whether the advice held."""

import math
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from torch import Tensor

from leyden.report.panels import Bar, draw_panels
from leyden.report.rows import Axis, Cell, Margin, Run, axis, best, margin, means, sort_into_cells
from leyden.report.text import csv_table, digits_for, footing, heading, markdown_table, plus_minus
from leyden.transfer.advise import FOUR_CASES

NOTHING = "-"


class Case(NamedTuple):
    """One of the four: what the sweep found."""

    name: str
    """Such as "small, similar"."""
    advised: str
    """The strategy that the lecture advises."""
    advice: str
    """In words."""
    cells: dict[str, Cell]
    """By strategy."""
    ranks: list[str]
    """The strategies that have a score, best first."""
    leads: dict[str, Margin]
    """How far the best one is ahead of each that has a score, itself included."""


class FourCases:
    """``report.md``, ``report.csv`` and ``report.png``: a row and a panel per case.

    Two strategies are compared seed by seed. A difference is called clear where its mean is larger than two standard
    errors, else it lies within the noise.

    Args:
        size: dotted config key of the amount of target data, such as ``data.labels_per_class``.
        similarity: dotted config key that says how like the source the target is.
        strategy: dotted config key, such as ``model.strategy``.
        metric: what a strategy is judged by.
        small: the value of ``size`` that is small; any other is large.
        similar: the value of ``similarity`` that is similar, of a ``_target_`` also its last part; others differ.
        baseline: the strategy that inherits nothing.
        mode: whether "max" or "min" of the metric is best.
    """

    def __init__(
        self,
        size: str,
        similarity: str,
        strategy: str,
        metric: str,
        small: Any,
        similar: Any,
        baseline: str = "scratch",
        mode: Literal["max", "min"] = "max",
    ) -> None:
        self.size, self.similarity, self.strategy, self.metric = size, similarity, strategy, metric
        self.small, self.similar, self.baseline, self.mode = small, similar, baseline, mode

    def __call__(self, runs: list[Run]) -> dict[str, str | Tensor]:
        """The report's files by name; no picture where there is nothing to draw.

        Raises:
            ValueError: there are runs, and none has one of the keys, or they were judged by different numbers of
                samples.
        """
        sizes, size_words = _halve(axis(runs, self.size), self.small, ("small", "large"))
        likeness, likeness_words = _halve(axis(runs, self.similarity), self.similar, ("similar", "different"))
        axes = [sizes, likeness, axis(runs, self.strategy)]
        cells = sort_into_cells(runs, axes, self.metric)
        cases = [self._case(names, axes[2].names, cells) for names in FOUR_CASES]
        parts = [
            heading(runs),
            self._verdicts(cases),
            _scores(cases, axes[2].names),
            "  \n".join([*size_words, *likeness_words]),
            footing(runs, axes, cells, self.metric),
            "Differences: mean ± standard error over the seeds that both have; clear above two standard errors.",
        ]
        files: dict[str, str | Tensor] = {"report.csv": _csv(cases)}
        if any(case.ranks for case in cases):
            parts.append("![The four cases](report.png)")
            panels = {case.name: _bars(case) for case in cases}
            files["report.png"] = draw_panels(panels, self.metric, digits_for(cells.values()))
        return {"report.md": "\n\n".join(part for part in parts if part) + "\n", **files}

    def _case(self, names: tuple[str, str], strategies: list[str], cells: Mapping[tuple[str, ...], Cell]) -> Case:
        own = {strategy: cells.get((*names, strategy), Cell()) for strategy in strategies}
        ranks = best(own, self.mode)
        leads = {name: margin(own[ranks[0]], own[name], self.mode) for name in ranks}
        return Case(", ".join(names), *FOUR_CASES[names], own, ranks, leads)

    def _verdicts(self, cases: list[Case]) -> str:
        """A row per case: what was advised, what won, by how much, and whether the advice held."""
        lines = []
        for case in cases:
            winner, second = (*case.ranks, NOTHING, NOTHING)[:2]
            over_second = f"{second}: {_lead(case, second)}" if len(case.ranks) > 1 else NOTHING
            over = [over_second, _lead(case, self.baseline)]
            lines.append([case.name, f"{case.advised}: {case.advice}", winner, *over, _held(case)])
        header = ["target data", "the lecture's advice", "won", "over the second", f"over {self.baseline}"]
        return markdown_table([*header, "did the advice hold?"], lines)


def _halve(whole: Axis, first: Any, names: tuple[str, str]) -> tuple[Axis, list[str]]:
    """An axis of two names, and a line per name that says which values bear it."""
    halves: dict[str, list[tuple[Any, str]]] = {name: [] for name in names}
    for value in whole.values:
        pair = (value, whole.name_of(value))
        halves[names[0] if means(pair, first) else names[1]].append(pair)
    named = [(value, half) for half, pairs in halves.items() for value, _ in pairs]
    words = [f"{half}: {whole.key} = {', '.join(n for _, n in pairs)}" for half, pairs in halves.items() if pairs]
    return Axis(whole.key, named), words


def _lead(case: Case, other: str) -> str:
    """By how much the winner is ahead of ``other``, and whether that is more than noise."""
    if other not in case.leads or other == case.ranks[0]:
        return NOTHING
    lead = case.leads[other]
    if lead.seeds < 2:
        return f"{_amount(case, lead)}, {'one seed says nothing of noise' if lead.seeds else 'no seed in common'}"
    return f"{_amount(case, lead)}, {'clear' if lead.clear else 'within the noise'}"


def _amount(case: Case, lead: Margin) -> str:
    digits = digits_for(case.cells.values())
    mean, error = ("-" if math.isnan(value) else f"{value:.{digits}f}" for value in (lead.mean, lead.error))
    return f"{mean} ± {error}"


def _held(case: Case) -> str:
    """How the advised strategy did: whether it won, came within the noise of the winner, or lost, and by how much."""
    if case.advised not in case.leads:
        return f"no run of {case.advised}"
    if len(case.ranks) == 1:
        return "nothing to compare with"
    winner, lead = case.ranks[0], case.leads[case.advised]
    if case.advised == winner:
        return "yes, it won"
    if lead.seeds < 2:
        return f"open: behind {winner} by {_lead(case, case.advised)}"
    if lead.clear:
        return f"no: lost to {winner} by {_amount(case, lead)}"
    return f"yes, within the noise of {winner}: behind by {_amount(case, lead)}"


def _scores(cases: list[Case], strategies: list[str]) -> str:
    """A row per case, a column per strategy, the winner in bold."""
    digits = digits_for(cell for case in cases for cell in case.cells.values())
    lines = []
    for case in cases:
        texts = {name: plus_minus(cell, digits) for name, cell in case.cells.items()}
        if len(case.ranks) > 1:
            texts[case.ranks[0]] = f"**{texts[case.ranks[0]]}**"
        lines.append([case.name, *texts.values()])
    return markdown_table(["target data", *strategies], lines)


def _csv(cases: list[Case]) -> str:
    """A line per case and strategy; "behind" is the winner's lead over the strategy, seed by seed."""
    header = ["target data", "strategy", "mean", "sd", "runs", "planned", "rank", "behind", "behind_error", "advised"]
    lines = []
    for case in cases:
        for name, cell in case.cells.items():
            rank = case.ranks.index(name) + 1 if name in case.ranks else ""
            lead = case.leads.get(name)
            behind = [lead.mean, lead.error] if lead else ["", ""]
            advised = "yes" if name == case.advised else "no"
            spread = [cell.mean, cell.sd, len(cell.scores), cell.planned]
            lines.append([case.name, name, *spread, rank, *behind, advised])
    return csv_table(header, lines)


def _bars(case: Case) -> list[Bar]:
    won = case.ranks[:1]
    return [Bar(name, cell.mean, cell.sd, name == case.advised, name in won) for name, cell in case.cells.items()]
