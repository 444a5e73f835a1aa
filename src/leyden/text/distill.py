"""Distillation of language models: a small GPT learns what a large one predicts, not only what the text says.

Hinton, Vinyals and Dean 2015, "Distilling the Knowledge in a Neural Network", section 2; for language models Sanh et
al. 2019, "DistilBERT". At each place of a text the teacher says how likely each token is, the text only which one came:

    loss = hard_weight CE(text, student) + soft_weight T^2 KL(softmax(t / T) || softmax(s / T)),      a mean over tokens

The control is a second student of the same initial weights that learns, in the same steps, from the same text alone:
``test/bits_per_char_alone`` beside ``test/bits_per_char_teacher``.

Departures: one run, in which the teacher may be trained first; no loss on hidden states, so widths are free.
"""

import copy
import logging
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from leyden.core.attached import attached_data
from leyden.data.batches.tokens import TokenWindows
from leyden.data.columns import Tokens
from leyden.data.specs import TokenizerSpec
from leyden.data.splits import Stage
from leyden.metrics.soft_labels import soft_label_loss
from leyden.text.checkpoints import gpt_of
from leyden.text.figures import draw_learning
from leyden.text.gpt import GPT, GPTNet
from leyden.text.language_model import token_nats
from leyden.text.teacher import train_teacher
from leyden.visualization.logging import logs_now

log = logging.getLogger(__name__)

TRAIN = "train"


