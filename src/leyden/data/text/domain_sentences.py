"""Two domains of texts as tokens: labelled source texts, target texts whose labels no model sees."""

from typing import Literal

import torch

from leyden.core.seeding import mix
from leyden.data.batches.domain_rows import check_classes
from leyden.data.columns import LabelledTexts
from leyden.data.source.text.text_source import TextSource
from leyden.data.splits import InMemory, Stage
from leyden.data.text.domain_texts import refuse_shared
from leyden.data.text.sentences import Sentences


class DomainSentences(Sentences):
    """Trains and validates on a source's labelled texts, tests on a target's; pre-training may read both.

    What is read without labels (``unlabelled``: the tokenizer, and masked language models) are the training texts of
    both domains, or of the source alone for a strict floor. No label of the target is looked at but for the test and
    the ceiling, and none of its test texts is read before.

    Args:
        source: the domain with labels.
        target: the domain without; it shares the classes by name, and no texts.
        read: "both", as techniques may that adapt to unlabelled target texts, or "source".
        train_size: so many training texts of each domain, drawn by the seed; null: all.
        learn_from: "source", or "target" for the ceiling: learns from and validates on the target's labelled texts.
        tokenizer, vocabulary_size, context, bucket, batch_size, eval_batch_size: see ``Sentences``.
        seed: of what is drawn, and of the order.

    Raises:
        ValueError: sources of something else than texts, another word, or what ``Sentences`` refuses.
    """

    def __init__(
        self,
        source: TextSource,
        target: TextSource,
        read: Literal["both", "source"] = "both",
        train_size: int | None = None,
        learn_from: Literal["source", "target"] = "source",
        tokenizer: str = "wordpiece",
        vocabulary_size: int = 4000,
        context: int = 64,
        bucket: bool = True,
        batch_size: int = 32,
        eval_batch_size: int = 128,
        seed: int = 0,
    ) -> None:
        super().__init__(
            source, None, tokenizer, vocabulary_size, context, None, None, bucket, batch_size, eval_batch_size, seed
        )
        self.check(target)
        if read not in ("both", "source") or learn_from not in ("source", "target"):
            raise ValueError(f"data.read={read!r}: both, source; data.learn_from={learn_from!r}: source, target")
        if train_size is not None and train_size < 2:
            raise ValueError(f"data.train_size={train_size}: should be 2 or more, or null")
        self.target, self.read, self.train_size, self.learn_from = target, read, train_size, learn_from

    def prepare_data(self) -> None:
        """Reads both domains and trains the tokenizer.

        Raises:
            ValueError: the domains share texts, or the target has a class that the source has not.
        """
        for domain in (self.source, self.target):
            domain.prepare()
            domain.log_tally()
        check_classes(self.source, self.target)
        refuse_shared(self.source, self.target)
        super().prepare_data()

    def unlabelled(self) -> list[str]:
        """The training texts of both domains, or of the source alone."""
        domains = [self.source, self.target] if self.read == "both" else [self.source]
        return [text for domain in domains for text in self._drawn(domain, "train").texts]

    def examples(self, stage: Stage) -> InMemory[LabelledTexts]:
        """Labelled texts: the source's in training and validation, the target's in the test."""
        target = stage == "test" or self.learn_from == "target"
        texts, labels = self._drawn(self.target if target else self.source, stage)
        if target:
            places = [list(self.source.class_names).index(name) for name in self.target.class_names]
            labels = torch.tensor(places)[labels]
        return InMemory(LabelledTexts(texts, labels))

    def _drawn(self, domain: TextSource, stage: Stage) -> LabelledTexts:
        """The texts of a domain, in training those that are drawn; as ``DomainTexts`` draws them."""
        split = domain.split(stage)
        if stage != "train" or self.train_size is None or self.train_size >= len(split):
            return split.columns
        generator = torch.Generator().manual_seed(mix(self.seed, domain is self.target))
        return split.take(torch.randperm(len(split), generator=generator)[: self.train_size].sort().values)
