"""What is seen of two domains: criteria without target labels after each validation, images after the test."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor
from torch.nn import functional as F
from torchmetrics.functional.classification import multiclass_confusion_matrix

from leyden.data.batches.domains import DomainImages
from leyden.data.columns import Images, LabelledImages, collate
from leyden.data.splits import InMemory, Split
from leyden.transfer.classifier import Classifier
from leyden.transfer.domain.deep.selection import (
    Selection,
    a_distance,
    dev_risk,
    mean_entropy,
    mutual_information,
    soft_neighbourhood_density,
    target_likeness,
)
from leyden.visualization.charts import Curve, draw_curves
from leyden.visualization.confusion import draw_confusion
from leyden.visualization.embedding import embed
from leyden.visualization.logging import log_image
from leyden.visualization.scatter import draw_domains

MOST = 1000
"""Images of a split that a criterion looks at: similarities grow with the square."""
BATCH = 256
LEAST = 5
"""Images of a domain from which criteria and drawings mean something."""


def log_criteria(
    task: LightningModule, source_net: Classifier, net: Classifier, data: DomainImages, selection: Selection
) -> dict[str, float]:
    """Logs entropy, im and snd of target images, the A-distance, and ``dev`` where that chooses.

    Args:
        task: in a validation.
        source_net: predicts the source.
        net: predicts the target.
        data: both domains; only unlabelled images of the target are taken.
        selection: what chooses the checkpoint.

    Returns:
        What was logged, by metric; nothing where a domain has fewer than five images.
    """
    source, target = evenly(data.split("val"), MOST), evenly(data.target_split("val"), MOST)
    if min(len(source.images), len(target.images)) < LEAST:
        return {}
    of_source, source_logits = outputs(source_net, source.images)
    of_target, target_logits = outputs(net, target.images)
    predictions = target_logits.softmax(1)
    found = {
        "val/entropy": float(mean_entropy(predictions)),
        "val/im": float(mutual_information(predictions)),
        "val/snd": float(soft_neighbourhood_density(predictions)),
        "val/a_distance": a_distance(of_source, of_target),
    }
    if selection == "dev":
        trained, _ = outputs(source_net, evenly(data.split("train"), MOST).images)
        losses = F.cross_entropy(source_logits, source.labels.to(source_logits.device), reduction="none")
        found["val/dev"] = dev_risk(losses.cpu(), target_likeness(trained, of_target, of_source))
    task.log_dict(found, sync_dist=True)  # each rank has statistics of batch norms of its own
    return found


def log_domains(task: LightningModule, source_net: Classifier, net: Classifier, data: DomainImages, count: int) -> None:
    """Logs ``test/source_accuracy`` with the source's confusion matrix, and pixels and features of both domains.

    Args:
        task: in a test, behind its last batch.
        source_net: predicts the source.
        net: predicts the target.
        data: both domains; of the test splits.
        count: images of each domain on the planes; 0 draws none. The target's classes are predicted ones where it has
            no labels.
    """
    source = evenly(data.source_test(), MOST)
    names = list(data.source.class_names)
    _, logits = outputs(source_net, source.images)
    labels = source.labels.to(logits.device)
    task.log("test/source_accuracy", (logits.argmax(1) == labels).float().mean(), sync_dist=True)
    matrix = multiclass_confusion_matrix(logits, labels, len(names)).cpu()
    log_image(task, "confusion_source", draw_confusion(matrix, names, title="Confusion matrix of the source"))
    shown: list[LabelledImages | Images] = [evenly(split, count) for split in (data.source_test(), data.split("test"))]
    if min(len(part.images) for part in shown) < LEAST or not task.trainer.is_global_zero:
        return
    (of_source, _), (of_target, predicted) = (
        outputs(own, part.images) for own, part in zip((source_net, net), shown, strict=True)
    )
    known = isinstance(shown[1], LabelledImages)
    note = "" if known else " (x predicted)"
    panels = {
        f"pixels{note}": embed(torch.cat([part.images for part in shown]).flatten(1)),
        f"features{note}": embed(torch.cat([of_source, of_target])),
    }
    counts = torch.tensor([len(part.images) for part in shown])
    domains = torch.arange(2).repeat_interleave(counts)
    classes = torch.cat([part.labels if isinstance(part, LabelledImages) else predicted.argmax(1) for part in shown])
    log_image(task, "embedding", draw_domains(panels, classes, names, domains))


def log_history(task: LightningModule, history: Sequence[Mapping[str, float]], classes: int) -> None:
    """Draws over the validations how well a linear classifier tells the domains, and what the network is sure of.

    Args:
        task: behind its training.
        history: "step" and what ``log_criteria`` returns, for each validation.
        classes: how many.
    """
    steps = [float(each["step"]) for each in history]
    curves: dict[str, Curve] = {
        "domains told apart (0.5: not at all)": (steps, [each["val/a_distance"] / 4 + 0.5 for each in history], None),
        "entropy / log classes": (steps, [each["val/entropy"] / math.log(classes) for each in history], None),
        "im / log classes": (steps, [each["val/im"] / math.log(classes) for each in history], None),
    }
    if steps:
        log_image(task, "adaptation", draw_curves(curves, "step", "", "Validation images of both domains, unlabelled"))


def evenly(split: Split, most: int) -> Any:
    """The columns of at most ``most`` examples of a split, evenly spread over it, on the split's device."""
    count = min(most, len(split))
    indices = torch.arange(count) * len(split) // max(count, 1)
    if isinstance(split, InMemory):
        return split.take(indices.to(split.device))
    return collate([split[int(i)] for i in indices])


def outputs(net: Classifier, images: Tensor) -> tuple[Tensor, Tensor]:
    """Features (N, F) and logits (N, classes) of uint8 images (N, C, S, S), batch by batch."""
    device = net.backbone.mean.device
    features = torch.cat([net.features(part.to(device)) for part in images.split(BATCH)])
    return features, net.head(features)