class DistilledGPT(GPT):
    """A small GPT, the student, that learns from a larger one and from the text.

    Args:
        tokenizer: which numbers stand for which text; given by the data; a record's teacher must have the same.
        context: tokens that a prediction may look back on; given by the data.
        teacher: "train" trains it first, in the same run; or a GPT whose tokenizer the data have
            (``data.tokenizer``) and whose context is no shorter: the folder of a run (of several: the newest), a folder
            in the layout of the library transformers, or a name on the hub, such as distilgpt2.
        teacher_layers: blocks of a teacher that is trained here; a record says itself what it is.
        teacher_heads: of each of its blocks.
        teacher_width: its channels.
        teacher_dropout: its dropout.
        teacher_steps: optimizer steps, where it is trained here.
        teacher_lr: AdamW's greatest rate, with the student's warm-up and cosine.
        hard_weight: of the text's cross-entropy.
        soft_weight: of the teacher's probabilities.
        distill_temperature: T, at which they are compared.
        control: a second student learns from the text alone.
        layers: blocks of the student.
        heads: of each block; they divide ``width``.
        width: channels.
        dropout: of embeddings, attention weights and branches.
        lr: AdamW's greatest rate.
        weight_decay: AdamW's, of weights and embeddings.
        warmup: part of the steps in which the rate grows; then it falls to 0 along half a cosine.
        sample_length: tokens of a sample, at most.
        temperature: what logits are divided by before a token is drawn.
        top_k: only so many of the likeliest tokens can be drawn; null: all.
        top_p: only the fewest likeliest tokens can be drawn that have this probability together; null: all.

    Raises:
        ValueError: a weight below 0, a temperature of 0, or nothing or no one to learn from.
    """

    def __init__(
        self,
        tokenizer: TokenizerSpec,
        context: int,
        teacher: str = TRAIN,
        teacher_layers: int = 2,
        teacher_heads: int = 4,
        teacher_width: int = 64,
        teacher_dropout: float = 0.0,
        teacher_steps: int = 1000,
        teacher_lr: float = 1e-2,
        hard_weight: float = 0.0,
        soft_weight: float = 1.0,
        distill_temperature: float = 1.0,
        control: bool = True,
        layers: int = 2,
        heads: int = 4,
        width: int = 32,
        dropout: float = 0.0,
        lr: float = 1e-2,
        weight_decay: float = 0.1,
        warmup: float = 0.05,
        sample_length: int = 300,
        temperature: float = 0.8,
        top_k: int | None = None,
        top_p: float | None = None,
    ) -> None:
        if distill_temperature <= 0 or min(hard_weight, soft_weight) < 0:
            raise ValueError(
                f"model.distill_temperature={distill_temperature} must be above 0, model.hard_weight={hard_weight} and "
                f"model.soft_weight={soft_weight} 0 or more"
            )
        if not hard_weight + soft_weight:
            raise ValueError("neither text nor teacher: set model.hard_weight or model.soft_weight above 0")
        if teacher == "none":
            raise ValueError("model.teacher=none knows nothing: set it to train, or to the folder of a run of text/gpt")
        drawn = (sample_length, temperature, top_k, top_p)
        super().__init__(tokenizer, context, layers, heads, width, dropout, "none", lr, weight_decay, warmup, *drawn)
        self.save_hyperparameters(logger=False)
        self.control = copy.deepcopy(self.net) if control else None
        self.controls: list[tuple[int, float]] = []
        """Steps and bits per character of the control's validations."""
        self._teacher: list[GPTNet] = []  # in a list, so that neither optimizer nor checkpoint knows it as a part

    @property
    def teacher(self) -> GPTNet | None:
        """The teacher's network, frozen; None before training."""
        return self._teacher[0] if self._teacher else None

    def on_fit_start(self) -> None:
        """Finds the teacher, or trains it, unless a checkpoint has brought it."""
        h: Any = self.hparams
        if not self._teacher and h.teacher == TRAIN:
            if (data := attached_data(self.trainer, TokenWindows)) is None:
                raise ValueError("text/distill trains its teacher on data=text/tokens")
            net = self._new_teacher().to(self.device)
            rates = (h.teacher_lr, h.weight_decay, h.warmup)
            train_teacher(net, data.training_windows(whole=True), h.teacher_steps, *rates)
            self._teacher = [net]
        self._find_teacher()
        own, theirs = (sum(p.numel() for p in net.parameters()) for net in (self.net, self._teacher[0]))
        log.info("student: %d parameters, teacher: %d, %.1f times as many", own, theirs, theirs / own)

    def training_step(self, batch: Tokens, batch_idx: int) -> Tensor:
        """The student's loss; the control's is added, which gives each network its own gradient."""
        h: Any = self.hparams
        before, after = batch.tokens[:, :-1], batch.tokens[:, 1:].flatten()
        logits = self(before).flatten(0, 1)  # (B T, V)
        with torch.no_grad():
            taught = self._teacher[0](before)[0].flatten(0, 1)
        loss = h.soft_weight * soft_label_loss(logits, taught, h.distill_temperature)
        if h.hard_weight:
            loss = loss + h.hard_weight * F.cross_entropy(logits, after)
        if logs_now(self):
            self.log("train/loss", loss.detach(), prog_bar=True)
        if self.control is not None:
            loss = loss + F.cross_entropy(self.control(before)[0].flatten(0, 1), after)
        return loss

    def validation_step(self, batch: Tokens, batch_idx: int) -> None:
        """Averages bits per character of student, control and teacher over the split."""
        super().validation_step(batch, batch_idx)
        self._score_others("val", batch)

    def on_validation_epoch_end(self) -> None:
        """Keeps the control's bits beside the student's."""
        super().on_validation_epoch_end()
        if self.control is not None and self.learns:
            bits = float(self.trainer.callback_metrics["val/bits_per_char_alone"])
            self.controls.append((self.global_step, bits))

    def draw_chart(self, floors: dict[str, float]) -> Tensor:
        """How both students learnt, and the teacher's bits, which neither knows how to reach."""
        teacher = self.trainer.callback_metrics.get("val/bits_per_char_teacher")
        lines = floors if teacher is None else {**floors, "the teacher": float(teacher)}
        title = "A student with its teacher and one without"
        return draw_learning(self.moments, lines, title, {"student, the text alone": self.controls})

    def on_test_epoch_start(self) -> None:
        """Looks a record's teacher up again; one that was trained in the run came with the checkpoint."""
        self._find_teacher()

    def test_step(self, batch: Tokens, batch_idx: int) -> None:
        """Averages bits per character of student, control and teacher over the split."""
        super().test_step(batch, batch_idx)
        self._score_others("test", batch)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keeps a teacher that was trained in this run, apart from the student's weights."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["controls"] = self.controls
        if self.teacher is not None and self.hparams["teacher"] == TRAIN:
            checkpoint["teacher"] = self.teacher.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes both back."""
        super().on_load_checkpoint(checkpoint)
        self.controls = max(self.controls, checkpoint["controls"], key=len)
        if (state := checkpoint.get("teacher")) is not None:
            self._teacher = [self._new_teacher()]
            self._teacher[0].load_state_dict(state)

    def _new_teacher(self) -> GPTNet:
        h: Any = self.hparams
        size = (h.teacher_layers, h.teacher_heads, h.teacher_width, h.teacher_dropout)
        return GPTNet(self.tokenizer.size, self.context, *size, gelu="none")

    def _find_teacher(self) -> None:
        """The record's teacher, unless there is one, frozen and on the student's device."""
        h: Any = self.hparams
        if not self._teacher:
            self._teacher = [gpt_of(h.teacher, h.tokenizer, self.context, key="model.teacher")]
        self._teacher[0].to(self.device).requires_grad_(False).eval()

    def _score_others(self, stage: Stage, batch: Tokens) -> None:
        before, after = batch.tokens[:, :-1], batch.tokens[:, 1:]
        for name, net in {"alone": self.control, "teacher": self.teacher}.items():
            if net is not None:
                self.log_bits(f"{stage}/bits_per_char_{name}", stage, token_nats(net(before)[0], after), after)
