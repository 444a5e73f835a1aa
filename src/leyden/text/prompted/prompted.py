"""Classification by a prompt (Brown et al. 2020, "Language Models are Few-Shot Learners", section 2.1).

A language model that has only learnt to go on with texts is shown k examples of each class, and no weight changes.
``scoring=word`` asks for the word that names the class:

    fresh and moving. It was great.
    a mess from end to end. It was terrible.
    a film to be remembered. It was ____    p(great | prompt) against p(terrible | prompt)

Words differ in how likely they are whatever the text says; ``calibrate`` divides by what they have behind texts that
say nothing (Zhao et al. 2021, "Calibrate Before Use", section 5):

    q(class) ~ p(word | prompt of the text) / mean over content-free texts of p(word | prompt of it)

``scoring=text`` turns it round (Min et al. 2022, "Noisy Channel Language Model Prompting", section 3): the class is
that behind whose examples the text is likeliest, p(class | text) ~ p(text | examples of the class). It asks of the
model no more than to take up the words and the manner of what it has just read, which a small one can.

Departures: of words of several tokens the probabilities of these are multiplied; examples are drawn at random, as many
of each class, and stand in turn; with ``scoring=text`` the examples of a class alone stand before the text, not all.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from lightning import LightningDataModule
from torch import Tensor
from torchmetrics.classification import MulticlassAccuracy

from leyden.core.attached import attached_data
from leyden.core.estimator import EstimatorTask, register_estimates
from leyden.core.technique import NO_OPTIONS, Predictions, PredictOptions
from leyden.data.columns import LabelledTexts, LabelledTokens
from leyden.data.specs import TokenizerSpec
from leyden.data.text.sentences import Sentences, draw_labelled
from leyden.data.text.tokenizer import build_tokenizer
from leyden.text.classifier.floor import tfidf_accuracy
from leyden.text.nets.encoder import EncoderSpec
from leyden.text.prompted.causal import Recipe, build_causal_net, causal_net, pretrain
from leyden.text.prompted.prompts import (
    LABEL,
    TEXT,
    Scoring,
    calibrated,
    read_lead,
    read_template,
    text_log_probabilities,
    word_log_probabilities,
)
from leyden.visualization.charts import draw_bars
from leyden.visualization.confusion import draw_confusion
from leyden.visualization.logging import log_image

CONTENT_FREE = ("N/A", "[MASK]", "")
"""The paper's three."""
LM = "causal_lm"


