"""Images with captions for networks of images and text."""

from collections.abc import Sequence
from functools import cached_property
from typing import ClassVar, Literal

import torch
from torch import Tensor

from leyden.data.columns import CaptionedTokens
from leyden.data.images import ImageDataModule
from leyden.data.source.files.captioned_folder import CaptionedList
from leyden.data.source.scenes.captioned_scenes import CaptionSource
from leyden.data.specs import CaptionSpec
from leyden.data.splits import InMemory, Split, labels_of
from leyden.data.text.sentences import frame
from leyden.data.text.tokenizer import Tokenizer
from leyden.data.text.tokenizer_sources import tokenizer_of


class Captions(ImageDataModule):
    """Batches of ``CaptionedTokens``: ``[CLS] tokens [SEP]`` where the tokenizer has these, all of one length.

    Args:
        source: of images with captions.
        tokenizer: ``wordpiece``, ``bpe`` or ``characters``, trained on the training captions; ``minilm``; or the path
            of a tokenizer.json, of a folder with one, of a record.
        vocabulary_size: so many tokens at most, of a tokenizer that is trained.
        context: tokens of a caption at most, special ones among them; what is longer loses its end.
        image_size: side of the square images in pixels; null keeps the source's own.
        batch_size: training images per step and device.
        eval_batch_size: images per validation or test batch.
        in_memory: "auto" decodes once into memory where a quarter of what is free holds all images; true and false
            force it.
        workers: processes that decode where the data is not in memory.
        seed: of the order.

    Raises:
        ValueError: the source has no captions, or a caption could hold nothing.
    """

    consumes: ClassVar[str] = "captioned images"
    source: CaptionSource

    def __init__(
        self,
        source: CaptionSource,
        tokenizer: str = "wordpiece",
        vocabulary_size: int = 1000,
        context: int = 16,
        image_size: int | None = None,
        batch_size: int = 128,
        eval_batch_size: int = 256,
        in_memory: Literal["auto"] | bool = "auto",
        workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(source, image_size, batch_size, eval_batch_size, in_memory, workers, seed)
        if context < 3:
            raise ValueError(f"data.context={context}: should be 3 or more")
        self.word, self.vocabulary_size, self.context = tokenizer, vocabulary_size, context

    @property
    def spec(self) -> CaptionSpec:
        """What the model must know; valid after ``prepare_data``."""
        trained, tested = (set(labels_of(self.examples(stage)).tolist()) for stage in ("train", "test"))
        return CaptionSpec(
            channels=self.channels,
            image_size=self.image_size,
            tokenizer=self.tokenizer.spec,
            context=self.context,
            class_names=list(self.source.class_names),
            unseen=sorted(tested - trained),
            factors=dict(self.source.factors),
        )

    def prepare_data(self) -> None:
        """Finds the images and trains the tokenizer."""
        super().prepare_data()
        _ = self.tokenizer

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Of the training captions, or the one that was given."""
        return tokenizer_of(self.word, self.source.captions("train"), self.vocabulary_size)

    def prepared(self, raw: Split) -> "InMemory[CaptionedTokens] | Encoded":
        """Images at the model's size, captions as numbers."""
        split = super().prepared(raw)
        captions = raw.columns.captions if isinstance(raw, InMemory) else _listed(raw).captions
        tokens, lengths, cut = as_tokens(captions, self.tokenizer, self.context)
        if cut:
            first = captions[cut[0]][:40]
            self.source.tally.add(f"caption beyond data.context={self.context} tokens, cut", repr(first), len(cut))
        if isinstance(split, InMemory):
            return InMemory(CaptionedTokens(split.columns.images, tokens, lengths, split.columns.labels))
        return Encoded(split, tokens, lengths, labels_of(split))


class Encoded:
    """Images that are decoded as they are needed, with captions as numbers.

    Args:
        split: of examples with ``images`` of one size.
        tokens: (N, T) int64.
        lengths: (N,) int64.
        labels: (N,) int64, which description each is.
    """

    def __init__(self, split: Split, tokens: Tensor, lengths: Tensor, labels: Tensor) -> None:
        self.split, self.tokens, self.lengths, self.labels = split, tokens, lengths, labels

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, index: int) -> CaptionedTokens:
        image = self.split[index].images
        return CaptionedTokens(image, self.tokens[index], self.lengths[index], self.labels[index])


def _listed(split: Split) -> CaptionedList:
    """A split of files.

    Raises:
        ValueError: it is none, and not in memory.
    """
    if not isinstance(split, CaptionedList):
        raise ValueError(f"captions of a {type(split).__name__} are not known without decoding: give a CaptionedList")
    return split


def as_tokens(texts: Sequence[str], tokenizer: Tokenizer, context: int) -> tuple[Tensor, Tensor, list[int]]:
    """Texts as one table of numbers.

    Args:
        texts: N of them.
        tokenizer: of the data.
        context: tokens of a text at most, special ones among them.

    Returns:
        Tokens (N, context) int64 with padding behind, lengths (N,) int64, and which texts lost their end.
    """
    rows, cut = frame(tokenizer.encode_all(texts), tokenizer, context)
    tokens = torch.full((len(rows), context), tokenizer.pad)
    for place, row in enumerate(rows):
        tokens[place, : len(row)] = torch.tensor(row)
    return tokens, torch.tensor([len(row) for row in rows]), cut
