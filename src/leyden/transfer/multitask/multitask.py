"""Multi-task learning: one trunk with a head for each target, and four ways to weigh their losses.

Hard parameter sharing (Caruana 1997): all tasks learn in the same layers, so each can profit from what another finds,
and each can be drowned by another whose loss is larger, by its unit or its noise. ``weighting`` decides:

- **equal**: sum_i c_i L_i, where c_i are the tasks' ``scales``, 1 unless they are given;
- **uncertainty**, Kendall, Gal and Cipolla 2018: learnt variances, sum_i exp(-s_i) L_i + s_i / 2;
- **gradnorm**, Chen et al. 2018: weights that bring the norms of all gradients on the last shared layer together;
- **pcgrad**, Yu et al. 2020: where two gradients conflict, each loses its part against the other.

L_i is a cross-entropy for classes and a mean squared error for numbers, these in units of their standard deviation
over the training images. ``shared=false`` gives each task a trunk of its own: single tasks, the floor that sharing has
to beat. Images whose target is unknown teach the other tasks.

Departures: AdamW, under which the size of a loss alone changes little, but its size relative to the others as much as
under SGD; GradNorm's losses at the start are those of guessing, not of the first batch.
"""

import json
from collections.abc import Sequence
from typing import Any, Literal

import torch
from lightning import LightningModule
from torch import Tensor

from leyden.core.optim import cosine, scheduled
from leyden.core.technique import NO_OPTIONS, Exportable, Predictions, PredictOptions
from leyden.data.batches.targets import TaskImages
from leyden.data.splits import fit_image
from leyden.nets.zoo import backbone as new_backbone
from leyden.transfer.multitask.figures import draw_answers, draw_tasks
from leyden.transfer.multitask.network import MultiTaskNet, TaskScores, columns_of, task_losses
from leyden.transfer.multitask.weightings import PCGrad, WeightingName, new_weighting
from leyden.visualization.labelled import draw_labelled
from leyden.visualization.logging import log_image, logs_now

SHOWN = 24
"""Test images that are drawn with their predictions."""


