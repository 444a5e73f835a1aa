"""Windows of text as numbers, for language models."""

import logging
from copy import copy
from functools import cached_property
from typing import ClassVar

import torch
from torch import Tensor

from leyden.data.columns import Tokens
from leyden.data.loader import Loader
from leyden.data.module import DataModule
from leyden.data.source import Source
from leyden.data.specs import TextSpec
from leyden.data.splits import InMemory, Stage
from leyden.data.text.tokenizer import Tokenizer
from leyden.data.text.tokenizer_sources import train_tokenizer

log = logging.getLogger(__name__)


class CharacterWindows(DataModule):
    """Batches of ``Tokens`` (B, context + 1): ``context`` characters to predict, and the one before them.

    The texts of a split form one stream, an end behind each. Training windows begin at random places of it, new ones
    in each epoch. Validation and test windows lie side by side: each character but the stream's first is predicted
    once; a rest too short for a window is left out. The vocabulary is that of the training split.

    Args:
        source: of texts.
        context: characters that a prediction may look back on.
        batch_size: training windows per step and device.
        eval_batch_size: windows per validation or test batch.
        epoch_size: training windows per epoch; null: as many as lie side by side.
        seed: of the windows' places.

    Raises:
        ValueError: the source has no texts, a number is below 1, or a split is shorter than a window.
    """

    consumes: ClassVar[str] = "text"

    def __init__(
        self,
        source: Source,
        context: int = 64,
        batch_size: int = 32,
        eval_batch_size: int = 128,
        epoch_size: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(source, batch_size, eval_batch_size, seed=seed)
        if context < 1 or (epoch_size is not None and epoch_size < 1):
            raise ValueError(f"data.context={context} and data.epoch_size={epoch_size} count from 1")
        self.context = context
        self.epoch_size = epoch_size

    @property
    def spec(self) -> TextSpec:
        """What the model must know; valid after ``prepare_data``."""
        return TextSpec(tokenizer=self.tokenizer.spec, context=self.context)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Of the characters of the training split."""
        return train_tokenizer("characters", self.texts("train"))

    def texts(self, stage: Stage) -> list[str]:
        """The texts of a split."""
        split = self.source.split(stage)
        return [split[i].texts for i in range(len(split))]

    def stream(self, stage: Stage) -> Tensor:
        """All characters of a split as one row of numbers (N,) int64, the end's behind each text."""
        texts = self.tokenizer.encode_all(self.texts(stage))
        return torch.tensor([number for text in texts for number in (*text, self.tokenizer.end)])

    def examples(self, stage: Stage) -> InMemory[Tokens]:
        """Windows (context + 1,) of the split's stream, side by side."""
        stream = self.stream(stage)
        log.info("%s: %d characters for %s", self.source.name, len(stream), stage)
        if len(stream) <= self.context:
            raise ValueError(
                f"{self.source.name}: {stage} has {len(stream)} characters, too few for data.context={self.context}"
            )
        return InMemory(Tokens(stream.unfold(0, self.context + 1, self.context)))

    def loader(self, stage: Stage) -> Loader:
        """Random windows to train on, those side by side for evaluation and where the trainer overfits."""
        if stage != "train" or self.overfits:
            return super().loader(stage)
        windows = RandomWindows(self.stream(stage), self.context, self.epoch_size or len(self.split(stage)))
        return Loader(self.on_device(windows), self.batch_size, train=True, seed=self.seed, limit=self.taken)


class RandomWindows:
    """A split whose examples are windows that begin anywhere in a stream (``leyden.data.splits.Sampled``).

    Args:
        stream: (N,) int64.
        context: a window has one number more; below N.
        count: windows that make an epoch.
    """

    draws = 1

    def __init__(self, stream: Tensor, context: int, count: int) -> None:
        self.stream, self.context, self.count = stream, context, count

    def __len__(self) -> int:
        return self.count

    @property
    def nbytes(self) -> int:
        """What the stream takes."""
        return self.stream.nbytes

    def to(self, device: torch.device) -> "RandomWindows":
        """The same split with its stream on ``device``."""
        other = copy(self)
        other.stream = self.stream.to(device)
        return other

    def sample(self, indices: Tensor, u: Tensor) -> Tokens:
        """Windows (B, context + 1) that begin where ``u`` (B, 1) says, 0 being the stream's begin."""
        # A float32 has 24 bits: of a stream beyond 16 million characters not each place can begin a window.
        starts = (u.double() * (len(self.stream) - self.context)).long()
        return Tokens(self.stream[(starts + torch.arange(self.context + 1)).to(self.stream.device)])
