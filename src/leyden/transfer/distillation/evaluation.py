"""The test of a student stands beside those of its teacher and of a student that nobody taught."""

from collections.abc import Sequence

from lightning import LightningModule
from torch import Tensor, nn
from torchmetrics.classification import MulticlassAccuracy

from leyden.transfer.distillation.figures import DarkKnowledge
from leyden.visualization.charts import draw_bars
from leyden.visualization.logging import log_image

ROWS = {"teacher": "teacher", "hard": "student, labels alone"}
"""Whose accuracies there are, and how the chart calls them."""


class OtherAccuracies(nn.Module):
    """Accuracies of the teacher and of the student that learns from labels alone, on the same test images.

    Args:
        class_names: in the order of the labels.
        temperature: of the soft labels, for the images of dark knowledge.
    """

    def __init__(self, class_names: Sequence[str], temperature: float) -> None:
        super().__init__()
        classes = len(class_names)
        self.teacher = MulticlassAccuracy(classes, average="micro")
        self.hard = MulticlassAccuracy(classes, average="micro")
        self.class_names, self.temperature = list(class_names), temperature
        self.dark = DarkKnowledge(class_names, temperature)

    def reset(self) -> None:
        """Begins a test with nothing seen."""
        self.teacher.reset()
        self.hard.reset()
        self.dark = DarkKnowledge(self.class_names, self.temperature)

    def update(self, module: LightningModule, name: str, logits: Tensor, labels: Tensor) -> None:
        """Adds a batch: logits (B, classes), true classes (B,); logs ``test/accuracy_NAME``.

        Args:
            module: that logs.
            name: a key of ``ROWS``.
            logits: of that network.
            labels: of the images.
        """
        metric = self.teacher if name == "teacher" else self.hard
        metric.update(logits, labels)
        module.log(f"test/accuracy_{name}", metric, on_epoch=True, batch_size=len(labels))

    def log_images(self, module: LightningModule, taught: MulticlassAccuracy) -> None:
        """Logs a chart of the errors, the ``taught`` student's among them, and what the teacher says of some images."""
        metrics = {"teacher": self.teacher, "hard": self.hard}
        errors = {ROWS[name]: 1 - float(metric.compute()) for name, metric in metrics.items() if metric.update_called}
        errors["student, taught"] = 1 - float(taught.compute())
        title = "Teacher and students: errors on the test split"
        log_image(module, "errors", draw_bars(errors, "part of the images taken for another class", title, whole=False))
        if self.dark.examples:
            log_image(module, "dark_knowledge", self.dark.draw())
