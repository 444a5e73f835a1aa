"""What every language model does: a loss per token, bits per character, samples while it learns."""

import logging
import math
from typing import Any, ClassVar, Literal

import torch
from lightning import LightningModule
from torch import Tensor
from torch.nn import functional as F
from torch.optim import AdamW

from leyden.core.attached import attached_data
from leyden.core.optim import parameter_groups, scheduled, warmup_cosine
from leyden.core.technique import Predictions
from leyden.data.batches.tokens import CharacterWindows
from leyden.data.columns import Tokens
from leyden.data.specs import TokenizerSpec
from leyden.data.text.tokenizer import build_tokenizer
from leyden.metrics.ngram import NGrams
from leyden.visualization.logging import log_text, logs_now

log = logging.getLogger(__name__)

FLOORS = (3, 5)
"""Orders of the n-gram models that a test scores beside the network."""
MAX_COUNTED = 5_000_000
"""Tokens of a training text whose n-grams are counted: half a minute and a few gigabytes."""


class LanguageModel(LightningModule):
    """Learns to predict each token from those before it; a technique gives ``forward`` and ``generate``.

    Args:
        tokenizer: which numbers stand for which text; given by the data.
        context: tokens that a prediction may look back on; given by the data.
        lr: AdamW's greatest rate.
        weight_decay: AdamW's, of weights and embeddings; norms and biases are spared.
        warmup: part of the steps in which the rate grows; then it falls to 0 along half a cosine.
        sample_length: tokens of a sample.
        temperature: what logits are divided by before a token is drawn; below 1 the likely ones become likelier.
        top_k: only so many of the likeliest tokens can be drawn; null: all.

    Raises:
        ValueError: a value is outside its range.
    """

    monitor: str = "val/bits_per_char"
    mode: Literal["min", "max"] = "min"
    samples_shown: ClassVar[int] = 4
    characters: Tensor
    """(V,) characters of each token, so that models with different tokenizers compare."""

    def __init__(
        self,
        tokenizer: TokenizerSpec,
        context: int,
        lr: float,
        weight_decay: float,
        warmup: float,
        sample_length: int,
        temperature: float = 1.0,
        top_k: int | None = None,
    ) -> None:
        super().__init__()
        if temperature <= 0 or not 0 <= warmup < 1:
            raise ValueError(f"model.temperature={temperature} must be above 0, model.warmup={warmup} in [0, 1)")
        if sample_length < 1 or (top_k is not None and top_k < 1):
            raise ValueError(f"model.sample_length={sample_length} and model.top_k={top_k} count from 1")
        self.tokenizer, self.context = build_tokenizer(tokenizer), context
        self.lr, self.weight_decay, self.warmup = lr, weight_decay, warmup
        self.sample_length, self.temperature, self.top_k = sample_length, temperature, top_k
        self.register_buffer("characters", torch.tensor(self.tokenizer.characters), persistent=False)

    def generate(self, start: Tensor, count: int, generator: torch.Generator | None = None) -> Tensor:
        """``count`` tokens behind each of ``start`` (B, T): (B, count) int64."""
        raise NotImplementedError

    def losses(self, batch: Tokens) -> tuple[Tensor, Tensor]:
        """Cross-entropy of each prediction, nats, and the characters that it is about: (B, T) both."""
        before, after = batch.tokens[:, :-1], batch.tokens[:, 1:]
        logits = self(before)  # (B, T, V)
        nats = F.cross_entropy(logits.flatten(0, 1), after.flatten(), reduction="none")
        return nats.view_as(after), self.characters[after]

    def training_step(self, batch: Tokens, batch_idx: int) -> Tensor:
        """One batch to its mean cross-entropy per token, nats."""
        loss = self.losses(batch)[0].mean()
        if logs_now(self):
            self.log("train/loss", loss.detach(), prog_bar=True)
        return loss

    def validation_step(self, batch: Tokens, batch_idx: int) -> None:
        """Averages bits per character over the split."""
        self._score("val", batch)

    def on_validation_epoch_end(self) -> None:
        """Logs what the model writes by now."""
        texts = [row["text"] for row in self.sample(self.samples_shown, seed=0).rows]
        log_text(self, "samples", "\n\n---\n\n".join(f"```\n{text}\n```" for text in texts))

    def test_step(self, batch: Tokens, batch_idx: int) -> None:
        """Averages bits per character over the split."""
        self._score("test", batch)

    def on_test_epoch_end(self) -> None:
        """Scores n-grams, counted in the training text, on the same characters; a network should beat them."""
        data = attached_data(self.trainer, CharacterWindows)
        if data is None:
            return
        train, windows = data.stream("train"), data.examples("test").columns.tokens
        if len(train) > MAX_COUNTED:
            log.info("n-grams are not scored: %d training tokens are more than %d", len(train), MAX_COUNTED)
            return
        ngrams = NGrams(train.tolist(), max(FLOORS), self.tokenizer.size)
        read = [int(windows[0, 0]), *windows[:, 1:].flatten().tolist()]
        for order in FLOORS:
            self.log(f"test/bits_per_char_{order}gram", ngrams.bits(read, order), rank_zero_only=True)

    @torch.no_grad()
    def sample(self, count: int, label: str | None = None, seed: int | None = None) -> Predictions:
        """Texts that begin as the training texts do.

        Args:
            count: how many.
            label: None; a language model knows no classes.
            seed: of the draws; None draws other texts each time.

        Raises:
            ValueError: a class is asked for.
        """
        if label is not None:
            raise ValueError(f"{type(self).__name__} knows no classes: leave --class out")
        generator = None if seed is None else torch.Generator(self.device).manual_seed(seed)
        training = self.training
        self.eval()
        start = torch.full((count, 1), self.tokenizer.end, device=self.device)
        tokens = self.generate(start, self.sample_length, generator)
        self.train(training)
        return Predictions([{"text": self.decode(row)} for row in tokens.tolist()], [])

    def decode(self, tokens: list[int]) -> str:
        """The text of some tokens, up to the first end."""
        return self.tokenizer.decode(tokens[: tokens.index(end)] if (end := self.tokenizer.end) in tokens else tokens)

    def draw(self, logits: Tensor, generator: torch.Generator | None) -> Tensor:
        """A token for each row of logits (B, V), by ``temperature`` and ``top_k``: (B,) int64."""
        logits = logits.float() / self.temperature
        if self.top_k is not None and self.top_k < logits.shape[-1]:
            least = logits.topk(self.top_k).values[:, -1:]
            logits = logits.masked_fill(logits < least, -torch.inf)
        return torch.multinomial(logits.softmax(-1), 1, generator=generator)[:, 0]

    def configure_optimizers(self) -> Any:
        """AdamW with the betas of GPT-3 (Brown et al. 2020, appendix B), warm-up and a cosine."""
        groups = parameter_groups(self.parameters(), self.lr, self.weight_decay)
        optimizer = AdamW(groups, betas=(0.9, 0.95), fused=True)
        steps = self.trainer.estimated_stepping_batches
        schedule = scheduled(optimizer, lambda t: warmup_cosine(t, self.warmup), steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _score(self, stage: str, batch: Tokens) -> None:
        nats, characters = self.losses(batch)
        count = int(characters.sum())
        bits = nats.sum() / math.log(2) / count
        self.log(f"{stage}/bits_per_char", bits, batch_size=count, prog_bar=True, sync_dist=True)
