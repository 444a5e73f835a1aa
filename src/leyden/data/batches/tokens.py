"""Windows of text as numbers, for language models."""

import logging
from collections.abc import Iterator, Sequence
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from leyden.data.columns import Tokens
from leyden.data.loader import Loader
from leyden.data.module import DataModule
from leyden.data.source import Source
from leyden.data.specs import TextSpec
from leyden.data.splits import Split, Stage
from leyden.data.text.stream import TextsOf, TokenStream, in_file, in_memory
from leyden.data.text.tokenizer import Tokenizer
from leyden.data.text.tokenizer_sources import tokenizer_of

log = logging.getLogger(__name__)


class TokenWindows(DataModule):
    """Batches of ``Tokens`` (B, context + 1): ``context`` tokens to predict, and the one before them.

    The texts of a split form one stream, an end behind each. Training windows begin at random places of it, new ones
    in each epoch. Validation and test windows lie side by side: each token but the stream's first is predicted once; a
    rest too short for a window is left out.

    Args:
        source: of texts, with classes or without.
        tokenizer: what a token is: ``characters``, ``bpe`` or ``wordpiece``, learnt from the training split alone;
            ``minilm``; or a path: a tokenizer.json, a folder with one, an earlier run.
        vocabulary_size: tokens at most, of ``bpe`` and ``wordpiece``.
        context: tokens that a prediction may look back on.
        batch_size: training windows per step and device.
        eval_batch_size: windows per validation or test batch.
        epoch_size: training windows per epoch; null: as many as lie side by side.
        token_folder: where the numbers are written and mapped from, for more text than memory; null: in memory.
        seed: of the windows' places.

    Raises:
        ValueError: the source has no texts, a number is below 1, or a split is shorter than a window.
    """

    consumes: ClassVar[str] = "text"

    def __init__(
        self,
        source: Source,
        tokenizer: str = "characters",
        vocabulary_size: int = 4000,
        context: int = 64,
        batch_size: int = 32,
        eval_batch_size: int = 128,
        epoch_size: int | None = None,
        token_folder: str | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(source, batch_size, eval_batch_size, seed=seed)
        if context < 1 or (epoch_size is not None and epoch_size < 1):
            raise ValueError(f"data.context={context} and data.epoch_size={epoch_size} count from 1")
        self.word, self.vocabulary_size = tokenizer, vocabulary_size
        self.context, self.epoch_size = context, epoch_size
        self.token_folder = None if token_folder is None else Path(token_folder).expanduser()
        self._streams: dict[Stage, TokenStream] = {}

    @property
    def spec(self) -> TextSpec:
        """What the model must know; valid after ``prepare_data``."""
        return TextSpec(tokenizer=self.tokenizer.spec, context=self.context)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """What the texts become numbers by; learnt from the training split where it is learnt."""
        return tokenizer_of(self.word, self.texts("train"), self.vocabulary_size)

    def texts(self, stage: Stage) -> Sequence[str]:
        """The texts of a split, each read when it is asked for."""
        return TextsOf(self.examples(stage))

    def stream(self, stage: Stage) -> TokenStream:
        """All texts of a split as one row of numbers."""
        if stage not in self._streams:
            texts = self.texts(stage)
            stream = (
                in_memory(texts, self.tokenizer)
                if self.token_folder is None
                else in_file(texts, self.tokenizer, self.token_folder)
            )
            log.info(
                "%s: %d characters for %s, %d tokens, %.2g %% of them unknown",
                *(self.source.name, stream.characters, stage, len(stream.tokens)),
                100 * stream.unknown / max(1, len(stream.tokens)),
            )
            self._streams[stage] = stream
        return self._streams[stage]

    def tokens_per_character(self, stage: Stage) -> float:
        """What a mean over the tokens of a split is multiplied by to become one over its characters."""
        stream = self.stream(stage)
        return len(stream.tokens) / stream.characters

    def split(self, stage: Stage) -> "Windows":
        """Windows of the split's stream, side by side.

        Raises:
            ValueError: the split is shorter than a window.
        """
        stream = self.stream(stage)
        if len(stream.tokens) <= self.context:
            raise ValueError(
                f"{self.source.name}: {stage} has {len(stream.tokens)} tokens, too few for data.context={self.context}"
            )
        return Windows(stream.tokens, self.context)

    def content(self, split: Split) -> Iterator[bytes]:
        """All numbers of the stream that the windows are of."""
        yield from next(s for s in self._streams.values() if s.tokens is split.tokens).content()  # type: ignore[attr-defined]

    def loader(self, stage: Stage) -> Loader:
        """Random windows to train on, those side by side for evaluation and where the trainer overfits."""
        if stage != "train" or self.overfits:
            return super().loader(stage)
        return self.training_windows()

    def training_windows(self, whole: bool = False) -> Loader:
        """Batches of random windows of the training split.

        Args:
            whole: all ranks get the same ones, for what each trains by itself.
        """
        split = self.split("train")
        windows = self.on_device(RandomWindows(split.tokens, self.context, self.epoch_size or len(split)))
        return Loader(windows, self.batch_size, train=True, seed=self.seed, whole=whole, limit=self.taken)


class Windows:
    """A split whose examples are the windows of a stream that lie side by side (``leyden.data.splits.Sampled``).

    Args:
        tokens: the stream, (N,) of any integers.
        context: a window has one number more; below N.
    """

    draws = 0

    def __init__(self, tokens: Tensor, context: int) -> None:
        self.tokens, self.context = tokens, context

    def __len__(self) -> int:
        return (len(self.tokens) - 1) // self.context

    def __getitem__(self, index: int) -> Tokens:
        return Tokens(self.at(torch.tensor([index * self.context]))[0])

    @property
    def nbytes(self) -> int:
        """What the stream takes."""
        return self.tokens.nbytes

    def to(self, device: torch.device) -> "Windows":
        """The same split with its stream on ``device``."""
        other = copy(self)
        other.tokens = self.tokens.to(device)
        return other

    def at(self, starts: Tensor) -> Tensor:
        """Windows (B, context + 1) int64 that begin at the places ``starts`` (B,)."""
        places = starts.unsqueeze(1) + torch.arange(self.context + 1)
        return self.tokens[places.to(self.tokens.device)].long()

    def sample(self, indices: Tensor, u: Tensor) -> Tokens:
        """The windows ``indices`` (B,); nothing is drawn."""
        return Tokens(self.at(indices * self.context))


class RandomWindows(Windows):
    """Windows that begin anywhere in a stream.

    Args:
        tokens: the stream, (N,) of any integers.
        context: a window has one number more; below N.
        count: windows that make an epoch.
    """

    def __init__(self, tokens: Tensor, context: int, count: int) -> None:
        super().__init__(tokens, context)
        self.count = count
        # A float32 has 24 bits: in a longer stream, two say where a window begins.
        self.draws = 1 if len(tokens) <= 2**24 else 2

    def __len__(self) -> int:
        return self.count

    def sample(self, indices: Tensor, u: Tensor) -> Tokens:
        """Windows that begin where ``u`` (B, draws) says, 0 being the stream's begin."""
        place = u[:, 0].double() + (u[:, 1].double() * 2**-24 if self.draws == 2 else 0)
        return Tokens(self.at((place * (len(self.tokens) - self.context)).long()))
