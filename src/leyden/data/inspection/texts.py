"""A look at every text of a source: lengths, classes, signs beyond ASCII, and the issues that the source found."""

from dataclasses import dataclass

import torch
from torch import Tensor

from leyden.data.issues import DataIssue
from leyden.data.source import Source
from leyden.data.source.text.text_source import WORD, words_of
from leyden.data.splits import Split, Stage


@dataclass(frozen=True)
class TextInspection:
    """What was seen."""

    splits: dict[Stage, Split]
    counts: dict[Stage, Tensor]
    """(classes,) int64 texts of each class, for each split; one number where there are no classes."""
    words: dict[Stage, Tensor]
    """(N,) int64 words of each text."""
    beyond_ascii: dict[Stage, int]
    """Texts with signs beyond ASCII: what a wrong encoding spoils."""
    across: int
    """Texts that have the words of one of an earlier split."""
    issues: list[DataIssue]


def inspect_texts(source: Source) -> TextInspection:
    """Reads every text once.

    Args:
        source: of texts, with classes or without.

    Raises:
        FileNotFoundError, ValueError: what the source raises as it reads.
    """
    splits, issues = source.inspect()
    classes = len(source.class_names)
    counts, words, beyond, across = {}, {}, {}, 0
    seen: set[str] = set()
    for stage, split in splits.items():
        texts = [split[i].texts for i in range(len(split))]
        words[stage] = torch.tensor([len(WORD.findall(text)) for text in texts])
        beyond[stage] = sum(not text.isascii() for text in texts)
        keys = {words_of(text) for text in texts}
        across += len(keys & seen)
        seen |= keys
        labels = torch.tensor([int(split[i].labels) for i in range(len(split))]) if classes else words[stage] * 0
        counts[stage] = labels.bincount(minlength=max(1, classes))
    return TextInspection(splits, counts, words, beyond, across, issues)
