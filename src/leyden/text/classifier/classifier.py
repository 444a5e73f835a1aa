"""Fine-tuning for language: an encoder that has learnt from much text becomes a classifier of few labelled texts.

The lecture's first approach: pre-training on text without labels, then training on the task (Devlin et al. 2019,
section 3.2; Howard and Ruder 2018, "Universal Language Model Fine-tuning for Text Classification"). The encoder comes
from masked words of the lab's own texts, in the same run; from an earlier run; from a package or a published
checkpoint. What of it learns is the strategy's business: all of it, its last blocks, all of it in steps, or nothing but
small new modules (adapters after Houlsby et al. 2019, LoRA after Hu et al. 2022).

    p(class | text) = softmax(W pool(h) + b),    h the encoder's output, pool the mean over tokens, or the first one

Departures: the mean over tokens is the default, as it is better with a frozen encoder (Reimers and Gurevych 2019,
"Sentence-BERT", table 6); BERT's pooler is left out; the rate falls along a cosine after the warm-up, not a line.

Frozen means frozen: no gradient, no weight decay, no dropout; where whole leading stages are, they are computed once.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from lightning import LightningModule
from torch import Tensor
from torch.nn import functional as F
from torchmetrics.classification import MulticlassAccuracy

from leyden.core.attached import attached_data
from leyden.core.optim import parameter_groups, scheduled, warmup_cosine
from leyden.core.technique import NO_OPTIONS, ExportableText, Predictions, PredictOptions
from leyden.data.columns import LabelledTokens
from leyden.data.specs import TokenizerSpec
from leyden.data.text.sentences import Sentences
from leyden.data.text.tokenizer import build_tokenizer
from leyden.nets.strategies.strategies import Options, new_strategy
from leyden.text.checkpoints import build_encoder, encoder_of
from leyden.text.classifier.computed import cache_frozen, some_features, spread
from leyden.text.classifier.evaluation import TextEvaluator
from leyden.text.classifier.floor import tfidf_accuracy
from leyden.text.classifier.network import Pooling, TextNet
from leyden.text.classifier.prediction import exportable, plain_encoder, predict_texts
from leyden.text.classifier.pretraining import Recipe, pretrain
from leyden.text.classifier.strategies import DEFAULTS, TEXT_STRATEGIES, StrategyName
from leyden.text.nets.encoder import Encoder, EncoderSpec
from leyden.visualization.logging import logs_now

log = logging.getLogger(__name__)


class TextClassifier(LightningModule):
    """An encoder that inherits weights and learns the classes of texts.

    Args:
        class_names: in the order of the labels; given by the data.
        tokenizer: which numbers stand for which text; given by the data.
        context: tokens of a text at most; given by the data.
        strategy: what of the encoder learns, see ``leyden.nets.strategies.strategies``; "lora" see ``strategies.Lora``.
        last_k: options of that strategy: k.
        gradual: options of that strategy: unfreeze_every.
        discriminative: options of that strategy: decay.
        adapter: options of that strategy: reduction.
        lora: options of that strategy: rank, alpha, layers.
        weights: where the encoder comes from: "masked_lm" trains it first, in the same run, on all training texts of
            the data; "minilm", a record's folder, a folder of the library transformers or a name of its hub, see
            ``leyden.text.checkpoints.encoder_of``; "none": random weights (a control experiment).
        layers: blocks of the encoder; those that are read from somewhere have their own sizes.
        heads: of each block's attention; they divide ``width``.
        width: channels.
        pooling: "mean" over a text's tokens, or "cls": the first token, of a causal network the last.
        dropout: of what learns, and before the head.
        lr: AdamW's greatest rate, of what is new: the head, adapters, LoRA.
        encoder_lr_factor: factor on ``lr`` for inherited stages that learn.
        weight_decay: AdamW's, of matrices.
        warmup: part of the steps in which the rate grows; then it falls to 0 along half a cosine.
        pretraining_steps: of the masked language model.
        pretraining_lr: its greatest rate.
        pretraining_batch_size: its texts per step.
        pretraining_seed: of its beginning, the order and what is hidden; the same for all runs, so that they share it.
        cache: what frozen stages make of the texts is computed once and kept in "memory", or in the folder that is
            named, where other runs find it, and the pre-trained encoder too; null computes it in every step.
        embedding: so many validation texts are drawn by their features before and after training; 0: none.
        encoder: what the encoder is, kept in checkpoints; not to be set.

    Raises:
        ValueError: fewer than two classes, an unknown strategy or option, or an encoder that does not fit.
    """

    monitor: str = "val/accuracy"
    mode: Literal["min", "max"] = "max"
    input_type: str = "text"

    def __init__(
        self,
        class_names: list[str],
        tokenizer: TokenizerSpec,
        context: int,
        strategy: StrategyName = "full",
        last_k: Options = DEFAULTS["last_k"],
        gradual: Options = DEFAULTS["gradual"],
        discriminative: Options = DEFAULTS["discriminative"],
        adapter: Options = DEFAULTS["adapter"],
        lora: Options = DEFAULTS["lora"],
        weights: str = "masked_lm",
        layers: int = 2,
        heads: int = 2,
        width: int = 64,
        pooling: Pooling = "mean",
        dropout: float = 0.1,
        lr: float = 1e-3,
        encoder_lr_factor: float = 1.0,
        weight_decay: float = 0.01,
        warmup: float = 0.1,
        pretraining_steps: int = 2000,
        pretraining_lr: float = 2e-3,
        pretraining_batch_size: int = 64,
        pretraining_seed: int = 0,
        cache: str | None = "memory",
        embedding: int = 200,
        encoder: EncoderSpec | None = None,
    ) -> None:
        super().__init__()
        if len(class_names) < 2:
            raise ValueError(f"a classifier needs two classes or more, got {class_names}")
        if not 0 <= warmup < 1 or pretraining_steps < 0:
            raise ValueError(
                f"model.warmup={warmup} must be in [0, 1), model.pretraining_steps={pretraining_steps} from 0"
            )
        self.class_names, self.context, self.tokenizer = class_names, context, build_tokenizer(tokenizer)
        options = {
            "last_k": last_k, "gradual": gradual, "discriminative": discriminative, "adapter": adapter, "lora": lora
        }  # fmt: skip
        chosen = new_strategy(strategy, options, TEXT_STRATEGIES)
        word = "none" if weights == "masked_lm" else weights
        found = encoder_of(word, tokenizer, context, layers, heads, width, dropout, encoder)
        plan = chosen.plan(found.stage_names, encoder_lr_factor)
        if encoder is None and not all(stage.inherited for stage in plan.values()):
            found = build_encoder(found.spec, context, dropout)  # nothing is inherited but the sizes
        self.net = TextNet(found, chosen, plan, len(class_names), pooling, dropout)
        self.save_hyperparameters(logger=False)
        self.hparams["encoder"] = found.spec  # so a checkpoint needs no other file
        self.val_accuracy = MulticlassAccuracy(len(class_names), average="micro")
        self.test_accuracy = MulticlassAccuracy(len(class_names), average="micro")
        self.evaluator = TextEvaluator(class_names)
        self.prepared: Tensor
        self.register_buffer("prepared", torch.zeros((), dtype=torch.uint8))
        self.before = torch.empty(0)
        """Features (embedding, D) of validation texts before training; travels in checkpoints."""

    @property
    def main_image(self) -> str:
        """What predictions rest on; of an encoder that cannot be looked into the confusion matrix."""
        return "saliency" if self.net.explains else "confusion"

    @property
    def _arguments(self) -> Any:
        """The constructor's arguments, by name."""
        return self.hparams

    @property
    def encoder(self) -> Encoder:
        """The encoder, for others that begin with it; LoRA's sums are merged into its matrices.

        Raises:
            ValueError: adapters stand between its layers.
        """
        return plain_encoder(self.net)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Tokens (B, T) int64 and lengths (B,) to logits (B, C)."""
        return self.net(tokens, lengths)

    def on_fit_start(self) -> None:
        """Pre-trains and computes what is frozen, before the first training; what is resumed has learnt already."""
        data, h = attached_data(self.trainer, Sentences), self._arguments
        inherits = any(stage.inherited for stage in self.net.plan.values())
        if not self.prepared and h.weights == "masked_lm" and inherits:
            if data is None:
                raise ValueError("model.weights=masked_lm learns from data=text/sentences; set another")
            if self.trainer.is_global_zero:
                self._pretrain(data)
        if not self.prepared:
            state = {key: value.cpu() for key, value in self.state_dict().items()}
            self.load_state_dict(self.trainer.strategy.broadcast(state))
        log.info("%s", self.net.drawing())
        if data is not None:
            cache_frozen(self.net, data, h.cache, self.trainer)
            if not self.prepared and h.embedding:
                self.before = some_features(self.net, data, h.embedding, self.device)
        self.prepared.fill_(1)

    def on_fit_end(self) -> None:
        """Whoever uses the data next, perhaps another network, sees texts."""
        if (data := attached_data(self.trainer, Sentences)) is not None:
            data.set_computed({})

    def on_train_start(self) -> None:
        """Stages are as the epoch wants them also where a run is resumed in the middle of it."""
        self.on_train_epoch_start()

    def on_train_epoch_start(self) -> None:
        """Stages whose epoch has come begin to learn."""
        self.net.epoch = self.current_epoch
        self.train()

    def training_step(self, batch: LabelledTokens, batch_index: int) -> Tensor:
        """One batch to its mean cross-entropy."""
        loss = F.cross_entropy(self(batch.tokens, batch.lengths), batch.labels)
        if logs_now(self):
            self.log("train/loss", loss.detach(), prog_bar=True)
        return loss

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Stages that have not joined yet stay as they are."""
        self.net.drop_frozen_gradients()

    def validation_step(self, batch: LabelledTokens, batch_index: int) -> None:
        """Updates ``val/accuracy``."""
        self.val_accuracy.update(self(batch.tokens, batch.lengths), batch.labels)
        self.log("val/accuracy", self.val_accuracy, on_epoch=True, batch_size=len(batch.labels), prog_bar=True)

    def on_test_epoch_start(self) -> None:
        """Starts with an empty confusion matrix."""
        self.evaluator = TextEvaluator(self.class_names)

    def test_step(self, batch: LabelledTokens, batch_index: int) -> None:
        """Updates ``test/accuracy`` and the confusion matrix."""
        probabilities = self(batch.tokens, batch.lengths).softmax(1)
        self.test_accuracy.update(probabilities, batch.labels)
        self.log("test/accuracy", self.test_accuracy, on_epoch=True, batch_size=len(batch.labels))
        self.evaluator.update(batch, probabilities)

    def on_test_epoch_end(self) -> None:
        """Scores counted words on the same texts, and draws predictions, what they rest on, and the features."""
        self.log("test/trainable_parameters", float(self.net.trainable), rank_zero_only=True)
        self.evaluator.log_images(self, self.net, self.tokenizer)
        data = attached_data(self.trainer, Sentences)
        if data is None:
            return
        train, test = (data.examples(stage).columns for stage in ("train", "test"))
        self.log("test/accuracy_tfidf", tfidf_accuracy(*train, *test), rank_zero_only=True)
        if len(self.before):
            all_labels = data.examples("val").columns.labels
            labels = all_labels[spread(len(all_labels), len(self.before))]
            after = some_features(self.net, data, len(self.before), self.device)
            self.evaluator.log_features(self, self.before, after, labels)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keeps the features before training."""
        checkpoint["before"] = self.before

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restores the features before training."""
        self.before = checkpoint["before"]

    def predict(self, inputs: Sequence[str], options: PredictOptions = NO_OPTIONS) -> Predictions:
        """The class of each text, and an image of what it rests on where the encoder can be looked into.

        Args:
            inputs: texts; what is longer than the context loses its end.
            options: none has a meaning for a classifier.

        Raises:
            ValueError: a threshold is given.
        """
        options.only(self)
        self.eval()
        return predict_texts(self.net, self.tokenizer, self.context, self.class_names, inputs)

    def export_network(self) -> ExportableText:
        """Logits (N, C) of tokens (N, T) and lengths (N,); LoRA's sums are merged into the matrices."""
        return exportable(self.net, self.tokenizer, self.context, self.class_names)

    def configure_optimizers(self) -> Any:
        """AdamW on what is trained, each inherited stage at its own rate, warm-up and a cosine."""
        h = self._arguments
        rates = self.net.rates().items()
        groups = [group for rate, p in rates for group in parameter_groups(p, h.lr * rate, h.weight_decay)]
        optimizer = torch.optim.AdamW(groups, fused=True)
        schedule = scheduled(optimizer, lambda t: warmup_cosine(t, h.warmup), self.trainer.estimated_stepping_batches)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _pretrain(self, data: Sentences) -> None:
        h = self._arguments
        recipe = Recipe(h.pretraining_steps, h.pretraining_lr, h.pretraining_batch_size, h.pretraining_seed)
        folder = None if h.cache in (None, "memory") else Path(h.cache)
        pretrain(self.net.encoder, self.tokenizer, data.unlabelled(), recipe, folder)
