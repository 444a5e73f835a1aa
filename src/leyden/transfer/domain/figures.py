"""What is drawn of a test of one task: confusion in each domain, mistakes, both domains before and after, weights."""

from collections.abc import Sequence

import torch
from lightning import LightningModule
from torch import Tensor
from torchmetrics.functional.classification import multiclass_confusion_matrix

from leyden.transfer.domain.adaptation import effective_count, moments
from leyden.transfer.evaluation import ClassifierEvaluator
from leyden.visualization.charts import draw_bars, draw_histogram
from leyden.visualization.confusion import draw_confusion
from leyden.visualization.embedding import embed
from leyden.visualization.labelled import draw_sheet
from leyden.visualization.logging import log_image
from leyden.visualization.scatter import draw_domains, draw_weighted

SHOWN = 12
"""Components, or examples of the greatest and of the least weight, on a sheet."""
LEAST = 5
"""Points of a domain from which t-SNE can be drawn."""


class TaskFigures:
    """Collects a test's predictions, batch by batch, and draws them.

    Args:
        class_names: in the order of the labels.
    """

    def __init__(self, class_names: Sequence[str]) -> None:
        self.evaluator = ClassifierEvaluator(class_names)
        self.images = False

    def update(self, inputs: Tensor, probabilities: Tensor, labels: Tensor) -> None:
        """Adds a batch: images (B, C, S, S) or rows (B, D), probabilities (B, classes) and labels (B,)."""
        self.images = inputs.ndim == 4
        if self.images:
            self.evaluator.update(inputs, probabilities, labels)
        else:
            predicted, classes = probabilities.argmax(1), len(self.evaluator.class_names)
            self.evaluator.confusion += multiclass_confusion_matrix(predicted, labels, classes).cpu()

    def log(self, task: LightningModule) -> None:
        """Hands the drawings to the task's loggers."""
        if self.images:
            self.evaluator.log_images(task)
            return
        log_image(task, "confusion", draw_confusion(self.evaluator.confusion, self.evaluator.class_names))
        by_class = self.evaluator.class_accuracies()
        log_image(task, "class_accuracy", draw_bars(by_class, "accuracy", "Accuracy by class", mean=True))


def log_source_confusion(task: LightningModule, logits: Tensor, labels: Tensor, class_names: Sequence[str]) -> None:
    """Draws what the source's validation examples (N,) are taken for, beside the target's confusion matrix."""
    matrix = multiclass_confusion_matrix(logits, labels, len(class_names)).cpu()
    log_image(task, "confusion_source", draw_confusion(matrix, class_names, title="Confusion matrix of the source"))


def log_clouds(
    task: LightningModule,
    before: Sequence[Tensor],
    after: Sequence[Tensor],
    labels: Sequence[Tensor],
    names: list[str],
    known: bool = True,
) -> None:
    """Draws both domains by t-SNE, features before and codes after, by class and by domain.

    Args:
        task: its loggers get the image.
        before: (Ns, D) of the source and (Nt, D) of the target.
        after: (Ns, D') and (Nt, D').
        labels: (Ns,) and (Nt,).
        names: of the classes.
        known: False: the target's labels are predicted ones.
    """
    if min(len(part) for part in labels) < LEAST or min(before[0].shape[1], after[0].shape[1]) < 2:
        return
    note = "" if known else " (x predicted)"
    panels = {f"before{note}": embed(torch.cat(list(before)))}
    if before[0].shape != after[0].shape or not torch.allclose(before[0], after[0]):
        panels[f"after{note}"] = embed(torch.cat(list(after)))
    domains = torch.arange(2).repeat_interleave(torch.tensor([len(part) for part in labels]))
    log_image(task, "embedding", draw_domains(panels, torch.cat(list(labels)).cpu(), names, domains))


def log_components(task: LightningModule, directions: Tensor, channels: int, side: int) -> None:
    """Draws the first components (D, k) of pixels as images, each from its least (black) to its greatest value."""
    images = directions.T[:SHOWN].reshape(-1, channels, side, side).cpu()
    low, high = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
    shown = ((images - low) / (high - low).clamp(min=1e-12) * 255).byte()
    captions = [f"component {i + 1}" for i in range(len(shown))]
    title = "Weights of the pixels, black the least, white the greatest"
    log_image(task, "components", draw_sheet([*shown], captions, "There is no component.", title=title))


def log_weights(
    task: LightningModule, weights: Tensor, inputs: Tensor, labels: Tensor, names: Sequence[str], target: Tensor
) -> None:
    """Draws how the weights of the source are distributed, and which examples have them.

    Of images a sheet of the greatest and the least; of rows all, on the plane of the principal components.

    Args:
        task: its loggers get the images.
        weights: (N,) of the source.
        inputs: its images (N, C, S, S) or rows (N, D).
        labels: (N,) of its classes.
        names: of the classes.
        target: (M, D) rows of the target; of images not used.
    """
    count = effective_count(weights)
    title = f"Weights of {len(weights)} source examples; they vary like {count:.0f} of equal weight"
    log_image(task, "weights", draw_histogram(weights, "weight", title, 1.0, "1: without weights"))
    if inputs.ndim != 4:
        if inputs.shape[1] < 2:
            return
        both = torch.cat([inputs, target]).cpu().double()
        mean, std = moments(both)
        standard = (both - mean) / std
        plane = standard @ torch.linalg.eigh(standard.T @ standard).eigenvectors[:, -2:].flip(1)
        title = f"{len(weights)} source examples, each as large as its weight"
        own, others = plane.split([len(inputs), len(target)])
        log_image(task, "weighted_examples", draw_weighted(own, weights.cpu(), labels, names, others, title))
        return
    order = weights.cpu().argsort(descending=True).tolist()
    chosen = [*order[:SHOWN], *order[-SHOWN:]] if len(order) >= 2 * SHOWN else order
    captions = [f"{names[int(labels[i])]}, weight\n{float(weights[i]):.2g}" for i in chosen]
    sheet = draw_sheet(
        [inputs[i].cpu() for i in chosen],
        captions,
        "There is no example.",
        title="The greatest weights, then the least",
    )
    log_image(task, "weighted_examples", sheet)
