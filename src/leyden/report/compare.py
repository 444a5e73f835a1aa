"""Any records side by side: a row for those that differ in nothing but the seed, and only the settings that differ."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from leyden.report.directions import BASELINE, arrow, better
from leyden.report.runs import ABSENT, Axis, Run, axis, check_samples, value_at
from leyden.report.statistics import score_table, summarize, texts
from leyden.report.sweep.selection import chosen_by, note
from leyden.report.text import heading, markdown_table, short

IGNORED = ("paths", "sweep", "report", "logger")
"""Parts of a config that do not change what a run reaches."""
CHOICES = ("lab.name", "lab.variant")
"""What of ``lab`` is a setting; these and each ``_target_`` bring other settings along."""
HEADING = ("lab.title", "lab.question")
"""Kept for the heading; no settings."""
LONGEST = 48
"""Characters of a row's name; what is longer is cut."""


class Comparison:
    """Records of one lab or of several in one table: a row for those that differ in nothing but the seed.

    Args:
        runs: at least one, each with its metrics.
        metrics: those to show; none: all ``test/...`` and ``best/...`` that every run has, or that any has where they
            have none in common; none of the evaluation's own baselines.
        every: shows all that any run has instead.

    Raises:
        ValueError: no runs, a metric that no run has, or none to show.
    """

    def __init__(self, runs: Sequence[Run], metrics: Sequence[str] = (), every: bool = False) -> None:
        if not runs:
            raise ValueError("nothing to compare: there are no runs")
        mark = note(metric for run in runs for metric in chosen_by(run["config"]))
        runs = [Run(config=_settings(run["config"]), metrics=run["metrics"], folder=run["folder"]) for run in runs]
        self.settings = _differing(runs)
        """All that differ, those of the lab first."""
        self.columns = _columns(self.settings, runs)
        """Of ``settings`` those that no choice of a lab, a variant or a class brings along."""
        self.rows = _rows(self.settings, self.columns, runs)
        """The runs by the name of their row; in the order of the columns' values."""
        self.metrics = _chosen(runs, metrics, every)
        self.scores = {metric: _scores(self.rows, metric) for metric in self.metrics}
        """By metric: a table of scores, see ``leyden.report.statistics``; column 0 has the rows' names."""
        self.summaries = {metric: summarize(scores, [list(self.rows)]) for metric, scores in self.scores.items()}
        """By metric: mean, standard deviation and number of runs of each row."""
        self.heads = _heads([column.key for column in self.columns])
        """The columns' titles."""
        self.asked, self.every = tuple(metrics), every
        labs = {repr(value_at(run["config"], "lab.name")) for run in runs}
        self.title = heading(runs) if len(labs) == 1 else f"# {len(labs)} labs compared"
        self.notes = [*_notes(runs, self.rows), *([mark] if mark else [])]
        """What a reader must know before believing the numbers."""
        if not all(metric in run["metrics"] for metric in self.metrics for run in runs):
            self.notes.append("A dash: the runs of that row have no such metric.")

    @property
    def summary(self) -> str:
        """How many records and rows, and what the numbers are."""
        runs = sum(map(len, self.rows.values()))
        rows = f"{len(self.rows)} row{'s' if len(self.rows) > 1 else ''}"
        several = any(len(_seeds(own)) > 1 for own in self.rows.values())
        records = f"{runs} record{'s' if runs > 1 else ''}"
        return f"{records} in {rows}{'; mean ± standard deviation over the seeds' if several else ''}."

    def lines(self, metrics: Sequence[str]) -> tuple[list[str], list[list[str]]]:
        """The header and a line per row: its name where it has no column of its own, settings, seeds, metrics.

        An arrow says which way of a metric is better, and its best mean stands between ``**``.
        """
        columns = [self._marked(metric) for metric in metrics]
        lines = []
        for (name, runs), *cells in zip(self.rows.items(), *columns, strict=True):
            own = [column.name_in(runs[0]) for column in self.columns] or [name]
            lines.append([*own, str(len(_seeds(runs))), *cells])
        return [*(self.heads or ["lab"]), "seeds", *map(arrow, metrics)], lines

    def _marked(self, metric: str) -> list[str]:
        cells, means, mode = texts(self.summaries[metric]), self.summaries[metric]["mean"], better(metric)
        if mode is not None and means.nunique() > 1:
            cells = cells.mask(means == means.agg(mode), "**" + cells + "**")
        return cells.tolist()

    def companions(self) -> tuple[list[str], list[list[str]]]:
        """The settings that differ but are no column: a line each, with the value in every row."""
        others = [setting for setting in self.settings if setting not in self.columns]
        lines = [[setting.key, *(setting.name_in(runs[0]) for runs in self.rows.values())] for setting in others]
        return ["setting", *self.rows], lines

    def text(self, width: int) -> str:
        """The table for a terminal of so many letters: lying on its side, or in parts, where it is too wide."""
        header, lines = self.lines(self.metrics)
        start = len(header) - len(self.metrics)
        tables = [markdown_table(header, lines)]
        if _width(tables[0]) > width:
            cells = [list(column) for column in zip(*lines, strict=True)]
            onto_side = [[name, *own] for name, own in zip(header[start - 1 :], cells[start - 1 :], strict=True)]
            tables = [markdown_table(["", *self.rows], onto_side)]
        if _width(tables[0]) > width:
            tables = [_part(header, lines, columns) for columns in _parts(header, lines, start, width)]
        return "\n\n".join([*tables, "\n".join([self.summary, *self.notes])])

    def markdown(self, level: str = "#") -> str:
        """``compare.md``, or a section of it, whose heading has the ``level``."""
        notes = "  \n".join([self.summary, *self.notes])  # two blanks break a line in markdown
        title = level + self.title.removeprefix("#")
        parts = [title, markdown_table(*self.lines(self.metrics)), notes]
        header, lines = self.companions()
        if lines:
            parts += ["What comes with them:", markdown_table(header, lines)]
        return "\n\n".join(parts) + "\n"

    def table(self) -> pd.DataFrame:
        """A line per row with all settings that differ; mean and standard deviation of each metric, all digits."""
        lines = []
        for name, runs in self.rows.items():
            line: dict[str, Any] = {setting.key: setting.name_in(runs[0]) for setting in self.settings}
            line |= {"runs": len(runs), "seeds": len(_seeds(runs))}
            for metric, summary in self.summaries.items():
                mean, deviation = (summary.loc[(name,), column].item() for column in ("mean", "sd"))
                line |= {metric: mean, f"{metric} sd": deviation}
            lines.append(line | {"records": " ".join(run["folder"].name for run in runs)})
        return pd.DataFrame(lines, dtype=object)


