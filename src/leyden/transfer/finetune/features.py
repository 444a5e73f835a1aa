"""Features of a network: those of frozen stages, computed once and kept in memory or on disk, and of a few images."""

import logging
from collections.abc import Iterator
from pathlib import Path

import torch
from lightning import Trainer
from torch import Tensor

from leyden.nets.strategies.computed import compute, key_of
from leyden.transfer.classifier import Classifier, evaluation_mode
from leyden.transfer.data import TransferImages
from leyden.transfer.finetune.network import TransferNet

log = logging.getLogger(__name__)


def cache_frozen(net: TransferNet, data: TransferImages, cache: str | None, trainer: Trainer) -> None:
    """Lets the data hold what the leading frozen stages make of its images, where that can be computed once.

    Args:
        net: whose ``frozen_part`` is computed.
        data: its training and validation batches come from the cache afterwards.
        cache: "memory", a folder, or None for no cache.
        trainer: decides precision and device.
    """
    data.forget()
    stages = net.frozen_stages
    if cache is None or stages == 0:
        return
    if data.augment is not None and data.views is None:
        log.info("%d frozen stages run in every step: set data.views=K to compute K augmentations once", stages)
        return
    device = trainer.strategy.root_device
    spec = {"data": data.signature, "stages": stages, "precision": trainer.precision}

    def network(images: Tensor) -> Tensor:
        with trainer.precision_plugin.forward_context():
            return net.frozen_part(images.to(device))

    def through(batches: Iterator[Tensor], count: int, what: str) -> Tensor:
        file = None if cache == "memory" else Path(cache) / f"{key_of(net.backbone, what=what, **spec)}.npy"
        return compute(network, batches, count, file)

    with evaluation_mode(net):
        data.cache(through)
    log.info("%d frozen stages are computed once, for %d views", stages, len(data.cached["train"]))


@torch.no_grad()
def labelled_features(net: Classifier, data: TransferImages, device: torch.device) -> tuple[Tensor, Tensor]:
    """Features (N, F) and labels (N,) of the training examples, without augmentation."""
    with evaluation_mode(net):
        batches = [(net.features(images.to(device)), labels.to(device)) for images, labels in data.once()]
    features, labels = (torch.cat(part) for part in zip(*batches, strict=True))
    return features, labels


@torch.no_grad()
def first_features(net: Classifier, data: TransferImages, count: int, device: torch.device) -> Tensor:
    """Features (N, F), float32 on the CPU, of the first ``count`` validation images, or of all if there are fewer."""
    split = data.split("val")
    parts = torch.arange(min(count, len(split))).split(data.eval_batch_size)
    images = (torch.stack([split[i].images for i in part.tolist()]).to(device) for part in parts)
    with evaluation_mode(net):
        return torch.cat([net.features(part).float().cpu() for part in images])
