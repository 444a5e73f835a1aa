"""What is drawn of a test of one task: confusion, accuracies by class, mistakes."""

from collections.abc import Sequence

from lightning import LightningModule
from torch import Tensor
from torchmetrics.functional.classification import multiclass_confusion_matrix

from leyden.transfer.evaluation import ClassifierEvaluator
from leyden.visualization.charts import draw_bars
from leyden.visualization.confusion import draw_confusion
from leyden.visualization.logging import log_image


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
