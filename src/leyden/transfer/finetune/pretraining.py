"""Pre-training: a network is trained on the source task, in the same run that fine-tunes it."""

import hashlib
import logging
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from leyden.core.optim import cosine, scheduled
from leyden.data.loader import Loader
from leyden.data.splits import InMemory
from leyden.nets.auxiliary import fit_classifier, load_network, save_network
from leyden.nets.strategies.computed import key_of
from leyden.training.progress import metered
from leyden.transfer.finetune.heads import CosineHead

log = logging.getLogger(__name__)


class Recipe(NamedTuple):
    """How the source task is trained."""

    epochs: int
    """Passes over its examples."""
    lr: float
    """AdamW's rate at the start; it falls to zero along a cosine."""
    weight_decay: float
    """AdamW's."""


def pretrained_state(
    net: nn.Module, head: CosineHead, batches: Loader, recipe: Recipe, folder: Path | None
) -> dict[str, Tensor]:
    """The state of ``net`` after the source task: trained now, or found where another run left it.

    Args:
        net: uint8 images (B, C, S, S) to features (B, F), with random weights.
        head: features to logits.
        batches: images (B, C, S, S) and labels (B,) of the source task, see ``pretrain``.
        recipe: how it is trained.
        folder: where networks are kept, under a key of everything that decides them; None keeps none.
    """
    file = None
    if folder is not None and isinstance(batches.split, InMemory):
        start = nn.ModuleList([net, head])  # their random weights are a part of the key
        spec = {"batches": task_signature(batches, batches.split), "recipe": recipe, "scale": head.scale}
        file = folder / f"source_task_{key_of(start, **spec)}.pt"
    log.info("source task: %d examples, %d epochs", len(batches.split), recipe.epochs)
    if load_network(net, file) is None:
        accuracy = pretrain(net, head, batches, *recipe)
        log.info("source task: accuracy %.3f on the augmented images of the last epoch", accuracy)
        if file is not None:
            save_network(net, file)
    return {key: value.cpu() for key, value in net.state_dict().items()}


def task_signature(batches: Loader, split: InMemory) -> list[object]:
    """Everything that decides what is seen: images and labels, their order, and how they are changed."""
    digest = hashlib.sha256(split.columns.images.cpu().numpy().tobytes())
    digest.update(split.columns.labels.cpu().numpy().tobytes())
    views: Any = batches.augment
    return [digest.hexdigest(), batches.seed, batches.batch_size, views.count, vars(views.then)]


def pretrain(
    net: nn.Module,
    head: nn.Module,
    batches: Loader,
    epochs: int,
    lr: float,
    weight_decay: float,
    what: str = "source task",
) -> float:
    """Trains ``head(net(images))`` on labelled batches by AdamW, in place; on every rank the same.

    Args:
        net: uint8 images (B, C, S, S) to features (B, F).
        head: features to logits (B, classes).
        batches: uint8 images (B, C, S, S) and labels (B,); its order and augmentation depend on its seed alone.
        epochs: passes over ``batches``.
        lr: learning rate at the start; it falls to zero along a cosine.
        weight_decay: AdamW's.
        what: is learnt, for the progress lines.

    Returns:
        Accuracy on the augmented training images of the last epoch.
    """
    parameters = [*net.parameters(), *head.parameters()]
    device = parameters[0].device
    optimizer = torch.optim.AdamW(parameters, lr=lr, weight_decay=weight_decay)
    schedule = scheduled(optimizer, cosine, epochs * len(batches))
    net.train()
    seen = ((images.to(device), labels.to(device)) for _ in range(epochs) for images, labels in batches)
    shown = metered(seen, what, epochs, len(batches))
    correct = fit_classifier(nn.Sequential(net, head), shown, optimizer, schedule)
    last = correct[-len(batches) :] if epochs else []
    return torch.cat(last).float().mean().item() if last else 0.0
