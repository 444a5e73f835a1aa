"""What a test of zero-shot classification says."""

from collections.abc import Sequence

import torch
from lightning import LightningModule
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.functional.classification import multiclass_confusion_matrix
from torchmetrics.utilities.data import dim_zero_cat

from leyden.data.splits import fit_image
from leyden.multimodal.clip.figures import log_retrieval
from leyden.visualization.confusion import draw_confusion
from leyden.visualization.logging import log_image

SHOWN_SIDE = 64
"""Pixels that images keep for sheets."""
NAMED = 40
"""Classes, at most, of which a confusion matrix is drawn."""


class ZeroShotEvaluator(Metric):
    """Collects similarities.

    Logged are ``accuracy``, ``top5_accuracy`` where there are more than five classes, ``class_accuracy``, the mean over
    classes, and the floors ``chance`` and ``most_frequent``, what always naming the most frequent class would reach.

    Args:
        class_names: in the order of the labels.
        texts: what each is called, for sheets.
    """

    full_state_update = False
    scores: list[Tensor]
    labels: list[Tensor]
    shown: list[Tensor]

    def __init__(self, class_names: Sequence[str], texts: Sequence[str]) -> None:
        super().__init__()
        self.class_names, self.texts = list(class_names), list(texts)
        for name in ("scores", "labels", "shown"):
            self.add_state(name, default=[], dist_reduce_fx="cat")

    def update(self, images: Sequence[Tensor], scores: Tensor, labels: Tensor) -> None:
        """Adds a batch: uint8 images (C, H, W) of any sizes, similarities (B, classes), labels (B,)."""
        self.scores.append(scores)
        self.labels.append(labels)
        self.shown.append(torch.stack([fit_image(image, SHOWN_SIDE, 3, 1.0) for image in images]).to(labels.device))

    def compute(self) -> tuple[Tensor, Tensor, Tensor]:
        """Scores (N, classes), labels (N,), images (N, 3, 64, 64), on the CPU."""
        scores, labels, shown = (dim_zero_cat(part).cpu() for part in (self.scores, self.labels, self.shown))
        return scores, labels, shown

    def log(self, task: LightningModule) -> None:
        """Logs and draws at the end of a test."""
        scores, labels, shown = self.compute()
        task.log_dict({f"test/{name}": value for name, value in zero_shot_figures(scores, labels).items()})
        count = len(self.class_names)
        if count <= NAMED:
            matrix = multiclass_confusion_matrix(scores.argmax(1), labels, count)
            log_image(task, "confusion", draw_confusion(matrix, self.class_names))
        groups, new = torch.arange(count), torch.zeros(len(labels), dtype=torch.bool)
        right = labels[:, None] == groups[None]
        log_retrieval(task, shown, self.texts, scores, right, groups, new, torch.zeros(count, dtype=torch.bool))


def zero_shot_figures(scores: Tensor, labels: Tensor) -> dict[str, float]:
    """Accuracies of scores (N, classes) for labels (N,), and floors; see ``ZeroShotEvaluator``."""
    classes = scores.shape[1]
    right = (scores.argmax(1) == labels).float()
    counts = torch.bincount(labels, minlength=classes)
    by_class = torch.zeros(classes).index_add_(0, labels, right)[counts > 0] / counts[counts > 0]
    figures = {"accuracy": float(right.mean()), "class_accuracy": float(by_class.mean())}
    if classes > 5:
        figures["top5_accuracy"] = float((scores.topk(5).indices == labels[:, None]).any(1).float().mean())
    return figures | {"chance": 1 / classes, "most_frequent": float(counts.max() / counts.sum())}
