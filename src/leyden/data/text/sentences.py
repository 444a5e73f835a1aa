"""Texts with classes as tokens, so many of them labelled, for networks that classify."""

import logging
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import ClassVar

import torch
from torch import Tensor

from leyden.core.seeding import mix
from leyden.data.columns import LabelledTexts
from leyden.data.loader import Loader
from leyden.data.module import DataModule
from leyden.data.ragged import BucketLoader, Ragged
from leyden.data.source.text.text_source import TextSource, words_of
from leyden.data.specs import LabelledTextSpec
from leyden.data.splits import InMemory, Split, Stage
from leyden.data.text.tokenizer import Tokenizer
from leyden.data.text.tokenizer_sources import tokenizer_of

log = logging.getLogger(__name__)


class Sentences(DataModule):
    """Batches of ``LabelledTokens``: ``[CLS] tokens [SEP]`` where the tokenizer has these, padded to the longest.

    A text of more than ``context`` tokens loses its end, which is counted in the log. Of the training texts ``labels``
    or ``labels_per_class`` have labels; all of them may be read without (``unlabelled``).

    Args:
        source: of texts with classes.
        more: a source of texts that pre-training reads besides, without their labels; null: none.
        tokenizer: ``wordpiece``, ``bpe`` or ``characters``, trained on the training texts; ``minilm``; or the path of a
            tokenizer.json, of a folder with one, of a record.
        vocabulary_size: so many tokens at most, of a tokenizer that is trained.
        context: tokens of a text at most, special ones among them.
        labels: so many labelled training texts in all, each class as often as among all; drawn by the seed; null: all.
        labels_per_class: so many of each class; null: as ``labels`` says.
        bucket: whether the texts of a batch are of like lengths.
        batch_size: labelled texts per step and device.
        eval_batch_size: texts per validation or test batch.
        seed: of which texts have labels, and of their order.

    Raises:
        ValueError: the source has no texts, a number is out of range, or both kinds of ``labels`` are given.
    """

    consumes: ClassVar[str] = "text"
    source: TextSource

    def __init__(
        self,
        source: TextSource,
        more: TextSource | None = None,
        tokenizer: str = "wordpiece",
        vocabulary_size: int = 4000,
        context: int = 64,
        labels: int | None = None,
        labels_per_class: int | None = None,
        bucket: bool = True,
        batch_size: int = 32,
        eval_batch_size: int = 128,
        seed: int = 0,
    ) -> None:
        super().__init__(source, batch_size, eval_batch_size, seed=seed)
        if more is not None:
            self.check(more)
        least = {"context": (context, 3), "labels": (labels, 2), "labels_per_class": (labels_per_class, 1)}
        for key, (value, limit) in least.items():
            if value is not None and value < limit:
                raise ValueError(f"data.{key}={value}: should be {limit} or more")
        if labels is not None and labels_per_class is not None:
            raise ValueError(
                f"data.labels={labels} and data.labels_per_class={labels_per_class}: set one, the other null"
            )
        self.more, self.word, self.vocabulary_size, self.context = more, tokenizer, vocabulary_size, context
        self.labels, self.labels_per_class, self.bucket = labels, labels_per_class, bucket
        self.computed: dict[Stage, Ragged] = {}
        """What a frozen network made of the texts, by stage; taken in their place."""

    @property
    def spec(self) -> LabelledTextSpec:
        """What the model must know; valid after ``prepare_data``."""
        return LabelledTextSpec(
            tokenizer=self.tokenizer.spec, context=self.context, class_names=list(self.source.class_names)
        )

    def prepare_data(self) -> None:
        """Reads the texts and trains the tokenizer."""
        if self.more is not None:
            self.more.prepare()
        super().prepare_data()
        _ = self.tokenizer

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Of all training texts, or the one that was given."""
        return tokenizer_of(self.word, self.unlabelled(), self.vocabulary_size)

    def unlabelled(self) -> list[str]:
        """All training texts, labelled or not, those of ``more`` behind them, but what validation or test has."""
        texts = list(self.source.split("train").columns.texts)
        if self.more is None:
            return texts
        stages: tuple[Stage, Stage] = ("val", "test")
        held = {words_of(text) for stage in stages for text in self.source.split(stage).columns.texts}
        more = self.more.split("train").columns.texts
        kept = [text for text in more if words_of(text) not in held]
        log.info(
            "%s: %d texts more, %d left out that are validated or tested",
            self.more.name,
            len(kept),
            len(more) - len(kept),
        )
        return texts + kept

    def examples(self, stage: Stage) -> InMemory[LabelledTexts]:
        """Texts with their classes; of the training split those whose labels may be used."""
        split = self.source.split(stage)
        if stage != "train" or (self.labels is None and self.labels_per_class is None):
            return split
        chosen = draw_labelled(
            split.columns.labels, self.labels, self.labels_per_class, mix(self.seed, 2), self.source.class_names
        )
        return InMemory(split.take(chosen))

    def prepared(self, raw: Split) -> Ragged:
        """Texts as tokens, cut to ``context``."""
        assert isinstance(raw, InMemory)
        texts, labels = raw.columns
        rows, cut = frame(self.tokenizer.encode_all(texts), self.tokenizer, self.context)
        if cut:
            first = texts[cut[0]][:40]
            self.source.tally.add(f"text beyond data.context={self.context} tokens, cut", repr(first), len(cut))
        lengths = torch.tensor([len(row) for row in rows])
        values = torch.tensor([number for row in rows for number in row])
        return Ragged(values, lengths, labels, self.tokenizer.pad)

    def content(self, split: Split) -> Iterator[bytes]:
        """The tokens of all texts."""
        assert isinstance(split, Ragged)
        yield from (part.numpy().tobytes() for part in (split.values, split.lengths, split.labels))

    def loader(self, stage: Stage) -> Loader:
        """Batches of like lengths, of tokens or of what a frozen network made of them."""
        train, texts = stage == "train", self.split(stage)
        assert isinstance(texts, Ragged)
        split = self.on_device(self.computed.get(stage) or texts)
        size, shuffle = (self.batch_size, not self.overfits) if train else (self.eval_batch_size, False)
        limit = self.taken if train else 1.0
        if not self.bucket:
            return Loader(split, size, train=shuffle, seed=self.seed, limit=limit)
        return BucketLoader(split, size, train=shuffle, seed=self.seed, limit=limit, lengths=texts.lengths)

    def in_order(self, stage: Stage) -> BucketLoader:
        """All texts of a stage from the shortest to the longest, the same on every rank."""
        split = self.on_device(self.split(stage))
        assert isinstance(split, Ragged)
        return BucketLoader(split, self.eval_batch_size, whole=True)

    def set_computed(self, computed: dict[Stage, Ragged]) -> None:
        """Lets batches come from what a frozen network made of the texts; none: from the texts again."""
        self.computed = computed
        if self._train_loader is not None:  # Lightning may have asked for it already, to count the steps
            self._train_loader.split = self.on_device(computed.get("train") or self.split("train"))


def frame(texts: Sequence[Sequence[int]], tokenizer: Tokenizer, context: int) -> tuple[list[list[int]], list[int]]:
    """``[CLS] tokens [SEP]`` of each text, no longer than ``context``; a tokenizer without a start has none.

    Args:
        texts: as numbers, without special tokens.
        tokenizer: that made them.
        context: tokens of a text at most, special ones among them.

    Returns:
        The rows, and which texts lost their end.
    """
    start = [] if tokenizer.start is None else [tokenizer.start]
    room = context - len(start) - 1
    cut = [place for place, text in enumerate(texts) if len(text) > room]
    return [[*start, *text[:room], tokenizer.end] for text in texts], cut


def draw_labelled(labels: Tensor, count: int | None, per_class: int | None, seed: int, names: Sequence[str]) -> Tensor:
    """Draws which examples have labels; nested: with the same seed, fewer are among more.

    Args:
        labels: (N,) int64 classes.
        count: so many in all, each class as often as in ``labels``, but once at least; None: ``per_class`` counts.
        per_class: so many of each class.
        seed: of the draw.
        names: of the classes, for the error.

    Returns:
        Sorted indices.

    Raises:
        ValueError: there are not so many, or fewer are asked for than there are classes.
    """
    sizes = torch.bincount(labels, minlength=len(names))
    if count is not None and not len(names) <= count <= len(labels):
        raise ValueError(f"data.labels={count}: there are {len(labels)} training texts of {len(names)} classes")
    if count is None:
        wanted = torch.full_like(sizes, per_class or 0)
        key = f"data.labels_per_class={per_class}"
    else:
        wanted = _shares(sizes, count)
        key = f"data.labels={count}"
    short = [i for i in range(len(names)) if sizes[i] < max(1, int(wanted[i]))]
    if short:
        raise ValueError(f"{key}, but class {names[short[0]]!r} has {int(sizes[short[0]])} training texts")
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    picked = [order[labels[order] == label][: int(wanted[label])] for label in range(len(names))]
    return torch.cat(picked).sort().values


def _shares(sizes: Tensor, count: int) -> Tensor:
    """``count`` in the proportions of ``sizes``, each 1 at least, by largest remainders."""
    exact = sizes.double() * count / sizes.sum()
    wanted = exact.floor().long().clamp(min=1)
    while wanted.sum() > count:
        wanted[wanted.argmax()] -= 1
    for place in (exact - exact.floor()).argsort(descending=True, stable=True).tolist():
        if wanted.sum() < count:
            wanted[place] += 1
    return wanted