def _width(table: str) -> int:
    return len(table.partition("\n")[0])


def _parts(header: Sequence[str], lines: Sequence[Sequence[str]], start: int, width: int) -> list[list[int]]:
    """The columns of as many tables as it takes, each with the first ``start`` ones, for ``width`` letters."""
    widths = [max(map(len, column)) + 3 for column in zip(header, *lines, strict=True)]  # "| " and " "
    blocks: list[list[int]] = []
    left = 0
    for column in range(start, len(header)):
        if not blocks or widths[column] > left:
            blocks.append(list(range(start)))
            left = width - 1 - sum(widths[:start])
        blocks[-1].append(column)
        left -= widths[column]
    return blocks


def _part(header: Sequence[str], lines: Sequence[Sequence[str]], columns: Sequence[int]) -> str:
    first, *rest = [[line[column] for column in columns] for line in (header, *lines)]
    return markdown_table(first, rest)


def _settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a config that decides what a run reaches; paths as they are from where its outputs lie."""
    lab = {key: value for key, value in config.get("lab", {}).items() if f"lab.{key}" in CHOICES + HEADING}
    rest = {key: value for key, value in config.items() if key not in (*IGNORED, "lab")}
    return _relative({"lab": lab, **rest}, f"{value_at(config, 'paths.outputs')}/")


def _relative(node: Any, outputs: str) -> Any:
    if isinstance(node, Mapping):
        return {str(key): _relative(value, outputs) for key, value in node.items()}
    return node.removeprefix(outputs) if isinstance(node, str) else node


def _differing(runs: Sequence[Run]) -> list[Axis]:
    """The settings in which runs differ, except the seed, also where it bears another name."""
    found = []
    for key in dict.fromkeys(key for run in runs for key in _leaves(run["config"])):
        values = [value_at(run["config"], key) for run in runs]
        seed = key.rpartition(".")[2] == "seed" and all(
            value in (ABSENT, run["config"].get("seed")) for value, run in zip(values, runs, strict=True)
        )
        inner = any(isinstance(value, Mapping) and value for value in values)  # its own keys differ
        if not seed and not inner and key not in HEADING and len(set(map(repr, values))) > 1:
            named = axis(runs, key)  # but nothing is not "all" of every number
            found.append(Axis(key, [(v, "none" if v is None else named.name_of(v)) for v in named.values]))
    return found


def _leaves(node: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for key, value in node.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}"


def _columns(settings: Sequence[Axis], runs: Sequence[Run]) -> list[Axis]:
    choices = [setting for setting in settings if setting.key in CHOICES or setting.key.endswith("_target_")]
    shown: list[Axis] = []
    for setting in [*choices, *(setting for setting in settings if setting not in choices)]:
        deciding = [one for one in shown if one in choices]
        decided = {_values(deciding, run) for run in runs}
        if not deciding or len({_values([*deciding, setting], run) for run in runs}) > len(decided):
            shown.append(setting)
    return shown


def _rows(settings: Sequence[Axis], columns: Sequence[Axis], runs: Sequence[Run]) -> dict[str, list[Run]]:
    grouped: dict[tuple[str, ...], list[Run]] = {}
    for run in sorted(runs, key=lambda run: [column.names.index(column.name_in(run)) for column in columns]):
        grouped.setdefault(_values(settings, run), []).append(run)
    heads = _heads([column.key for column in columns])
    names = []
    for own in grouped.values():
        pairs = zip(heads, columns, strict=True)
        parts = [_part_of_name(head, column, own[0]) for head, column in pairs]
        names.append(", ".join(parts) or str(value_at(own[0]["config"], "lab.name")))
    if len(set(names)) < len(names) or max(map(len, names)) > LONGEST:
        cut = (name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…" for name in names)
        names = [f"{number}: {name}" for number, name in enumerate(cut, start=1)]
    return dict(zip(names, grouped.values(), strict=True))


def _part_of_name(head: str, column: Axis, run: Run) -> str:
    """``lr=0.1``; of a choice its name alone."""
    alone = column.key in CHOICES or column.key.endswith("_target_")
    return column.name_in(run) if alone else f"{head}={column.name_in(run)}"


def _values(settings: Sequence[Axis], run: Run) -> tuple[str, ...]:
    return tuple(repr(value_at(run["config"], setting.key)) for setting in settings)


def _heads(keys: Sequence[str]) -> list[str]:
    """Keys as short as they can be told apart."""
    heads = ["lab" if key == "lab.name" else short(key) for key in keys]
    return [head if heads.count(head) == 1 else key for head, key in zip(heads, keys, strict=True)]


def _chosen(runs: Sequence[Run], asked: Sequence[str], every: bool) -> list[str]:
    measured = list(dict.fromkeys(name for run in runs for name in run["metrics"]))
    if unknown := [name for name in asked if name not in measured]:
        close = difflib.get_close_matches(unknown[0], measured, n=1)
        cure = f"did you mean {close[0]}?" if close else f"there are {', '.join(sorted(measured))}"
        raise ValueError(f"no record has the metric {unknown[0]}; {cure}")
    if asked or every:
        return list(dict.fromkeys(asked)) or measured
    results = [name for name in measured if name.startswith(("test/", "best/")) and not BASELINE.fullmatch(name)]
    common = [name for name in results if all(name in run["metrics"] for run in runs)]
    if not measured:
        raise ValueError("nothing to compare: the records have no metrics")
    return common or results or measured


def _scores(rows: Mapping[str, Sequence[Run]], metric: str) -> pd.DataFrame:
    tables = {name: score_table(runs, [], metric) for name, runs in rows.items()}
    return pd.concat(tables, names=[0]).reset_index(level=0)


def _seed(run: Run) -> str:
    return repr(run["config"].get("seed"))


def _seeds(runs: Sequence[Run]) -> set[str]:
    return {_seed(run) for run in runs}


def _notes(runs: Sequence[Run], rows: Mapping[str, Sequence[Run]]) -> list[str]:
    notes = []
    try:
        check_samples(runs)
    except ValueError as error:  # a report refuses these; here other metrics may be of interest
        notes.append(f"warning: {error}")
    if any(len(_seeds(own)) < len(own) for own in rows.values()):
        notes.append("Some rows hold several runs of a seed; each seed's mean counts.")
    return notes
