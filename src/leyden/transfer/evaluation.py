"""What a classifier answered on a split, as pictures: who is taken for whom, the worst mistakes, what it looked at."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from lightning import LightningModule
from torch import Tensor
from torchmetrics.functional.classification import multiclass_confusion_matrix

from leyden.visualization.charts import draw_bars, draw_points
from leyden.visualization.confusion import draw_confusion
from leyden.visualization.embedding import embed
from leyden.visualization.labelled import draw_sheet
from leyden.visualization.logging import log_embedding, log_image
from leyden.visualization.saliency import grad_cam, overlay

SHOWN = 24
"""Pictures on a sheet."""


class Answer(NamedTuple):
    """One answer that is worth showing."""

    confidence: float
    image: Tensor
    truth: int
    answer: int


class Answers:
    """Collects the answers of a test, batch by batch.

    Args:
        class_names: in the order of the labels.
    """

    def __init__(self, class_names: Sequence[str]) -> None:
        self.class_names = list(class_names)
        self.counts = torch.zeros(len(class_names), len(class_names), dtype=torch.long)
        self.wrong: list[Answer] = []
        self.right: list[Answer] = []

    def add(self, images: Tensor, probabilities: Tensor, labels: Tensor) -> None:
        """uint8 images (B, C, S, S), probabilities (B, classes) and true classes (B,)."""
        confidence, answers = probabilities.max(1)
        self.counts += multiclass_confusion_matrix(answers, labels, len(self.class_names)).cpu()
        for i in range(len(labels)):
            answer = Answer(float(confidence[i]), images[i].cpu(), int(labels[i]), int(answers[i]))
            if answer.truth != answer.answer:
                self.wrong.append(answer)
            elif sum(other.truth == answer.truth for other in self.right) < -(-SHOWN // len(self.class_names)):
                self.right.append(answer)  # of each class a few, whatever the order of the data
        self.wrong = sorted(self.wrong, key=lambda answer: -answer.confidence)[:SHOWN]

    def accuracies(self) -> dict[str, float]:
        """The share of right answers of each class that occurs."""
        totals = self.counts.sum(1)
        return {name: float(self.counts[i, i] / totals[i]) for i, name in enumerate(self.class_names) if totals[i] > 0}

    def show(self, module: LightningModule) -> None:
        """Logs the confusion matrix, accuracies, the most confident mistakes, and what answers rest on."""
        log_image(module, "confusion", draw_confusion(self.counts, self.class_names))
        log_image(module, "class_accuracy", draw_bars(self.accuracies(), "accuracy", "Accuracy by class"))
        captions = [self._caption(answer) for answer in self.wrong]
        log_image(module, "wrong", draw_sheet([a.image for a in self.wrong], captions, "No wrong answers."))
        right = self.right[:: max(1, 2 * len(self.right) // SHOWN)]
        chosen = [*self.wrong[: SHOWN // 2], *right][:SHOWN]
        heats = saliency(module.net, torch.stack([a.image for a in chosen]).to(module.device))
        if heats is not None:
            overlaid = [overlay(a.image, heat) for a, heat in zip(chosen, heats, strict=True)]
            log_image(module, "saliency", draw_sheet(overlaid, [self._caption(answer) for answer in chosen], ""))

    def show_embedding(self, module: LightningModule, before: Tensor, after: Tensor, labels: Tensor) -> None:
        """Logs features (N, F) of images of classes ``labels`` (N,) before and after: a picture, and a projector."""
        if len(labels) < 5:
            return
        panels = {"before": embed(before)}
        if before.shape != after.shape or not torch.allclose(before, after, atol=1e-4):
            panels["after"] = embed(after)
        log_image(module, "embedding", draw_points(panels, labels, self.class_names))
        log_embedding(module, "features", after, [self.class_names[label] for label in labels.tolist()])

    def _caption(self, answer: Answer) -> str:
        truth, said = self.class_names[answer.truth], self.class_names[answer.answer]
        verdict = f"{truth} taken for\n{said}" if answer.truth != answer.answer else f"{truth},\nright"
        return f"{verdict}, {answer.confidence:.0%}"


def saliency(net: Any, images: Tensor) -> Tensor | None:
    """Grad-CAM of a ``TransferNet``'s answers on its last feature map.

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
