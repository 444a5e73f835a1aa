"""How far CLIP's loss is below that of embeddings which are all alike."""

import logging

from lightning import LightningModule
from lightning.pytorch.trainer.states import TrainerFn

from leyden.visualization.curve_panels import Panel, draw_curve_panels
from leyden.visualization.logging import log_image

log = logging.getLogger(__name__)

LEARNT = 0.95
"""Part of the uninformed loss above which nothing worth mentioning was learnt."""


class LossMonitor:
    """Keeps what each validation of a training logged."""

    def __init__(self) -> None:
        self.steps: list[float] = []
        self.losses: list[float] = []
        self.uninformed: list[float] = []
        self.accuracies: list[float] = []

    def state(self) -> list[list[float]]:
        """For a checkpoint."""
        return [self.steps, self.losses, self.uninformed, self.accuracies]

    def restore(self, state: list[list[float]]) -> None:
        """Goes on from that of a checkpoint."""
        self.steps, self.losses, self.uninformed, self.accuracies = (list(part) for part in state)

    def update(self, task: LightningModule) -> None:
        """Adds a validation, at its end; says in the log how far its loss is below knowing nothing."""
        found = {key: float(value) for key, value in task.trainer.callback_metrics.items()}
        loss, uninformed = found["val/loss"], found["val/loss_uninformed"]
        side = "below" if loss <= uninformed else "above"
        gap = abs(uninformed - loss)
        log.info("val loss %.3f, %.3f %s the %.3f of embeddings that are alike", loss, gap, side, uninformed)
        if task.trainer.state.fn != TrainerFn.FITTING:
            return
        self.steps.append(float(task.global_step))
        self.losses.append(loss)
        self.uninformed.append(uninformed)
        self.accuracies.append(found["val/accuracy"])

    def draw(self, task: LightningModule) -> None:
        """Draws them behind a training, and warns where the last loss is as good as that of knowing nothing."""
        if not self.steps:
            return
        if self.losses[-1] > LEARNT * self.uninformed[-1]:
            log.warning(
                "val loss %.3f, and embeddings that are all alike have %.3f: nothing was learnt. Train longer, change "
                "model.lr, or see by leyden check-data whether captions belong to their images",
                self.losses[-1],
                self.uninformed[-1],
            )
        losses = {"loss": (self.steps, self.losses), "of embeddings that are alike": (self.steps, self.uninformed)}
        panels = [
            Panel("val loss", losses),
            Panel("val accuracy", {"right description": (self.steps, self.accuracies)}),
        ]
        log_image(task, "monitor", draw_curve_panels(panels, "step", "Which text belongs to which image"))
