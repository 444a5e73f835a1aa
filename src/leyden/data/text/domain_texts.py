"""Two domains of texts, as rows of TF-IDF: labelled source texts, target texts whose labels no model sees."""

import logging
from functools import cached_property
from typing import ClassVar, Literal

import torch

from leyden.core.seeding import mix
from leyden.data.batches.domain_rows import DomainRows, DomainRowsSpec, Labels
from leyden.data.columns import LabelledRows, LabelledTexts
from leyden.data.source.rows.row_source import RowSource
from leyden.data.source.text.text_source import TextSource, words_of
from leyden.data.specs import TfidfSpec
from leyden.data.splits import STAGES, InMemory, Split, Stage
from leyden.data.text.tfidf import fit_tfidf, tfidf_rows

log = logging.getLogger(__name__)

MOST_SHARED = 0.01
"""Of the smaller set: two reviewers may write the same sentence, but not so often."""


class DomainTextsSpec(DomainRowsSpec):
    """What a model must know of texts of two domains, so that it can predict texts."""

    tfidf: TfidfSpec


class DomainTexts(DomainRows):
    """Training texts of two domains as rows (N, features), validation on the source, test on the target.

    The n-grams and their idf come from the training texts of both domains, or of the source alone (``fit_on``); no
    label of the target is looked at for them, nor for anything else but the test and the ceiling.

    Args:
        source: the domain with labels.
        target: the domain without; it shares the classes by name, and no texts.
        fit_on: "both", as techniques may that adapt to unlabelled target texts, or "source" for a strict floor.
        ngrams: the most words of a feature.
        max_features: so many n-grams, the most frequent; null: all. Rows are dense: 5,000 of 8,000 texts take 160 MB.
        min_count: n-grams that fewer texts have are left out.
        sublinear: 1 + ln(count) in the place of the count.
        train_size: so many training texts of each domain, drawn by the seed; null: all.
        labels: "source", or "target" for the ceiling: a model learns from the target's labelled training texts.
        target_labels: so many training texts of the target per class are labelled, drawn by the seed.
        batch_size: texts of each domain per step; what is fitted at once does not use it.
        eval_batch_size: texts per validation or test batch.
        seed: of what is drawn.

    Raises:
        ValueError: sources of something else than texts, another word, or a number below 1.
    """

    consumes: ClassVar[str] = "text"
    source: TextSource  # type: ignore[assignment]  # rows are made of it

    def __init__(
        self,
        source: TextSource,
        target: TextSource,
        fit_on: Literal["both", "source"] = "both",
        ngrams: int = 2,
        max_features: int | None = 5000,
        min_count: int = 2,
        sublinear: bool = True,
        train_size: int | None = None,
        labels: Labels = "source",
        target_labels: int = 0,
        batch_size: int = 64,
        eval_batch_size: int = 1024,
        seed: int = 0,
    ) -> None:
        super().__init__(source, target, labels, target_labels, batch_size, eval_batch_size, seed)  # type: ignore[arg-type]
        if fit_on not in ("both", "source"):
            raise ValueError(f"data.fit_on={fit_on!r}: there are both, source")
        if min(ngrams, max_features or 1, min_count, train_size or 1) < 1:
            raise ValueError(
                f"data.ngrams={ngrams}, max_features={max_features}, min_count={min_count}, train_size={train_size} "
                "count from 1"
            )
        self.target, self.fit_on, self.train_size = target, fit_on, train_size
        self.options = {
            "ngrams": ngrams, "max_features": max_features, "min_count": min_count, "sublinear": sublinear
        }  # fmt: skip
        self.domains = [(TextRows(source, self), TextRows(target, self))]

    def prepare_data(self) -> None:
        """Reads both domains and fits the n-grams.

        Raises:
            ValueError: the domains share texts, or what ``DomainRows`` refuses.
        """
        self.source.prepare()
        self.target.prepare()
        refuse_shared(self.source, self.target)
        super().prepare_data()

    @cached_property
    def fitted(self) -> tuple[list[str], TfidfSpec]:
        """The n-grams of the training texts, and how rows are made of them."""
        sources = [self.source, self.target] if self.fit_on == "both" else [self.source]
        texts = [text for source in sources for text in self.texts(source, "train").texts]
        return fit_tfidf(texts, **self.options)  # type: ignore[arg-type]

    @property
    def spec(self) -> DomainTextsSpec:
        """What the model must know; valid after ``prepare_data``."""
        names = [f"{source.name}_to_{target.name}" for source, target in self.domains]
        features, tfidf = self.fitted
        return DomainTextsSpec(
            class_names=list(self.source.class_names), feature_names=features, tasks=names, tfidf=tfidf
        )

    def examples(self, stage: Stage) -> InMemory[LabelledTexts]:
        """Labelled texts: the source's in training and validation, the target's in the test."""
        texts = self.texts(self.target if stage == "test" or self.labels == "target" else self.source, stage)
        rows = self.split(stage)
        assert isinstance(rows, InMemory)
        return InMemory(LabelledTexts(texts.texts, rows.columns.labels))

    def texts(self, source: TextSource, stage: Stage) -> LabelledTexts:
        """The texts of a domain, in training those that are drawn."""
        split = source.split(stage)
        if stage != "train" or self.train_size is None or self.train_size >= len(split):
            return split.columns
        generator = torch.Generator().manual_seed(mix(self.seed, source is self.target))
        return split.take(torch.randperm(len(split), generator=generator)[: self.train_size].sort().values)

    def split(self, stage: Stage) -> Split:
        """The same as rows and labels, in the same order."""
        return self._of(self.domains[0], stage)


class TextRows(RowSource):
    """The texts of a source as rows.

    Args:
        texts: the source.
        data: knows the n-grams.
    """

    def __init__(self, texts: TextSource, data: DomainTexts) -> None:
        super().__init__(texts.name, "split")
        self.texts, self.data = texts, data

    def prepare(self) -> None:
        """Makes rows of all texts; texts without any of the n-grams are counted."""
        if self._splits:
            return
        features, tfidf = self.data.fitted
        splits = {}
        for stage in STAGES:
            texts, labels = self.data.texts(self.texts, stage)
            splits[stage] = LabelledRows(tfidf_rows(texts, features, tfidf), labels)
            for place in (splits[stage].rows == 0).all(1).nonzero().flatten().tolist():
                self.tally.add("text without any of the n-grams, a row of zeros", f"{stage} {place}")
        self.set_splits(splits, self.texts.class_names, features)


def refuse_shared(source: TextSource, target: TextSource) -> None:
    """Refuses two sources that have texts in common, word for word, in any split.

    Raises:
        ValueError: more than ``MOST_SHARED`` of the smaller one's; the message names how many, and one of them.
    """
    own, other = (
        {words_of(text) for stage in STAGES for text in s.split(stage).columns.texts} for s in (source, target)
    )
    both, fewer = own & other, min(len(own), len(other))
    if len(both) > MOST_SHARED * fewer:
        raise ValueError(
            f"{source.name} and {target.name} share {len(both):,} texts, {len(both) / fewer:.1%} of the smaller one's "
            f"{fewer:,}, such as {sorted(both)[0][:60]!r}: the test would ask for what training has seen; choose "
            "another data.target (film_reviews' sentences, rt-polarity and VADER's film part are the same sentences)"
        )
    if both:
        log.info("%s and %s share %d texts", source.name, target.name, len(both))
