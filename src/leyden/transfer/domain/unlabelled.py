"""A test on a target that has no labels: what is predicted, and how sure the technique is of it."""

import logging
from collections.abc import Sequence

import torch
from lightning import LightningModule
from torch import Tensor

from leyden.transfer.domain.deep.selection import mean_entropy, mutual_information
from leyden.visualization.labelled import draw_sheet
from leyden.visualization.logging import log_image

SHOWN = 12
"""Images of which a technique is surest, and least sure, on a sheet."""
log = logging.getLogger(__name__)


class UnlabelledTest:
    """Collects predictions, batch by batch; there is no accuracy of the target.

    Args:
        class_names: in the order of the logits.
    """

    def __init__(self, class_names: Sequence[str]) -> None:
        self.class_names = list(class_names)
        self.probabilities: list[Tensor] = []
        self.surest: list[tuple[float, int, Tensor]] = []
        self.least_sure: list[tuple[float, int, Tensor]] = []

    def update(self, images: Tensor, probabilities: Tensor) -> None:
        """Adds a batch: uint8 images (B, C, S, S) and probabilities (B, classes)."""
        self.probabilities.append(probabilities.detach())
        confidence, predicted = probabilities.max(1)
        own = zip(confidence.tolist(), predicted.tolist(), images.cpu(), strict=True)
        every = [*self.surest, *self.least_sure, *own]
        ranked = sorted(every, key=lambda one: -one[0])
        both = len(ranked) >= 2 * SHOWN
        self.surest, self.least_sure = (ranked[:SHOWN], ranked[-SHOWN:]) if both else (ranked, [])

    def log(self, task: LightningModule) -> None:
        """Logs ``test/entropy`` and ``test/im`` of the predictions, and a sheet of them; nothing where none came."""
        if not self.probabilities:
            return
        probabilities = torch.cat(self.probabilities)
        found = {"test/entropy": mean_entropy(probabilities), "test/im": mutual_information(probabilities)}
        task.log_dict({name: value.float() for name, value in found.items()}, sync_dist=True)
        shown = [*self.surest, *self.least_sure]
        captions = [f"{self.class_names[predicted]},\n{confidence:.0%}" for confidence, predicted, _ in shown]
        title = "Predictions of the target: the surest, then the least sure"
        log_image(task, "predictions", draw_sheet([image for *_, image in shown], captions, "", title=title))
        log.warning(
            "the target has no labels, so there is no test/accuracy: test/entropy and test/im say how sure the %d "
            "predictions are, `leyden predict` names them; put test images into folders named after their classes to "
            "have it",
            len(probabilities),
        )
