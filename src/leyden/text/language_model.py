"""What every language model does: a loss per token, bits per character, samples while it learns, continuations."""

import logging
import math
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, ClassVar, Literal

import torch
from lightning import LightningModule
from torch import Tensor
from torch.nn import functional as F
from torch.optim import AdamW

from leyden.core.attached import attached_data
from leyden.core.optim import parameter_groups, scheduled, warmup_cosine
from leyden.core.technique import NO_OPTIONS, Predictions, PredictOptions
from leyden.data.batches.tokens import TokenWindows
from leyden.data.columns import Tokens
from leyden.data.specs import TokenizerSpec
from leyden.data.splits import Stage
from leyden.data.text.tokenizer import build_tokenizer
from leyden.text.figures import Moment, draw_learning
from leyden.text.floors import NGramFloors, floor_lines, floor_rows, ngram_floors
from leyden.text.sampling import Sampling, draw
from leyden.visualization.logging import log_image, log_text, logs_now

log = logging.getLogger(__name__)

DRAWN = Sampling()


class LanguageModel(LightningModule):
    """Learns to predict each token from those before it; a technique gives ``forward`` and ``draws``.

    Args:
        tokenizer: which numbers stand for which text; given by the data.
        context: tokens that a prediction may look back on; given by the data.
        lr: AdamW's greatest rate.
        weight_decay: AdamW's, of weights and embeddings; norms and biases are spared.
        warmup: part of the steps in which the rate grows; then it falls to 0 along half a cosine.
        sample_length: tokens of a sample, at most: it ends where a text ends.
        sampling: how a token is drawn.

    Raises:
        ValueError: a value is outside its range.
    """

    monitor: str = "val/bits_per_char"
    mode: Literal["min", "max"] = "min"
    main_image = "learning"
    input_type = "text"
    samples_shown: ClassVar[int] = 8
    characters: Tensor
    """(V,) characters of each token, where no DataModule knows how many its texts have."""

    def __init__(
        self,
        tokenizer: TokenizerSpec,
        context: int,
        lr: float,
        weight_decay: float,
        warmup: float,
        sample_length: int,
        sampling: Sampling = DRAWN,
    ) -> None:
        super().__init__()
        if not 0 <= warmup < 1:
            raise ValueError(f"model.warmup={warmup} must be in [0, 1)")
        if sample_length < 1:
            raise ValueError(f"model.sample_length={sample_length} counts from 1")
        self.tokenizer, self.context = build_tokenizer(tokenizer), context
        self.lr, self.weight_decay, self.warmup = lr, weight_decay, warmup
        self.sample_length, self.sampling = sample_length, sampling
        self.register_buffer("characters", torch.tensor(self.tokenizer.characters), persistent=False)
        self.moments: list[Moment] = []
        self._floors: NGramFloors | None = None

    def draws(self, start: Tensor, generator: torch.Generator | None = None) -> Iterator[Tensor]:
        """Tokens (B,) int64 behind each of ``start`` (B, T), one after the other, without end."""
        raise NotImplementedError

    def generate(self, start: Tensor, count: int, generator: torch.Generator | None = None) -> Tensor:
        """``count`` tokens behind each of ``start`` (B, T), fewer where all texts have ended: (B, count) int64."""
        drawn: list[Tensor] = []
        ended = torch.zeros(len(start), dtype=torch.bool, device=start.device)
        for tokens in islice(self.draws(start, generator), count):
            drawn.append(tokens)
            ended |= tokens == self.tokenizer.end
            if ended.all():
                break
        return torch.stack(drawn, 1)

    def losses(self, batch: Tokens) -> tuple[Tensor, Tensor]:
        """Cross-entropy of each prediction, nats, and the characters that it is about: (B, T) both."""
        before, after = batch.tokens[:, :-1], batch.tokens[:, 1:]
        return token_nats(self(before), after), self.characters[after]

    def setup(self, stage: str) -> None:
        """Refuses data whose tokens are not the model's.

        Raises:
            ValueError: the data's tokenizer is another one.
        """
        data = attached_data(self.trainer, TokenWindows)
        if data is not None and data.tokenizer.vocabulary != self.tokenizer.vocabulary:
            raise ValueError(
                "the data's tokenizer is not the model's, so its numbers mean other texts: set data.tokenizer to the "
                "model's record"
            )

    def training_step(self, batch: Tokens, batch_idx: int) -> Tensor:
        """One batch to its mean cross-entropy per token, nats."""
        before, after = batch.tokens[:, :-1], batch.tokens[:, 1:]
        loss = F.cross_entropy(self(before).flatten(0, 1), after.flatten())
        if logs_now(self):
            self.log("train/loss", loss.detach(), prog_bar=True)
        return loss

    def validation_step(self, batch: Tokens, batch_idx: int) -> None:
        """Averages bits per character over the split."""
        self._score("val", batch)

    @property
    def learns(self) -> bool:
        """Whether a validation is one of a training, not of a check before it or of a record."""
        return self.trainer.state.fn == "fit" and not self.trainer.sanity_checking

    def on_validation_epoch_end(self) -> None:
        """Logs what the model writes by now."""
        texts = [row["text"] for row in self.sample(self.samples_shown, seed=0).rows]
        log_text(self, "samples", "\n\n---\n\n".join(f"```\n{text}\n```" for text in texts))
        if self.learns:
            bits = float(self.trainer.callback_metrics[self.monitor])
            self.moments.append(Moment(self.global_step, bits, [text[:200] for text in texts]))

    def on_train_end(self) -> None:
        """Draws how it learnt, with the bits of n-grams on all of the validation split across."""
        if not self.trainer.is_global_zero or not self.moments:
            return
        data = attached_data(self.trainer, TokenWindows)
        ngrams = None if data is None else self._ngrams(data)
        floors = {} if data is None or ngrams is None else floor_lines(ngrams.bits(data.texts("val")))
        log_image(self, self.main_image, self.draw_chart(floors))

    def draw_chart(self, floors: dict[str, float]) -> Tensor:
        """How it learnt and what it wrote, beside some floors in bits per character: uint8 (3, H, W)."""
        return draw_learning(self.moments, floors, "How it learnt, and what it wrote")

    def test_step(self, batch: Tokens, batch_idx: int) -> None:
        """Averages bits per character over the split."""
        self._score("test", batch)

    def on_test_epoch_end(self) -> None:
        """Scores n-grams, counted in the training text, on the same characters; a network should beat them."""
        data = attached_data(self.trainer, TokenWindows)
        if data is None or (floors := self._ngrams(data)) is None:
            return
        for name, bits in floor_rows(floors.bits(data.texts("test"))).items():
            self.log(f"test/bits_per_char_{name}", bits, rank_zero_only=True)
        self._floors = None

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
        training = self.training
        self.eval()
        start = torch.full((count, 1), self.tokenizer.end, device=self.device)
        tokens = self.generate(start, self.sample_length, self._generator(seed))
        self.train(training)
        return Predictions([{"text": self.decode(row)} for row in tokens.tolist()], [])

    def continue_text(self, prompt: str, seed: int | None = None) -> Iterator[str]:
        """What the model writes behind a text, in pieces, as they are drawn; up to ``sample_length`` tokens.

        Args:
            prompt: the text's begin; "" lets it begin itself.
            seed: of the draws; None draws other ones each time.
        """
        self.eval()
        read = self.tokenizer.encode(prompt)
        if len(read) >= self.context:
            log.warning("the prompt has %d tokens: what is before the last %d is not read", len(read), self.context)
        if unknown := read.count(self.tokenizer.unknown):
            log.warning("%d tokens of the prompt stand for what training never saw", unknown)
        start = torch.tensor([[self.tokenizer.end, *read]], device=self.device)
        numbers: list[int] = []
        written = ""
        for token in islice(self.draws(start, self._generator(seed)), self.sample_length):
            if int(token) == self.tokenizer.end:
                break
            numbers.append(int(token))
            # Of a character of several bytes the last one may be still to come: its sign shows that.
            text = self.tokenizer.decode(numbers)
            whole = text.removesuffix("\ufffd")
            yield whole[len(written) :]
            written = max(written, whole, key=len)
        yield self.tokenizer.decode(numbers)[len(written) :]

    def predict(self, inputs: Sequence[str], options: PredictOptions = NO_OPTIONS) -> Predictions:
        """A continuation of each text, drawn by torch's own generator.

        Raises:
            ValueError: a threshold is given.
        """
        options.only(self)
        rows = [{"prompt": text, "continuation": "".join(self.continue_text(text))} for text in inputs]
        return Predictions(rows, [])

    def decode(self, tokens: list[int]) -> str:
        """The text of some tokens, up to the first end."""
        end = self.tokenizer.end
        return self.tokenizer.decode(tokens[: tokens.index(end)] if end in tokens else tokens)

    def draw(self, logits: Tensor, generator: torch.Generator | None) -> Tensor:
        """A token for each row of logits (B, V): (B,) int64."""
        return draw(logits, self.sampling, generator)

    def configure_optimizers(self) -> Any:
        """AdamW with the betas of GPT-3 (Brown et al. 2020, appendix B), warm-up and a cosine."""
        groups = parameter_groups(self.parameters(), self.lr, self.weight_decay)
        optimizer = AdamW(groups, betas=(0.9, 0.95), fused=True)
        steps = self.trainer.estimated_stepping_batches
        schedule = scheduled(optimizer, lambda t: warmup_cosine(t, self.warmup), steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keeps how it learnt so far."""
        checkpoint["moments"] = [tuple(moment) for moment in self.moments]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes it back, unless more is known, as at the end of a run, when the best checkpoint is loaded."""
        earlier = [Moment(*moment) for moment in checkpoint.get("moments", [])]
        self.moments = max(self.moments, earlier, key=len)

    def _generator(self, seed: int | None) -> torch.Generator | None:
        return None if seed is None else torch.Generator(self.device).manual_seed(seed)

    def _ngrams(self, data: TokenWindows) -> NGramFloors | None:
        """Counted once, for the chart and for the test."""
        if self._floors is None:
            self._floors = ngram_floors(data.texts("train"), data.stream("train").characters)
        return self._floors

    def log_bits(self, name: str, stage: Stage, nats: Tensor, tokens: Tensor) -> None:
        """Logs a mean over the characters of a split, of nats (B, T) of the predicted tokens (B, T)."""
        data = attached_data(self.trainer, TokenWindows)
        per_token, count = nats.mean() / math.log(2), nats.numel()
        if data is not None:
            bits = per_token * data.tokens_per_character(stage)
        else:
            characters = int(self.characters[tokens].sum())
            bits, count = per_token * count / characters, characters
        self.log(name, bits, batch_size=count, prog_bar=name == self.monitor, sync_dist=True)

    def _score(self, stage: Stage, batch: Tokens) -> None:
        before, after = batch.tokens[:, :-1], batch.tokens[:, 1:]
        self.log_bits(f"{stage}/bits_per_char", stage, token_nats(self(before), after), after)


def token_nats(logits: Tensor, tokens: Tensor) -> Tensor:
    """-ln p of the tokens (B, T) by logits (B, T, V): (B, T)."""
    return F.cross_entropy(logits.flatten(0, 1), tokens.flatten(), reduction="none").view_as(tokens)
