"""A trunk with a head for each task, their losses and their scores."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics import Metric
from torchmetrics.classification import MulticlassAccuracy
from torchmetrics.regression import R2Score

from leyden.nets.backbone import Backbone


class MultiTaskNet(nn.Module):
    """Hard parameter sharing (Caruana 1997, "Multitask Learning"): one trunk, and a linear head for each task.

    Args:
        new_backbone: makes a trunk: uint8 images to features (B, F).
        tasks: the classes of each task by its name; none for a number.
        shared: one trunk for all; False: one for each task, which then share nothing.
    """

    def __init__(self, new_backbone: Callable[[], Backbone], tasks: Mapping[str, Sequence[str]], shared: bool) -> None:
        super().__init__()
        trunks = [new_backbone() for _ in range(1 if shared else len(tasks))]
        features = [trunk.num_features for trunk in trunks]
        if shared:
            features *= len(tasks)
        outputs = [len(names) or 1 for names in tasks.values()]
        self.trunks = nn.ModuleList(trunks)
        self.heads = nn.ModuleList(nn.Linear(*sizes) for sizes in zip(features, outputs, strict=True))

    def forward(self, images: Tensor) -> list[Tensor]:
        """uint8 images (B, C, S, S) to an output per task: logits (B, classes), or (B, 1) numbers in standard units."""
        features = [trunk(images) for trunk in self.trunks]
        if len(features) == 1:
            features *= len(self.heads)
        return [head(own) for head, own in zip(self.heads, features, strict=True)]


def task_losses(
    outputs: Sequence[Tensor], classes: Tensor, numbers: Tensor, tasks: Mapping[str, Sequence[str]], units: Tensor
) -> list[Tensor]:
    """Each task's loss over the images that have its target; 0 where none has.

    Args:
        outputs: of ``MultiTaskNet``.
        classes: (B, K) int64, a column per task of classes; -1 unknown.
        numbers: (B, R) float32, a column per task of numbers; nan unknown.
        tasks: the classes of each task by its name.
        units: (R, 2) mean and standard deviation of each task of numbers.

    Returns:
        () per task: cross-entropy of classes; mean squared error of numbers, in units of their standard deviation.
    """
    columns = columns_of(classes, numbers, tasks)
    place, losses = 0, []
    for output, names, column in zip(outputs, tasks.values(), columns, strict=True):
        if names:
            known = column >= 0
            total = F.cross_entropy(output, column, ignore_index=-1, reduction="sum")
        else:
            known = column.isfinite()
            mean, spread = units[place]
            # Unknown ones are put on the prediction itself: no error, and no gradient that is not finite.
            wanted = torch.where(known, (column - mean) / spread, output.detach().flatten())
            total = (output.flatten() - wanted).square().sum()
            place += 1
        losses.append(total / known.sum().clamp(min=1))
    return losses


def columns_of(classes: Tensor, numbers: Tensor, tasks: Mapping[str, Sequence[str]]) -> list[Tensor]:
    """The column (B,) of each task, in the order of the tasks."""
    of_classes, of_numbers = iter(classes.unbind(1)), iter(numbers.unbind(1))
    return [next(of_classes) if names else next(of_numbers) for names in tasks.values()]


class TaskScores(nn.Module):
    """Accuracy of each task of classes, R^2 of each of numbers, and their mean.

    R^2 is 1 for exact predictions and 0 for the mean of the targets; below 0 it counts as 0 in the mean.

    Args:
        tasks: the classes of each task by its name.
    """

    def __init__(self, tasks: Mapping[str, Sequence[str]]) -> None:
        super().__init__()
        self.tasks = {name: list(classes) for name, classes in tasks.items()}
        metrics = [
            MulticlassAccuracy(len(classes), average="micro", ignore_index=-1) if classes else R2Score()
            for classes in tasks.values()
        ]
        self.metrics = nn.ModuleList(metrics)
        self.seen = [0] * len(metrics)
        """Known targets so far, on this rank."""

    def update(self, outputs: Sequence[Tensor], columns: Sequence[Tensor], units: Tensor) -> None:
        """Adds a batch: outputs of ``MultiTaskNet``, the column (B,) of each task, units as in ``task_losses``."""
        place = 0
        for number, (output, column, metric) in enumerate(zip(outputs, columns, self.metrics, strict=True)):
            assert isinstance(metric, Metric)
            if isinstance(metric, R2Score):
                mean, spread = units[place]
                place += 1
                known = column.isfinite()
                predicted, column = (output.detach().flatten() * spread + mean)[known].float(), column[known]
            else:
                known, predicted = column >= 0, output.detach()
            if known.any():
                metric.update(predicted, column)
            self.seen[number] += int(known.sum())

    def compute(self) -> dict[str, Tensor]:
        """``NAME_accuracy`` and ``NAME_r2`` of each task, and ``score``; begins anew.

        Raises:
            ValueError: fewer than two known targets of a task.
        """
        found, parts = {}, []
        for (name, classes), metric, count in zip(self.tasks.items(), self.metrics, self.seen, strict=True):
            assert isinstance(metric, Metric)
            if count < 2:
                raise ValueError(
                    f"the target {name!r} is known of {count} images of this split: two are needed; leave it out by "
                    "data.targets"
                )
            value = metric.compute()
            found[f"{name}_{'accuracy' if classes else 'r2'}"] = value
            parts.append(value.clamp(min=0))
            metric.reset()
        self.seen = [0] * len(self.seen)
        return {**found, "score": torch.stack(parts).mean()}
