"""Evaluates a text classifier on a split: confusion, what predictions rest on, features before and after."""

from collections.abc import Sequence
from itertools import zip_longest
from typing import NamedTuple

import torch
from lightning import LightningModule
from torch import Tensor
from torchmetrics.functional.classification import multiclass_confusion_matrix

from leyden.data.columns import LabelledTokens
from leyden.data.ragged import padded
from leyden.data.text.tokenizer import Tokenizer
from leyden.text.classifier.attribution import attention_maps, integrated_gradients
from leyden.text.classifier.drawing import ColouredText, draw_attention, draw_tokens
from leyden.text.classifier.network import TextNet
from leyden.visualization.charts import draw_bars
from leyden.visualization.confusion import draw_confusion
from leyden.visualization.embedding import embed
from leyden.visualization.logging import log_embedding, log_image, log_text
from leyden.visualization.scatter import draw_points

SHOWN = 6
"""Right texts, and as many wrong ones."""
STEPS = 16
"""Of integrated gradients, in the images of a test."""
LEGIBLE = 20
"""Tokens of a text whose attention is drawn, at most."""
EMBEDDING = "Features by t-SNE: only neighbourhoods mean something"


class Seen(NamedTuple):
    """One prediction that is worth showing."""

    confidence: float
    tokens: list[int]
    target: int
    predicted: int


class TextEvaluator:
    """Collects the predictions of a test, batch by batch, and draws them.

    Args:
        class_names: in the order of the labels.
    """

    def __init__(self, class_names: Sequence[str]) -> None:
        self.class_names = class_names
        self.confusion = torch.zeros(len(class_names), len(class_names), dtype=torch.long)
        self.wrong: list[Seen] = []
        """The most confident ones."""
        self.right: list[Seen] = []

    def update(self, batch: LabelledTokens, probabilities: Tensor) -> None:
        """Adds a batch with its predicted probabilities (B, C)."""
        confidence, predicted = probabilities.detach().max(1)
        count = len(self.class_names)
        self.confusion += multiclass_confusion_matrix(predicted, batch.labels, count).cpu()
        for place in range(len(predicted)):
            one = Seen(float(confidence[place]), [], int(batch.labels[place]), int(predicted[place]))
            kept = self.right if one.target == one.predicted else self.wrong
            kept.append(one._replace(tokens=batch.tokens[place, : int(batch.lengths[place])].tolist()))
        self.right, self.wrong = self._surest(self.right), self._surest(self.wrong)

    def log_images(self, module: LightningModule, net: TextNet, tokenizer: Tokenizer) -> None:
        """Logs the confusion matrix, accuracy by class, the most confident mistakes, saliency, and attention."""
        log_image(module, "confusion", draw_confusion(self.confusion, self.class_names))
        totals = self.confusion.sum(1)
        by_class = {n: float(self.confusion[i, i] / totals[i]) for i, n in enumerate(self.class_names) if totals[i]}
        log_image(module, "class_accuracy", draw_bars(by_class, "accuracy", "Accuracy by class", mean=True))
        log_text(module, "wrong", "\n".join(f"- {self._caption(o)}: {tokenizer.decode(o.tokens)}" for o in self.wrong))
        chosen = [*self.right[:SHOWN], *self.wrong[:SHOWN]]
        if not chosen or not net.explains:
            return
        values = attributions(net, tokenizer, [one.tokens for one in chosen], [one.predicted for one in chosen], STEPS)
        lines = [
            ColouredText(self._caption(one), pieces(tokenizer, one.tokens), own)
            for one, own in zip(chosen, values, strict=True)
        ]
        log_image(
            module, "saliency", draw_tokens(lines, "What speaks for the predicted class (blue), and against it (red)")
        )
        short = sorted(self.right or self.wrong, key=lambda one: abs(len(one.tokens) - LEGIBLE * 3 // 4))[0]
        if len(short.tokens) <= LEGIBLE:
            tokens, lengths = padded([short.tokens], tokenizer.pad, module.device)
            maps = [own[0] for own in attention_maps(net, tokens, lengths)]
            names = [tokenizer.vocabulary[number] for number in short.tokens]
            log_image(module, "attention", draw_attention(maps, names, f"Attention: {self._caption(short)}"))

    def log_features(self, module: LightningModule, before: Tensor, after: Tensor, labels: Tensor) -> None:
        """Logs features (N, D) before and after training, of texts of the classes ``labels`` (N,); none for N < 5."""
        if len(labels) < 5:
            return
        panels = {"before": embed(before)}
        if not torch.allclose(before, after, atol=1e-4):
            panels["after"] = embed(after)
        log_image(module, "embedding", draw_points(panels, labels, self.class_names, EMBEDDING))
        log_embedding(module, "features", after, [self.class_names[label] for label in labels.tolist()])

    def _surest(self, kept: list[Seen]) -> list[Seen]:
        """The most confident ones, the classes in turn."""
        by_class = [[one for one in kept if one.target == label] for label in range(len(self.class_names))]
        turns = zip_longest(*(sorted(own, key=lambda one: -one.confidence) for own in by_class))
        return [one for turn in turns for one in turn if one is not None][: 4 * SHOWN]

    def _caption(self, one: Seen) -> str:
        target, predicted = self.class_names[one.target], self.class_names[one.predicted]
        verdict = f"{target}, right" if one.target == one.predicted else f"{target}, taken for {predicted}"
        return f"{verdict}, {one.confidence:.0%}"


def attributions(
    net: TextNet, tokenizer: Tokenizer, texts: Sequence[list[int]], classes: Sequence[int], steps: int
) -> list[list[float]]:
    """What each token of some texts adds to a class's logit, see ``integrated_gradients``; special tokens 0."""
    device = next(net.parameters()).device
    tokens, lengths = padded(texts, tokenizer.pad, device)
    hidden = tokenizer.unknown if tokenizer.mask is None else tokenizer.mask
    values = integrated_gradients(net, tokens, lengths, torch.tensor(classes, device=device), hidden, steps)
    return [own[: len(text)].tolist() for own, text in zip(values.cpu(), texts, strict=True)]


def pieces(tokenizer: Tokenizer, numbers: Sequence[int]) -> list[str]:
    """Tokens as they are written, each with the space that stands before it; special ones are left empty."""
    subwords, marked = tokenizer.spec["kind"] == "subwords", any(t.startswith("##") for t in tokenizer.vocabulary)
    shown = []
    for number in numbers:
        token = tokenizer.vocabulary[number]
        if number in tokenizer.special and number != tokenizer.unknown:
            shown.append("")
        elif token.startswith("##"):
            shown.append(token[2:])
        elif subwords and marked:
            shown.append(f" {token}")
        else:
            shown.append(tokenizer.decode([number]))
    return shown