class MultiTask(LightningModule):
    """A network that predicts several targets of an image at once.

    Args:
        tasks: the classes of each target by its name, none for a number; given by the data.
        units: mean and standard deviation of each target that is a number; given by the data.
        channels: of the images; given by the data.
        image_size: side of the square images in pixels; given by the data.
        weighting: "equal", "uncertainty", "gradnorm" or "pcgrad".
        scales: by target, a factor on its loss, as another unit would give it; 1 where none is named.
        shared: one trunk for all targets; false: one for each, and equal weights.
        alpha: of GradNorm: how much more a slow task gets.
        weight_lr: AdamW's rate for what a weighting learns, at the start.
        backbone: the trunk, see ``leyden.nets.zoo.backbone``.
        widths: of the backbone "resnet": channels of each stage.
        strides: of "resnet": of each stage.
        blocks: of "resnet": residual blocks per stage.
        lr: AdamW's rate at the start; all rates fall to zero along a cosine.
        weight_decay: AdamW's, on the network alone.

    Raises:
        ValueError: fewer than one target, an unknown weighting, a scale of a target that there is not or that is not
            above 0, weights for targets that share nothing, or images that the backbone cannot take.
    """

    monitor: str = "val/score"
    mode: Literal["min", "max"] = "max"
    input_type: str = "images"
    main_image: str = "tasks"
    units: Tensor

    def __init__(
        self,
        tasks: dict[str, list[str]],
        units: dict[str, list[float]],
        channels: int,
        image_size: int,
        weighting: WeightingName = "equal",
        scales: dict[str, float] | None = None,
        shared: bool = True,
        alpha: float = 1.5,
        weight_lr: float = 0.025,
        backbone: str = "resnet",
        widths: Sequence[int] = (16, 32, 64),
        strides: Sequence[int] = (1, 2, 2),
        blocks: int = 1,
        lr: float = 3e-3,
        weight_decay: float = 0.05,
    ) -> None:
        super().__init__()
        if not tasks:
            raise ValueError("there is no target to learn: set data.targets to one or more")
        if not shared and weighting != "equal":
            raise ValueError(
                f"model.shared=false: tasks that share nothing need no weights: model.weighting=equal, not {weighting}"
            )
        self.scales = _checked(scales or {}, tasks)
        self.save_hyperparameters(logger=False)
        self.tasks, self.channels, self.image_size = tasks, channels, image_size
        self.net = MultiTaskNet(
            lambda: new_backbone(backbone, channels, image_size, widths, strides, blocks), tasks, shared
        )
        self.weighting = new_weighting(weighting, [len(names) for names in tasks.values()], alpha, self.scales)
        numbers = [units[name] for name, names in tasks.items() if not names]
        self.register_buffer("units", torch.tensor(numbers).reshape(-1, 2))
        self.val_scores, self.test_scores = TaskScores(tasks), TaskScores(tasks)
        self.history: list[list[float]] = []
        """Optimizer step and each task's factor, its scale times its weight; travels in checkpoints."""
        self.examples: list[tuple[Tensor, list[Tensor], list[Tensor]]] = []

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """uint8 images (B, C, S, S) to logits (B, classes), or numbers (B,) in their own units, of each target."""
        return self.in_units(self.net(images))

    def in_units(self, outputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The network's outputs with numbers (B,) in the targets' own units."""
        units = iter(self.units)
        found = []
        for output, names in zip(outputs, self.tasks.values(), strict=True):
            if not names:
                mean, spread = next(units)
                output = output.flatten() * spread + mean
            found.append(output)
        return tuple(found)

    def training_step(self, batch: TaskImages, batch_index: int) -> Tensor:
        """The losses of all tasks, weighed."""
        found = task_losses(self.net(batch.images), batch.classes, batch.numbers, self.tasks, self.units)
        losses = [scale * loss for scale, loss in zip(self.scales, found, strict=True)]
        loss = self.weighting(losses, list(self.net.trunks.parameters()), list(self.net.heads.parameters()))
        if logs_now(self):
            factors = [scale * float(weight) for scale, weight in zip(self.scales, self.weighting.weights, strict=True)]
            self.history.append([float(self.global_step), *factors])
            self.log("train/loss", loss.detach(), prog_bar=True)
            for name, own, factor in zip(self.tasks, found, factors, strict=True):
                self.log_dict({f"train/loss_{name}": own.detach(), f"train/factor_{name}": factor})
            if isinstance(self.weighting, PCGrad):
                self.log("train/conflicts", self.weighting.conflict)
        return loss

    def validation_step(self, batch: TaskImages, batch_index: int) -> None:
        """Updates the scores of all tasks."""
        self.val_scores.update(self.net(batch.images), self._columns(batch), self.units)

    def on_validation_epoch_end(self) -> None:
        """Logs ``val/score`` and those of the tasks."""
        scores = self.val_scores.compute()
        self.log_dict({f"val/{name}": value for name, value in scores.items()})

    def on_test_epoch_start(self) -> None:
        """Starts without examples."""
        self.examples = []

    def test_step(self, batch: TaskImages, batch_index: int) -> None:
        """Updates the scores, and keeps a few images to draw."""
        outputs, columns = self.net(batch.images), self._columns(batch)
        self.test_scores.update(outputs, columns, self.units)
        found = self.in_units(outputs)
        # Sources sort by class, so the few that are drawn are spread over each batch.
        for i in range(0, len(batch.images), max(1, len(batch.images) // 6)):
            if len(self.examples) < 4 * SHOWN:
                own = [output[i].cpu() for output in found], [column[i].cpu() for column in columns]
                self.examples.append((batch.images[i].cpu(), *own))

    def on_test_epoch_end(self) -> None:
        """Logs the scores; draws weights over time beside them, and images with what is predicted of them."""
        scores = self.test_scores.compute()
        self.log_dict({f"test/{name}": value for name, value in scores.items()})
        log_image(self, "tasks", draw_tasks(self.history, list(self.tasks), {k: float(v) for k, v in scores.items()}))
        shown = self.examples[:: max(1, len(self.examples) // SHOWN)][:SHOWN]
        log_image(self, "predictions", draw_answers(shown, self.tasks))

    def configure_optimizers(self) -> Any:
        """AdamW; what a weighting learns has a rate of its own and does not decay."""
        h: Any = self.hparams
        groups: list[dict[str, Any]] = [{"params": list(self.net.parameters())}]
        if learnt := list(self.weighting.parameters()):
            groups.append({"params": learnt, "lr": h.weight_lr, "weight_decay": 0.0})
        optimizer = torch.optim.AdamW(groups, lr=h.lr, weight_decay=h.weight_decay, fused=True)
        schedule = scheduled(optimizer, cosine, self.trainer.estimated_stepping_batches)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keeps the factors so far."""
        checkpoint["history"] = self.history

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes them back."""
        self.history = checkpoint["history"]

    @torch.no_grad()
    def predict(self, inputs: Sequence[Tensor], options: PredictOptions = NO_OPTIONS) -> Predictions:
        """Every target of each image: a class with its probability, or a number.

        Args:
            inputs: uint8 (C, H, W) of any size.
            options: none has a meaning here.

        Raises:
            ValueError: a threshold is given.
        """
        options.only(self)
        self.eval()
        rows, drawn = [], []
        for image in inputs:
            fitted = fit_image(image, self.image_size, self.channels).to(self.device)
            row: dict[str, Any] = {}
            lines = []
            for (name, classes), output in zip(self.tasks.items(), self(fitted[None]), strict=True):
                if classes:
                    probability, place = output[0].softmax(0).max(0)
                    row |= {name: classes[int(place)], f"p({name})": round(float(probability), 4)}
                    lines.append(f"{name} {row[name]}, {float(probability):.0%}")
                else:
                    row[name] = float(f"{float(output[0]):.4g}")
                    lines.append(f"{name} {row[name]}")
            rows.append(row)
            drawn.append(draw_labelled(image, "\n".join(lines)))
        return Predictions(rows, drawn)

    def export_network(self) -> Exportable:
        """Logits (N, classes) or numbers (N,) of each target, of uint8 images that ``fit_image`` brought to size."""
        return Exportable(self, self.channels, self.image_size, tuple(self.tasks), {"tasks": json.dumps(self.tasks)})

    def _columns(self, batch: TaskImages) -> list[Tensor]:
        return columns_of(batch.classes, batch.numbers, self.tasks)


def _checked(scales: dict[str, float], tasks: dict[str, list[str]]) -> list[float]:
    """The scale of each task."""
    unknown = [name for name in scales if name not in tasks]
    if unknown or min(scales.values(), default=1.0) <= 0:
        raise ValueError(f"model.scales={scales}: factors above 0 of the targets {', '.join(tasks)}")
    return [float(scales.get(name, 1.0)) for name in tasks]