class Prompted(EstimatorTask):
    """Names the class of a text by the word with which a language model goes on.

    Args:
        class_names: given by the data.
        tokenizer: given by the data.
        context: given by the data: tokens of a text, at most.
        weights: ``causal_lm`` trains a GPT first, in the same run, on all training texts of the data; a run of
            ``text/gpt``; a folder in the layout of the library transformers or a name on its hub, of any network that
            reads from left to right; "none": random weights (a control experiment).
        scoring: "word" or "text", see above.
        template: a sentence with the gaps {text} and {label}, the text's first; with ``scoring=text`` it ends with
            {text}, and {label} before it may be missing where there are examples.
        words: that name the classes, in their order; null: the classes' own names.
        shots_per_class: examples of each class before the text; 0: none.
        separator: behind each example; where the tokenizer does not know it, the token that ends a text.
        calibrate: whether probabilities of words are divided by those behind texts that say nothing.
        layers: blocks of ``causal_lm`` and ``none``.
        heads: of each block's attention; they divide ``width``.
        width: channels.
        prompt_context: tokens of a prompt, at most; others have their own.
        pretraining_steps: of ``causal_lm``.
        pretraining_lr: its greatest rate.
        pretraining_batch_size: its windows per step.
        cache: folder where it is kept for other runs; null keeps it nowhere.
        seed: of its weights and windows; the examples are drawn by the data's.
        encoder: what the network is, kept in checkpoints; not to be set.

    Raises:
        ValueError: fewer than two classes, a template without its gaps, words that are not one for each class or not
            all different, or weights that do not fit.
        FileNotFoundError, ImportError: there are no such weights.
    """

    monitor: str = "val/accuracy"
    mode: Literal["min", "max"] = "max"
    main_image = "accuracies"
    input_type: str = "text"
    content_free: Tensor
    """(C,) what the words have behind texts that say nothing, normalised over the classes."""
    examples: Tensor
    """(S,) int64 tokens of the examples, each with its separator."""
    owners: Tensor
    """(S,) int64, the class whose example each token is of."""

    def __init__(
        self,
        class_names: list[str],
        tokenizer: TokenizerSpec,
        context: int,
        weights: str = LM,
        scoring: Scoring = "word",
        template: str = "{text} It was {label}.",
        words: list[str] | None = None,
        shots_per_class: int = 0,
        separator: str = "\n",
        calibrate: bool = True,
        layers: int = 2,
        heads: int = 4,
        width: int = 128,
        prompt_context: int = 128,
        pretraining_steps: int = 2000,
        pretraining_lr: float = 4e-3,
        pretraining_batch_size: int = 32,
        cache: str | None = None,
        seed: int = 0,
        encoder: EncoderSpec | None = None,
    ) -> None:
        super().__init__()
        named = class_names if words is None else words
        if len(class_names) < 2 or len(named) != len(class_names) or len(set(named)) < len(named):
            raise ValueError(f"model.words={words}: give a word of its own to each of the classes {class_names}")
        if shots_per_class < 0:
            raise ValueError(f"model.shots_per_class={shots_per_class}: examples of each class, from 0")
        self.save_hyperparameters(logger=False)
        self.class_names, self.context, self.tokenizer = class_names, context, build_tokenizer(tokenizer)
        if scoring not in get_args(Scoring):
            raise ValueError(f"model.scoring={scoring}: one of {', '.join(get_args(Scoring))}")
        self.lead = read_lead(template, shots_per_class) if scoring == "text" else None
        self.template = read_template(template if self.lead is None else f"{TEXT} {LABEL}")
        self.names, self.separator, self.calibrate = named, separator, calibrate and self.lead is None
        word = "none" if weights == LM else weights
        sizes = (prompt_context, layers, heads, width)
        found = causal_net(word, tokenizer, sizes, "model.weights") if encoder is None else build_causal_net(encoder)
        self.net = found.requires_grad_(False)
        self.hparams["encoder"] = found.spec  # so that a checkpoint needs nothing but itself
        self.words = [self.tokenizer.encode(f"{self.template.space}{word}") for word in named]
        if len({tuple(word) for word in self.words}) < len(self.words) or not all(self.words):
            raise ValueError(f"model.words={named}: the tokenizer does not tell them apart; choose other words")
        register_estimates(self, "content_free", "examples", "owners")
        self.val_accuracy, self.test_accuracy, self.test_uncalibrated = (
            MulticlassAccuracy(len(class_names), average="micro") for _ in range(3)
        )
        self.confusion = torch.zeros(len(class_names), len(class_names), dtype=torch.long)

    def estimate(self, data: LightningDataModule) -> dict[str, float]:
        """Trains the language model where that is asked for, draws the examples, and sees what words have anyway.

        Raises:
            ValueError: data of another kind, or examples that leave no room for a text.
        """
        if not isinstance(data, Sentences):
            raise ValueError("text/prompted classifies the texts of data=text/sentences: choose it")
        h: Any = self.hparams
        if h.weights == LM:
            recipe = Recipe(h.pretraining_steps, h.pretraining_lr, h.pretraining_batch_size, h.seed)
            with torch.enable_grad():
                self.net.requires_grad_(True)
                pretrain(
                    self.net, self.tokenizer, data.unlabelled(), recipe, None if h.cache is None else Path(h.cache)
                )
        self.net.requires_grad_(False).eval()
        tokens, owners = self._examples(data.examples("train").columns, data.seed)
        self.examples, self.owners = torch.tensor(tokens).long(), torch.tensor(owners).long()
        read = self.owners.bincount().max() if self.lead is not None and owners else len(owners)
        room = self.net.context - int(read) - max(map(len, self.words))
        if room < self.context:
            raise ValueError(
                f"{int(read)} tokens of examples leave {room} of {self.net.context} for a text of up to "
                f"{self.context}: set model.shots_per_class below {h.shots_per_class}, or data.context={max(3, room)}"
            )
        if self.calibrate:
            self.content_free = self._log_probabilities(CONTENT_FREE).softmax(1).mean(0)
        return {"train/tokens_of_examples": float(len(self.examples))}

    def validation_step(self, batch: LabelledTokens, batch_idx: int) -> None:
        """Updates ``val/accuracy``."""
        self.val_accuracy.update(calibrated(self._of_batch(batch), self._prior()).to(self.device), batch.labels)
        self.log("val/accuracy", self.val_accuracy, on_epoch=True, batch_size=len(batch.labels), prog_bar=True)

    def on_test_epoch_start(self) -> None:
        """Starts with an empty confusion matrix."""
        self.confusion.zero_()

    def test_step(self, batch: LabelledTokens, batch_idx: int) -> None:
        """Updates the accuracy, without calibration as well where there is one, and the confusion matrix."""
        found, count = self._of_batch(batch), len(batch.labels)
        probabilities = calibrated(found, self._prior())
        self.test_accuracy.update(probabilities.to(self.device), batch.labels)
        self.log("test/accuracy", self.test_accuracy, on_epoch=True, batch_size=count)
        if self.calibrate:
            self.test_uncalibrated.update(found.to(self.device), batch.labels)
            self.log("test/accuracy_uncalibrated", self.test_uncalibrated, on_epoch=True, batch_size=count)
        labels = batch.labels.cpu()
        self.confusion.index_put_((labels, probabilities.argmax(1)), torch.ones_like(labels), accumulate=True)

    def on_test_epoch_end(self) -> None:
        """Draws how many classes are found, beside chance and counted words of all labelled training texts."""
        log_image(self, "confusion", draw_confusion(self.confusion, self.class_names))
        rows = {"prompted": float(self.test_accuracy.compute())}
        if self.calibrate:
            rows["not calibrated"] = float(self.test_uncalibrated.compute())
        data = attached_data(self.trainer, Sentences)
        if data is not None:
            train, test = (data.examples(stage).columns for stage in ("train", "test"))
            chance = float(test.labels.bincount().max() / len(test.labels))
            counted = tfidf_accuracy(*train, *test)
            self.log_dict({"test/accuracy_chance": chance, "test/accuracy_tfidf": counted}, rank_zero_only=True)
            rows = {"chance": chance, **rows, f"counted words, {len(train.labels)} labels": counted}
        log_image(self, self.main_image, draw_bars(rows, "accuracy", "A word for an answer"))

    @torch.no_grad()
    def predict(self, inputs: Sequence[str], options: PredictOptions = NO_OPTIONS) -> Predictions:
        """The class of each text, with the probabilities of all.

        Raises:
            ValueError: an option is given, or nothing was fitted.
        """
        options.only(self)
        self.check_fitted()
        self.eval()
        found = calibrated(self._log_probabilities(inputs), self._prior())
        rows = []
        for row in found:
            shares = {name: round(float(share), 4) for name, share in zip(self.class_names, row, strict=True)}
            label = self.class_names[int(row.argmax())]
            rows.append({"label": label, "probability": shares[label], "probabilities": shares})
        return Predictions(rows, [])

    def _of_batch(self, batch: LabelledTokens) -> Tensor:
        lengths = batch.lengths.tolist()
        rows = [row[:length] for row, length in zip(batch.tokens.tolist(), lengths, strict=True)]
        return self._log_probabilities([self.tokenizer.decode(row) for row in rows])

    def _log_probabilities(self, texts: Sequence[str]) -> Tensor:
        """(N, C) ln p of each class's word, or of each text, up to a constant of the text."""
        end, encode = self.tokenizer.end, self.tokenizer.encode
        if self.lead is not None:
            leads = [[end, *self._shown(label), *encode(self._led(label))] for label in range(len(self.names))]
            kept = [[*encode(text)[: self.context - 1], end] for text in texts]
            return text_log_probabilities(self.net, leads, kept, self.tokenizer.pad)
        room = self.context - 1 - len(encode(self.template.prompt("")))
        prompts = []
        for text in texts:  # a text that is too long loses its end
            kept_text = self.tokenizer.decode(encode(text)[:room])
            prompts.append([end, *self.examples.tolist(), *encode(self.template.prompt(kept_text.strip()))])
        return word_log_probabilities(self.net, prompts, self.words, self.tokenizer.pad)

    def _led(self, label: int) -> str:
        """What stands before a text of a class."""
        assert self.lead is not None
        return self.lead.replace(LABEL, self.names[label])

    def _shown(self, label: int) -> list[int]:
        """The tokens of a class's examples."""
        return self.examples[self.owners == label].tolist()

    def _examples(self, train: LabelledTexts, seed: int) -> tuple[list[int], list[int]]:
        """Tokens of the examples, the classes in turn, and the class of each token."""
        h: Any = self.hparams
        if not h.shots_per_class:
            return [], []
        chosen = draw_labelled(train.labels, None, h.shots_per_class, seed, self.class_names)
        by_class = [[i for i in chosen.tolist() if train.labels[i] == label] for label in range(len(self.names))]
        between = self.tokenizer.encode(self.separator)
        if not between or self.tokenizer.unknown in between:
            between = [self.tokenizer.end]
        tokens: list[int] = []
        owners: list[int] = []
        for turn in zip(*by_class, strict=True):
            for label, i in enumerate(turn):
                text = train.texts[i]
                line = self.template.example(text, self.names[label]) if self.lead is None else self._led(label) + text
                found = [*self.tokenizer.encode(line), *between]
                tokens += found
                owners += [label] * len(found)
        return tokens, owners

    def _prior(self) -> Tensor | None:
        return self.content_free.cpu() if self.calibrate and self.fitted else None
