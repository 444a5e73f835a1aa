"""Which layers to freeze: the lecture's four cases, each with what a sweep found and whether the advice held."""

import math
from typing import Any, Literal, NamedTuple

import pandas as pd
from torch import Tensor

from leyden.report.panels import Bar, draw_panels
from leyden.report.runs import Axis, Run, axis, check_samples, matches
from leyden.report.statistics import Margin, decimals, margin, plus_minus, ranked, score_table, summarize
from leyden.report.text import csv_table, footnotes, heading, markdown_table
from leyden.transfer.advise import FOUR_CASES

NOTHING = "-"


class Case(NamedTuple):
    """Results of one of the four cases."""

    name: str
    """Such as "small, similar"."""
    advised: str
    """The strategy that the lecture advises."""
    advice: str
    """The lecture's advice as a sentence."""
    summary: pd.DataFrame
    """A row per strategy, see ``leyden.report.statistics.summarize``."""
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
        metric: by which the strategies are compared.
        small: the value of ``size`` that is small; any other is large.
        similar: the value of ``similarity`` that is similar, of a ``_target_`` also its last part; others differ.
        baseline: the strategy that starts from random weights.
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
        """The report's files by name; no image where there is nothing to draw.

        Raises:
            ValueError: there are runs, and none has one of the keys, or they were evaluated on different numbers of
                samples.
        """
        check_samples(runs)
        sizes, size_words = _halve(axis(runs, self.size), self.small, ("small", "large"))
        likeness, likeness_words = _halve(axis(runs, self.similarity), self.similar, ("similar", "different"))
        axes = [sizes, likeness, axis(runs, self.strategy)]
        scores = score_table(runs, axes, self.metric)
        summary = summarize(scores, [axis.names for axis in axes])
        cases = [self._case(names, axes[2].names, scores) for names in FOUR_CASES]
        digits = decimals(summary["mean"])
        parts = [
            heading(runs),
            self._verdicts(cases),
            _scores(cases, axes[2].names, digits),
            "  \n".join([*size_words, *likeness_words]),
            footnotes(runs, axes, summary, self.metric),
            "Differences: mean ± standard error over the seeds that both have; clear above two standard errors.",
        ]
        files: dict[str, str | Tensor] = {"report.csv": _csv(cases)}
        if any(case.ranks for case in cases):
            parts.append("![The four cases](report.png)")
            files["report.png"] = draw_panels(
                {case.name: _bars(case) for case in cases}, self.metric.replace("/", " "), digits
            )
        return {"report.md": "\n\n".join(part for part in parts if part) + "\n", **files}

    def _case(self, names: tuple[str, str], strategies: list[str], scores: pd.DataFrame) -> Case:
        own = scores[(scores[0] == names[0]) & (scores[1] == names[1])]
        groups = {name: own[own[2] == name] for name in strategies}
        summary = summarize(own[[2, "seed", "score"]].rename(columns={2: 0}), [strategies])
        summary.index = pd.Index(strategies)
        ranks = ranked(summary["mean"].to_dict(), self.mode)
        leads = {name: margin(groups[ranks[0]], groups[name], self.mode) for name in ranks}
        return Case(", ".join(names), *FOUR_CASES[names], summary, ranks, leads)

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
        halves[names[0] if matches(pair, first) else names[1]].append(pair)
    named = [(value, half) for half, pairs in halves.items() for value, _ in pairs]
    words = [f"{half}: {whole.key} = {', '.join(n for _, n in pairs)}" for half, pairs in halves.items() if pairs]
    return Axis(whole.key, named), words


def _lead(case: Case, other: str) -> str:
    """By how much the winner is ahead of ``other``, and whether that is more than noise."""
    if other not in case.leads or other == case.ranks[0]:
        return NOTHING
    lead = case.leads[other]
    if lead.seeds < 2:
        return f"{_amount(case, lead)}, {'a single seed, so no error is known' if lead.seeds else 'no seed in common'}"
    return f"{_amount(case, lead)}, {'clear' if lead.clear else 'within the noise'}"


def _amount(case: Case, lead: Margin) -> str:
    digits = decimals(case.summary["mean"])
    mean, error = ("-" if math.isnan(value) else f"{value:.{digits}f}" for value in (lead.mean, lead.error))
    return mean if lead.seeds < 2 else f"{mean} ± {error}"


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


def _scores(cases: list[Case], strategies: list[str], digits: int) -> str:
    """A row per case, a column per strategy, the winner in bold."""
    lines = []
    for case in cases:
        texts = {name: plus_minus(row, digits) for name, row in case.summary.iterrows()}
        if len(case.ranks) > 1:
            texts[case.ranks[0]] = f"**{texts[case.ranks[0]]}**"
        lines.append([case.name, *texts.values()])
    return markdown_table(["target data", *strategies], lines)


def _csv(cases: list[Case]) -> str:
    """A line per case and strategy; "behind" is the winner's lead over the strategy, seed by seed."""
    header = ["target data", "strategy", "mean", "sd", "runs", "planned", "rank", "behind", "behind_error", "advised"]
    lines = []
    for case in cases:
        for name, row in case.summary.astype(object).iterrows():
            rank = case.ranks.index(name) + 1 if name in case.ranks else ""
            lead = case.leads.get(name)
            behind = [lead.mean, lead.error] if lead else ["", ""]
            advised = "yes" if name == case.advised else "no"
            spread = row[["mean", "sd", "runs", "planned"]]
            lines.append([case.name, name, *spread, rank, *behind, advised])
    return csv_table(header, lines)


def _bars(case: Case) -> list[Bar]:
    won = case.ranks[:1]
    return [
        Bar(name, row["mean"], row["sd"], name == case.advised, name in won) for name, row in case.summary.iterrows()
    ]
