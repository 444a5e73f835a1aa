"""What ``leyden check-data`` tells of captions: how many differ, how long they are, examples."""

import textwrap
from collections.abc import Sequence

import torch

from leyden.data.inspection.inspect import Inspection
from leyden.data.issues import printable
from leyden.data.source import Source
from leyden.data.source.scenes.captioned_scenes import CaptionSource
from leyden.report.text import markdown_table

EXAMPLES = 12
"""Captions that are printed."""
LINE = 44
"""Letters of a line below an image."""


def caption_tables(source: Source, seen: Inspection) -> list[str]:
    """Paragraphs: lengths by split, how many descriptions differ and are new in the test, some captions.

    Args:
        source: of captioned images.
        seen: by ``inspect_images``.

    Raises:
        ValueError: the source has no captions.
    """
    if not isinstance(source, CaptionSource):
        raise ValueError(f"{source.name} says no captions: make it a CaptionSource")
    captions = {stage: source.captions(stage) for stage in seen.splits}
    quantiles = torch.tensor([0.0, 0.5, 0.95, 1.0])
    rows: list[list[str]] = []
    for stage, texts in captions.items():
        words = torch.tensor([len(text.split()) for text in texts], dtype=torch.float32)
        lengths = [f"{int(value):,}" for value in words.quantile(quantiles)]
        present = int((seen.counts[stage].sum(1) > 0).sum())
        rows.append([stage, f"{present:,}", *lengths])
    header = ["split", "descriptions", "fewest words", "half have at most", "95 % have at most", "most"]
    trained, tested = (seen.counts[stage].sum(1) > 0 for stage in ("train", "test"))
    new = int((tested & ~trained).sum())
    counts = torch.stack(list(seen.counts.values())).sum((0, 2))
    counts = counts[counts > 0]
    told = (
        f"{len(source.class_names):,} descriptions that differ, of {_range(counts)} images "
        f"each; {new:,} of the {int(tested.sum()):,} in the test are in no training image"
    )
    return [markdown_table(header, rows), told, "\n".join(_examples(captions["train"]))]


def _range(counts: torch.Tensor) -> str:
    return f"{int(counts.min())} to {int(counts.max())}" if len(counts) else "no"


def wrapped(text: str) -> str:
    """A caption in lines of 44 letters, three at most."""
    return "\n".join(textwrap.wrap(text, LINE, max_lines=3, placeholder=" ..."))


def _examples(captions: Sequence[str]) -> list[str]:
    """Some that differ, evenly spread."""
    different = list(dict.fromkeys(captions))
    count = min(EXAMPLES, len(different))
    return [printable(different[i * len(different) // count]) for i in range(count)]
