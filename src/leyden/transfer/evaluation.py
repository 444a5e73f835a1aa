"""Evaluates a classifier's predictions on a split: confusion, worst mistakes, saliency, features before and after."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from lightning import LightningModule
from torch import Tensor, nn
from torchmetrics.functional.classification import multiclass_confusion_matrix

from leyden.nets.backbone import Backbone
from leyden.visualization.charts import draw_bars
from leyden.visualization.confusion import draw_confusion
from leyden.visualization.embedding import embed
from leyden.visualization.labelled import draw_sheet
from leyden.visualization.logging import log_embedding, log_image
from leyden.visualization.saliency import grad_cam, overlay
from leyden.visualization.scatter import draw_points

SHOWN = 24
"""Images on a sheet."""
LEAST_SIDE = 32
"""Pixels: on smaller images heat covers all that is to be seen."""
EMBEDDING = "Features by t-SNE: only neighbourhoods mean something"


class Saliency(Protocol):
    """A network whose saliency can be drawn."""

    @property
    def backbone(self) -> Backbone:
        """Normalises images and has the stages."""
        ...

    @property
    def head(self) -> nn.Module:
        """Features (B, F) to logits (B, classes)."""
        ...

    def run(self, x: Tensor) -> Tensor:
        """Normalised images (B, C, S, S) to features (B, F)."""
        ...


class Prediction(NamedTuple):
    """One prediction that is worth showing."""

    confidence: float
    image: Tensor
    target: int
    predicted: int


class ClassifierEvaluator:
    """Collects the predictions of a test, batch by batch, and draws them.

    Args:
        class_names: in the order of the labels.
    """

    def __init__(self, class_names: Sequence[str]) -> None:
        self.class_names = list(class_names)
        self.confusion = torch.zeros(len(class_names), len(class_names), dtype=torch.long)
        """Counts (classes, classes), targets in rows."""
        self.wrong: list[Prediction] = []
        self.right: list[Prediction] = []

    def update(self, images: Tensor, probabilities: Tensor, labels: Tensor) -> None:
        """Adds a batch: uint8 images (B, C, S, S), probabilities (B, classes) and true classes (B,)."""
        confidence, predicted = probabilities.max(1)
        self.confusion += multiclass_confusion_matrix(predicted, labels, len(self.class_names)).cpu()
        for i in range(len(labels)):
            one = Prediction(float(confidence[i]), images[i].cpu(), int(labels[i]), int(predicted[i]))
            if one.target != one.predicted:
                self.wrong.append(one)
            elif sum(other.target == one.target for other in self.right) < -(-SHOWN // len(self.class_names)):
                self.right.append(one)  # of each class a few, whatever the order of the data
        self.wrong = sorted(self.wrong, key=lambda one: -one.confidence)[:SHOWN]

    def class_accuracies(self) -> dict[str, float]:
        """The fraction of correct predictions of each class that occurs."""
        totals = self.confusion.sum(1)
        found = [i for i in range(len(self.class_names)) if totals[i] > 0]
        return {self.class_names[i]: float(self.confusion[i, i] / totals[i]) for i in found}

    def log_images(self, module: LightningModule, net: Saliency | None = None) -> None:
        """Logs the confusion matrix, accuracies by class, the most confident mistakes, and saliency maps.

        Args:
            module: its loggers get the images.
            net: what predicted, in evaluation mode; None draws no saliency, nor do images below 32 pixels.
        """
        log_image(module, "confusion", draw_confusion(self.confusion, self.class_names))
        by_class = self.class_accuracies()
        log_image(module, "class_accuracy", draw_bars(by_class, "accuracy", "Accuracy by class", mean=True))
        captions = [self._caption(one) for one in self.wrong]
        log_image(module, "wrong", draw_sheet([one.image for one in self.wrong], captions, "No wrong predictions."))
        right = self.right[:: max(1, 2 * len(self.right) // SHOWN)]
        chosen = [*self.wrong[: SHOWN // 2], *right][:SHOWN]
        if net is None or not chosen or min(chosen[0].image.shape[1:]) < LEAST_SIDE:
            return
        heats = saliency(net, torch.stack([one.image for one in chosen]).to(module.device))
        if heats is not None:
            overlaid = [overlay(one.image, heat) for one, heat in zip(chosen, heats, strict=True)]
            captions = [self._caption(one) for one in chosen]
            title = "Grad-CAM: what speaks for the predicted class, from blue (little) to red (most)"
            log_image(module, "saliency", draw_sheet(overlaid, captions, "", title=title))

    def log_features(self, module: LightningModule, before: Tensor, after: Tensor, labels: Tensor) -> None:
        """Logs features before and after training: as an image, and to TensorBoard's projector.

        Args:
            module: its loggers get them.
            before: (N, F) features; nothing is logged for N < 5.
            after: (N, F') features of the same images.
            labels: (N,) classes.
        """
        if len(labels) < 5:
            return
        panels = {"before": embed(before)}
        if before.shape != after.shape or not torch.allclose(before, after, atol=1e-4):
            panels["after"] = embed(after)
        log_image(module, "embedding", draw_points(panels, labels, self.class_names, EMBEDDING))
        log_embedding(module, "features", after, [self.class_names[label] for label in labels.tolist()])

    def _caption(self, one: Prediction) -> str:
        target, predicted = self.class_names[one.target], self.class_names[one.predicted]
        verdict = f"{target} taken for\n{predicted}" if one.target != one.predicted else f"{target},\nright"
        return f"{verdict}, {one.confidence:.0%}"


def saliency(net: Saliency, images: Tensor) -> Tensor | None:
    """Grad-CAM of a network's predictions on its last feature map.

    Args:
        net: in evaluation mode.
        images: uint8 (B, C, S, S).

    Returns:
        (B, h, w) in [0, 1]; None where no stage gives a map of more than one pixel.
    """
    maps = [shape for shape in net.backbone.shapes if shape.size is not None and max(shape.size) > 1]
    if not maps:
        return None
    given: list[Tensor] = []
    hook = net.backbone.stages[maps[-1].name].register_forward_hook(lambda _, __, out: given.append(out))
    try:
        with torch.inference_mode(False), torch.enable_grad():
            # Frozen weights give a map without history: the images themselves must ask for one.
            images = net.backbone.normalise(images.clone()).requires_grad_()
            logits = net.head(net.run(images))
            return grad_cam(given[0], logits, logits.argmax(1)).cpu()
    finally:
        hook.remove()
