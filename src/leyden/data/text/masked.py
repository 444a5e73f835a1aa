"""Texts with hidden tokens, for masked language models (Devlin et al. 2019, section 3.1)."""

import logging
from functools import cached_property
from typing import ClassVar

import torch
from torch import Tensor

from leyden.data.loader import Loader
from leyden.data.module import DataModule
from leyden.data.source import Source
from leyden.data.source.text.text_source import words_of
from leyden.data.specs import MaskedTextSpec
from leyden.data.splits import InMemory, Stage
from leyden.data.text.masking.corruption import MaskedSequences, ordinary_tokens
from leyden.data.text.masking.pieces import Pieces, cut_texts, pack_texts
from leyden.data.text.tokenizer import Tokenizer
from leyden.data.text.tokenizer_sources import tokenizer_of

log = logging.getLogger(__name__)


class MaskedTexts(DataModule):
    """Batches of ``MaskedTokens``: of each token that is no special one, a part is asked for.

    A text is a sequence ``[CLS] tokens [SEP]``; one that is longer than ``context`` becomes several. With ``packed``
    texts stand behind each other, a ``[SEP]`` behind each, and are cut into sequences of ``context`` tokens: no step is
    spent on padding. With ``next_sentence`` a sequence is two pieces, ``[CLS] a [SEP] b [SEP]``, and b is a piece of
    another text in half of them (task 2 of the paper; RoBERTa, Liu et al. 2019, section 4.2, does better without).

    Which tokens are asked for is new in each epoch of training and always the same in validation and test: a pure
    function of seed, epoch and the sequence's number. Tokens are drawn one by one, so a short text may have none.

    Args:
        source: of texts; classes, if there are any, are not looked at.
        more: a source of texts whose training split is added to that of ``source``; null: none.
        tokenizer: ``wordpiece`` or ``bpe``, trained on the training texts; ``minilm``; the path of a tokenizer.json, of
            a folder with one, of a record; or a name on the Hugging Face hub.
        vocabulary_size: so many tokens at most, of a tokenizer that is trained.
        context: tokens of a sequence, at most.
        packed: whether texts share sequences.
        masked: the part of the tokens that is asked for.
        next_sentence: whether a sequence is two pieces.
        batch_size: sequences per step and device.
        eval_batch_size: sequences per validation or test batch.
        seed: of order and corruption.

    Raises:
        ValueError: the source has no texts, the tokenizer no mask, a number is out of range, or options contradict each
            other.
    """

    consumes: ClassVar[str] = "text"

    def __init__(
        self,
        source: Source,
        more: Source | None = None,
        tokenizer: str = "wordpiece",
        vocabulary_size: int = 4000,
        context: int = 64,
        packed: bool = False,
        masked: float = 0.15,
        next_sentence: bool = False,
        batch_size: int = 32,
        eval_batch_size: int = 256,
        seed: int = 0,
    ) -> None:
        super().__init__(source, batch_size, eval_batch_size, seed=seed)
        if more is not None:
            self.check(more)
        if not 0 < masked < 1 or context < 8:
            raise ValueError(f"data.masked={masked} should be above 0 and below 1, data.context={context} 8 or more")
        if packed and next_sentence:
            raise ValueError("data.packed and data.next_sentence exclude each other: a sequence is two pieces there")
        self.more, self.word, self.vocabulary_size, self.context = more, tokenizer, vocabulary_size, context
        self.packed, self.masked, self.next_sentence = packed, masked, next_sentence
        self._pieces: dict[Stage, InMemory[Pieces]] = {}

    @property
    def spec(self) -> MaskedTextSpec:
        """What the model must know; valid after ``prepare_data``."""
        return MaskedTextSpec(tokenizer=self.tokenizer.spec, context=self.context, next_sentence=self.next_sentence)

    def prepare_data(self) -> None:
        """Reads the texts and trains the tokenizer."""
        if self.more is not None:
            self.more.prepare()
        super().prepare_data()
        _ = self.tokenizer  # before anything is cut, so that a tokenizer without a mask is refused at once

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Of the training texts, or the one that was given."""
        found = tokenizer_of(self.word, self.texts("train"), self.vocabulary_size)
        if found.mask is None:
            raise ValueError(
                f"data.tokenizer={self.word} has no token for what is hidden, such as [MASK]: set data.tokenizer to "
                "wordpiece, bpe, minilm or the folder of a BERT, or choose model=text/gpt data=text/tokens"
            )
        return found

    def texts(self, stage: Stage) -> list[str]:
        """The texts of a split, in training those of ``more`` behind them but for what is validated or tested."""
        texts = _texts(self.source, stage)
        if self.more is None or stage != "train":
            return texts
        held = {words_of(text) for other in ("val", "test") for text in _texts(self.source, other)}
        return texts + [text for text in _texts(self.more, stage) if words_of(text) not in held]

    def examples(self, stage: Stage) -> InMemory[Pieces]:
        """The pieces of the split's texts."""
        if stage not in self._pieces:
            texts = self.tokenizer.encode_all(self.texts(stage))
            self._pieces[stage] = InMemory(self._cut(texts))
            pieces = self._pieces[stage].columns
            log.info(
                "%s: %d texts, %d sequences, %d tokens for %s",
                self.source.name, len(texts), len(pieces.lengths), int(pieces.lengths.sum()), stage,
            )  # fmt: skip
        return self._pieces[stage]

    @cached_property
    def ordinary(self) -> Tensor:
        """The numbers of the tokens that are no special ones, (R,) int64."""
        return ordinary_tokens(self.tokenizer)

    def token_counts(self) -> Tensor:
        """How often each token is in the training split, (V,) int64; 0 for special ones."""
        pieces = self.examples("train").columns
        counts = torch.bincount(pieces.tokens.flatten(), minlength=self.tokenizer.size)
        counts[list(self.tokenizer.special)] = 0
        return counts

    def loader(self, stage: Stage) -> Loader:
        """Sequences with hidden tokens, new ones in each epoch of training."""
        split = self.split(stage)
        assert isinstance(split, InMemory)
        sequences = MaskedSequences(
            split.columns, self.tokenizer, self.masked, self.context if self.next_sentence else None
        )
        train = stage == "train"
        return Loader(
            sequences, self.batch_size if train else self.eval_batch_size,
            train=train and not self.overfits, seed=self.seed, limit=self.taken if train else 1.0,
        )  # fmt: skip

    def _cut(self, texts: list[list[int]]) -> Pieces:
        if self.packed:
            return pack_texts(texts, self.tokenizer, self.context)
        framed = (self.tokenizer.start is not None) + 1
        room = (self.context - framed - 1) // 2 if self.next_sentence else self.context - framed
        return cut_texts(texts, self.tokenizer, room)


def _texts(source: Source, stage: Stage) -> list[str]:
    split = source.split(stage)
    return [split[i].texts for i in range(len(split))]
