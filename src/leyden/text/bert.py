"""BERT: a transformer that fills in hidden tokens, reading in both directions (Devlin et al. 2019, "BERT: Pre-training
of Deep Bidirectional Transformers for Language Understanding").

15 % of the tokens are asked for: of these 80 % are replaced by a mask, 10 % by a random token, 10 % stay, so that the
network must know every token that it reads (section 3.1). Training minimises

    -mean ln p(x_t | the corrupted text)        over the tokens t that are asked for     (task 1)

and, with ``data.next_sentence``, the cross-entropy of whether the second text follows the first (task 2), which later
work found useless (Liu et al. 2019, "RoBERTa", section 4.2), so that it is off unless it is asked for. The network
stands in ``leyden.text.nets.bert``; its record is ``model.weights`` of whatever reads text.

Departures: tokens are drawn one by one, not exactly 15 % of each text; the head is computed at the places that are
asked for alone, a seventh of the work; a cosine brings the learning rate down instead of a line.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from lightning import LightningModule
from torch import Tensor
from torch.nn import functional as F
from torch.optim import AdamW

from leyden.core.attached import attached_data
from leyden.core.optim import parameter_groups, scheduled, warmup_cosine
from leyden.core.technique import NO_OPTIONS, Predictions, PredictOptions
from leyden.data.columns import IGNORED, MaskedTokens
from leyden.data.specs import TokenizerSpec
from leyden.data.text.masked import MaskedTexts
from leyden.data.text.tokenizer import build_tokenizer
from leyden.text.checkpoints import bert_of
from leyden.text.filling import Filled, fill_texts
from leyden.text.masked_scores import MaskedScores, masked_loss, unigram_nats
from leyden.text.nets.encoder import Encoder, EncoderSpec
from leyden.visualization.logging import log_image, log_text, logs_now

MOST, FEW = 100, 7
"""Texts of which some are shown, and words that these should have."""


class Bert(LightningModule):
    """Trains a BERT on texts with hidden tokens; the least ``val/loss`` marks the checkpoint.

    Args:
        tokenizer: which numbers stand for which text; given by the data.
        context: tokens of a text, at most; given by the data.
        next_sentence: whether a sequence is two texts, and it is learnt whether they belong together; given by the
            data.
        layers: blocks of attention; like the next two of ``weights=none`` alone.
        heads: of each block; they divide ``width``.
        width: channels.
        dropout: of embeddings, attention weights and branches; 0 where no text is read often enough to be learnt by
            heart.
        weights: ``none``; ``minilm``, a record of this technique, a folder in the layout of the library transformers or
            a name on the Hugging Face hub, of a BERT which then goes on learning.
        lr: AdamW's greatest rate.
        weight_decay: AdamW's, of weights and embeddings.
        warmup: part of the steps in which the rate grows; then it falls to 0 along half a cosine.
        encoder: the network of a checkpoint, whose weights come from there; not for configs.

    Raises:
        ValueError: the heads do not divide the width, a value is outside its range, or ``weights`` are no BERT's, or
            were trained with another tokenizer.
        FileNotFoundError, ImportError: there are no such weights.
    """

    monitor: str = "val/loss"
    mode: Literal["min", "max"] = "min"
    input_type: str = "text"
    main_image: str = "filled"
    shown: ClassVar[int] = 6

    def __init__(
        self,
        tokenizer: TokenizerSpec,
        context: int,
        next_sentence: bool = False,
        layers: int = 2,
        heads: int = 4,
        width: int = 64,
        dropout: float = 0.0,
        weights: str = "none",
        lr: float = 3e-3,
        weight_decay: float = 0.01,
        warmup: float = 0.1,
        encoder: EncoderSpec | None = None,
    ) -> None:
        super().__init__()
        if not 0 <= warmup < 1:
            raise ValueError(f"model.warmup={warmup} must be in [0, 1)")
        self.save_hyperparameters(logger=False)
        self.tokenizer, self.context, self.next_sentence = build_tokenizer(tokenizer), context, next_sentence
        if self.tokenizer.mask is None:
            raise ValueError(
                "this tokenizer has no token for what is hidden, such as [MASK]: set data.tokenizer to wordpiece, bpe, "
                "minilm or the folder of a BERT"
            )
        self.mask: int = self.tokenizer.mask
        self.lr, self.weight_decay, self.warmup = lr, weight_decay, warmup
        self.net = bert_of(weights, tokenizer, context, layers, heads, width, dropout, next_sentence, encoder)
        self.hparams["encoder"] = self.net.encoder.spec  # so that a checkpoint needs nothing but itself
        self.val_scores, self.test_scores = MaskedScores(), MaskedScores()
        self._nats: Tensor | None = None

    @property
    def encoder(self) -> Encoder:
        """What other techniques take of a record."""
        return self.net.encoder

    def forward(self, tokens: Tensor, real: Tensor | None = None) -> Tensor:
        """Tokens (B, T), T up to ``context``, and where they are no padding to logits (B, T, V) of each token."""
        return self.net.token_logits(self.net.encoder(tokens, real))

    def logits(self, batch: MaskedTokens) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (S, V) at the S places that are asked for, the tokens (S,) there, and the features (B, T, D)."""
        if self.next_sentence:
            features = self.net.encoder.pair(batch.tokens, batch.segments, batch.real)
        else:
            features = self.net.encoder(batch.tokens, batch.real)
        asked = batch.targets != IGNORED
        return self.net.token_logits(features[asked]), batch.targets[asked], features

    def training_step(self, batch: MaskedTokens, batch_idx: int) -> Tensor:
        """The mean cross-entropy of what is hidden, nats per token; exactly 0 where nothing is."""
        logits, targets, features = self.logits(batch)
        loss = masked_loss(logits, targets)
        if logs_now(self):
            self.log("train/loss", loss.detach(), prog_bar=True)
        if self.next_sentence:
            loss = loss + F.cross_entropy(self.net.pair_logits(features), batch.follows)
        return loss

    def validation_step(self, batch: MaskedTokens, batch_idx: int) -> None:
        """Averages over all tokens of the split that are asked for."""
        self._score(self.val_scores, batch)

    def test_step(self, batch: MaskedTokens, batch_idx: int) -> None:
        """Averages over all tokens of the split that are asked for."""
        self._score(self.test_scores, batch)

    def on_validation_epoch_end(self) -> None:
        """Logs the scores, and what is filled in by now."""
        scores = self.val_scores.take()
        self.log_dict({f"val/{name}": value for name, value in scores.items()}, prog_bar=True)
        self._show(scores)

    def on_test_epoch_end(self) -> None:
        """Logs the scores."""
        self.log_dict({f"test/{name}": value for name, value in self.test_scores.take().items()})

    def predict(self, inputs: Sequence[str], options: PredictOptions = NO_OPTIONS) -> Predictions:
        """Fills in each ``[MASK]`` of some texts; of a text without, every seventh token is hidden and guessed.

        Args:
            inputs: texts; of one that is longer than ``context`` what lies around its first mask.
            options: no threshold.

        Returns:
            A row for each: ``text`` with masks, ``filled``, ``guesses`` for each mask, and, where nothing was asked
            for, how many guesses are ``right``.

        Raises:
            ValueError: a threshold is given, or a text has no word that the tokenizer knows.
        """
        options.only(self)
        rows = []
        for found in self._fill(inputs):
            guesses = [[{"token": token, "probability": round(p, 4)} for token, p in each] for each in found.guesses]
            known = {"right": f"{found.right} of {len(found.hidden)}"} if found.hidden else {}
            rows.append({"text": found.text, "filled": found.filled, **known, "guesses": guesses})
        return Predictions(rows, [])

    def configure_optimizers(self) -> Any:
        """AdamW, a warm-up and a cosine."""
        groups = parameter_groups(self.parameters(), self.lr, self.weight_decay)
        optimizer = AdamW(groups, betas=(0.9, 0.98), fused=True)
        steps = self.trainer.estimated_stepping_batches
        schedule = scheduled(optimizer, lambda t: warmup_cosine(t, self.warmup), steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _fill(self, texts: Sequence[str], once: bool = False) -> list[Filled]:
        training = self.training
        self.eval()
        found = fill_texts(self.net, self.tokenizer, texts, self.context, once)
        self.train(training)
        return found

    def _score(self, scores: MaskedScores, batch: MaskedTokens) -> None:
        logits, targets, features = self.logits(batch)
        if self._nats is None and (data := attached_data(self.trainer, MaskedTexts)) is not None:
            self._nats = unigram_nats(data.token_counts(), data.ordinary)
        masked = batch.tokens[batch.targets != IGNORED] == self.mask
        scores.update(logits, targets, masked, self._nats)
        if self.next_sentence:
            scores.update_pairs(self.net.pair_logits(features), batch.follows)

    def _show(self, scores: dict[str, float]) -> None:
        """Logs guesses for the first texts of the validation split, as text and as an image."""
        data = attached_data(self.trainer, MaskedTexts)
        if (
            data is None
            or "loss_masked" not in scores
            or not self.trainer.is_global_zero
            or self.trainer.sanity_checking
        ):
            return
        from leyden.visualization.text.filled import Gap, draw_filled  # here: matplotlib takes half a second

        texts = data.examples("val").columns.texts
        shown = sorted(texts[:MOST], key=lambda text: len(text.split()) < FEW)[: self.shown]  # short ones say little
        found = self._fill(shown, once=True)
        log_text(self, "filled", as_table(found))
        floor = f"; by the frequency of tokens alone {scores['loss_unigram']:.2f}" if "loss_unigram" in scores else ""
        gaps = [Gap(each.text, each.guesses[0], each.hidden[0]) for each in found]
        log_image(self, "filled", draw_filled(gaps, f"Hidden tokens: loss {scores['loss_masked']:.2f}{floor}"))


def as_table(filled: Sequence[Filled]) -> str:
    """Guesses as a table in markdown: a row for each mask."""
    lines = ["| text | hidden | guesses |", "|---|---|---|"]
    for found in filled:
        for number, guesses in enumerate(found.guesses):
            told = ", ".join(f"{token} {p:.2f}" for token, p in guesses)
            hidden = found.hidden[number] if found.hidden else ""
            lines.append(f"| {found.text if not number else ''} | {hidden} | {told} |".replace("\n", " "))
    return "\n".join(lines)
