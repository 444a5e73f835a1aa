"""A look at every text of a source: lengths, classes, encodings, copies, and the issues that the source found."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from leyden.data.columns import TextPairs
from leyden.data.issues import DataIssue, Effect
from leyden.data.source import Source
from leyden.data.source.text.text_source import WORD, words_of
from leyden.data.splits import Split, Stage

LOST = "\ufffd"
"""What stands for bytes that some program before could not read."""


@dataclass(frozen=True)
class TextInspection:
    """What was seen."""

    splits: dict[Stage, Split]
    counts: dict[Stage, Tensor]
    """(classes,) int64 texts of each class, for each split; one number where there are no classes."""
    words: dict[Stage, Tensor]
    """(N,) int64 words of each text."""
    summary_words: dict[Stage, Tensor]
    """(N,) int64 words of each summary; no splits where there are none."""
    beyond_ascii: dict[Stage, int]
    """Texts with signs beyond ASCII: what a wrong encoding spoils."""
    across: int
    """Texts that have the words of one of an earlier split."""
    issues: list[DataIssue]


def inspect_texts(source: Source) -> TextInspection:
    """Reads every text once.

    Args:
        source: of texts, with classes or summaries or without.

    Raises:
        FileNotFoundError, ValueError: what the source raises as it reads.
    """
    splits, issues = source.inspect()
    issues = list(issues)
    classes = len(source.class_names)
    counts, words, summary_words, beyond = {}, {}, {}, {}
    first: dict[str, tuple[Stage, int]] = {}
    for stage, split in splits.items():
        examples = [split[i] for i in range(len(split))]
        texts = [example.texts for example in examples]
        words[stage] = _words(texts)
        if examples and isinstance(examples[0], TextPairs):
            summary_words[stage] = _words([example.summaries for example in examples])
        beyond[stage] = sum(not text.isascii() for text in texts)
        labels = torch.tensor([int(example.labels) for example in examples]) if classes else words[stage] * 0
        counts[stage] = labels.bincount(minlength=max(1, classes))
        for number, text in enumerate(texts):
            before = first.setdefault(words_of(text), (stage, number))
            if before != (stage, number):
                issues.append(_copy(before, stage, number))
            if spoiled := _spoiled(text):
                issues.append(DataIssue("spoiled encoding", "warning", Path(f"{stage} {number}"), None, spoiled))
    across = sum(issue.kind == "text of two splits" for issue in issues)
    return TextInspection(splits, counts, words, summary_words, beyond, across, issues)


def _words(texts: list[str]) -> Tensor:
    return torch.tensor([len(WORD.findall(text)) for text in texts], dtype=torch.int64)


def _copy(before: tuple[Stage, int], stage: Stage, number: int) -> DataIssue:
    """An issue for a text that came before: in another split a model is asked for what it has read."""
    other = before[0] != stage
    kind, effect = ("text of two splits", "warning") if other else ("text twice in a split", "note")
    what = f"has the words of {before[0]} {before[1]}" + (": leave one of them out" if other else "")
    grave: Effect = "warning" if effect == "warning" else "note"
    return DataIssue(kind, grave, Path(f"{stage} {number}"), None, what)


def _spoiled(text: str) -> str | None:
    """What a wrong encoding did to a text; None if it did nothing that can be seen."""
    if LOST in text:
        return f"has {text.count(LOST)} signs that stand for lost bytes: read the original in its own encoding"
    for sign in ("\u00c3", "\u00c2", "\u00e2\u20ac"):  # how UTF-8 looks when it is read as Latin-1 or Windows-1252
        place = text.find(sign)
        if place >= 0 and _is_utf8(text[place : place + 2]):
            return f"has {text[place : place + 3]!r}, UTF-8 read as another encoding: set data.source.encoding=utf-8"
    return None


def _is_utf8(signs: str) -> bool:
    """Whether two signs are the bytes of one letter in UTF-8, or the first two of a quotation mark."""
    if signs == "\u00e2\u20ac":
        return True
    try:
        return len(signs.encode("latin-1").decode("utf-8")) == 1
    except UnicodeError:
        return False
