"""What ``leyden check-data`` tells of texts: counts, lengths, balance, examples, and a chart of them."""

from collections.abc import Sequence

import torch
from torch import Tensor

from leyden.data.inspection.texts import TextInspection
from leyden.data.issues import printable
from leyden.data.source import Source
from leyden.data.source.pairs.pair_source import PairSource
from leyden.data.source.text.text_source import TextSource
from leyden.report.text import markdown_table
from leyden.visualization.charts import draw_lengths

QUOTED = 160
"""Letters of an example that are printed."""


def text_tables(source: Source, seen: TextInspection) -> list[str]:
    """Paragraphs: lengths by split, classes by split, an example of each class, copies across splits, the encoding."""
    quantiles = torch.tensor([0.0, 0.5, 0.95, 1.0])
    tables = []
    for what, words in (("texts", seen.words), ("summaries", seen.summary_words)):
        lengths = [
            [stage, len(count), *count.float().quantile(quantiles).long().tolist(), int(count.sum())]
            for stage, count in words.items()
            if len(count)
        ]
        header = ["split", what, "fewest words", "half have at most", "95 % have at most", "most", "words"]
        tables += [_table(header, lengths)] if lengths else []
    if source.class_names:
        rows = [[printable(name), *(int(seen.counts[s][i]) for s in seen.splits)] for i, name in _numbered(source)]
        tables.append(_table(["class", *seen.splits], rows))
        tables.append(_balance(source, seen))
        tables.append("\n".join(_examples(source, seen)))
    elif seen.summary_words:
        text, summary = seen.splits["train"][0]
        tables.append(f"text: {_short(text)}\nsummary: {_short(summary)}")
    signs = sum(seen.beyond_ascii.values())
    read_as = f"read as {source.encoding}; " if isinstance(source, TextSource | PairSource) else ""
    across = f"texts with the words of an earlier split: {seen.across:,}"
    tables.append(f"{read_as}texts with signs beyond ASCII: {signs:,}; {across}")
    return tables


def text_sheet(source: Source, seen: TextInspection) -> Tensor:
    """A histogram of the lengths, by class where there are classes, of both sides of pairs: uint8 (3, H, W)."""
    words = torch.cat(list(seen.words.values()))
    if seen.summary_words:
        return draw_lengths({"texts": words, "summaries": torch.cat(list(seen.summary_words.values()))}, source.name)
    if not source.class_names:
        return draw_lengths({"texts": words}, source.name)
    labels = torch.cat([_labels(split) for split in seen.splits.values()])
    return draw_lengths({name: words[labels == i] for i, name in _numbered(source)}, source.name)


def _labels(split: object) -> Tensor:
    return torch.tensor([int(split[i].labels) for i in range(len(split))])  # type: ignore[index,arg-type]


def _examples(source: Source, seen: TextInspection) -> list[str]:
    """The first training text of each class, shortened."""
    lines, split = [], seen.splits["train"]
    labels = _labels(split)
    for i, name in _numbered(source):
        places = (labels == i).nonzero()
        if len(places):
            lines.append(f"{printable(name)}: {_short(split[int(places[0])].texts)}")
    return lines


def _short(text: str) -> str:
    """A text in one line, its beginning if it is long."""
    line = printable(" ".join(text.split()))
    return f"{line[:QUOTED]}{'...' if len(line) > QUOTED else ''}"


def _balance(source: Source, seen: TextInspection) -> str:
    """What always naming the most frequent training class would reach in each split."""
    most = int(seen.counts["train"].argmax())
    parts = [f"{stage} {int(count[most]) / max(1, int(count.sum())):.1%}" for stage, count in seen.counts.items()]
    return f"balance: always {printable(source.class_names[most])} would be right in {', '.join(parts)}"


def _numbered(source: Source) -> list[tuple[int, str]]:
    return list(enumerate(source.class_names))


def _table(header: list[str], rows: Sequence[Sequence[object]]) -> str:
    return markdown_table(
        header, [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows]
    )
