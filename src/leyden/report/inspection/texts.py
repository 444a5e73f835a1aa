"""What ``leyden check-data`` tells of texts: counts, lengths, balance, examples, and a chart of them."""

from collections.abc import Sequence

import torch
from torch import Tensor

from leyden.data.inspection.texts import TextInspection
from leyden.data.issues import printable
from leyden.data.source import Source
from leyden.data.source.text.text_source import TextSource
from leyden.report.text import markdown_table
from leyden.visualization.charts import draw_lengths

QUOTED = 160
"""Letters of an example that are printed."""


def text_tables(source: Source, seen: TextInspection) -> list[str]:
    """Paragraphs: lengths by split, classes by split, an example of each class, copies across splits, the encoding."""
    quantiles = torch.tensor([0.0, 0.5, 0.95, 1.0])
    lengths = [
        [stage, len(count), *count.float().quantile(quantiles).long().tolist(), int(count.sum())]
        for stage, count in seen.words.items()
    ]
    header = ["split", "texts", "fewest words", "half have at most", "95 % have at most", "most", "words"]
    tables = [_table(header, lengths)]
    if source.class_names:
        rows = [[printable(name), *(int(seen.counts[s][i]) for s in seen.splits)] for i, name in _numbered(source)]
        tables.append(_table(["class", *seen.splits], rows))
        tables.append("\n".join(_examples(source, seen)))
    signs = sum(seen.beyond_ascii.values())
    read_as = f"read as {source.encoding}; " if isinstance(source, TextSource) else ""
    across = f"texts with the words of an earlier split: {seen.across:,}"
    tables.append(f"{read_as}texts with signs beyond ASCII: {signs:,}; {across}")
    return tables


def text_sheet(source: Source, seen: TextInspection) -> Tensor:
    """A histogram of the lengths, by class where there are classes: uint8 (3, H, W)."""
    words = torch.cat(list(seen.words.values()))
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
            text = printable(" ".join(split[int(places[0])].texts.split()))
            lines.append(f"{printable(name)}: {text[:QUOTED]}{'...' if len(text) > QUOTED else ''}")
    return lines


def _numbered(source: Source) -> list[tuple[int, str]]:
    return list(enumerate(source.class_names))


def _table(header: list[str], rows: Sequence[Sequence[object]]) -> str:
    return markdown_table(
        header, [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows]
    )
