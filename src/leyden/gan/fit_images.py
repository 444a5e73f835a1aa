"""A GAN that learns beside something else from images in memory, in the same run."""

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from lightning import Trainer

from leyden.data.batches.gan.images import GanImages
from leyden.data.columns import Images, LabelledImages
from leyden.data.source import ImageSource
from leyden.data.splits import InMemory, Stage
from leyden.gan.base import AdversarialTask
from leyden.nets.auxiliary import load_network, save_network, train_auxiliary
from leyden.nets.strategies.computed import key_of

log = logging.getLogger(__name__)

Task = TypeVar("Task", bound=AdversarialTask)


class ImagesInMemory(ImageSource):
    """Images in memory as a source for training alone: its validation has one of them, which nobody looks at.

    Args:
        images: examples of the training split.
        class_names: of their labels.
        image_size: their side in pixels.
    """

    name = "images in memory"

    def __init__(self, images: InMemory[Any], class_names: list[str], image_size: int) -> None:
        self.images, self.class_names = images, class_names
        self.channels, self.image_size = images.columns.images.shape[1], image_size

    def split(self, stage: Stage) -> InMemory[Any]:
        """All in training, one for validation, none to test."""
        return self.images if stage == "train" else InMemory(self.images.take(torch.arange(int(stage == "val"))))


class _Whole(GanImages):
    """All images on each rank: one of them works."""

    def loader(self, stage: Stage) -> Any:
        loader = super().loader(stage)
        loader.whole = True
        return loader


def trained_gan(
    new: Callable[[], Task],
    images: InMemory[Images] | InMemory[LabelledImages],
    class_names: list[str],
    steps: int,
    batch_size: int,
    settings: Any,
    cache: Path | None,
    name: str,
    data_seed: int,
    seed: int,
) -> Task:
    """A GAN that learns from images alone, or one that another run has trained so.

    Args:
        new: makes it, its weights drawn from ``seed``.
        images: examples (N, C, S, S), on the CPU.
        class_names: of their labels.
        steps: batches.
        batch_size: images in each, at most N.
        settings: whatever else decides how it trains, for the name of its file.
        cache: folder where it is kept; None: nowhere.
        name: what its file begins with.
        data_seed: of the order of the batches.
        seed: of weights and noise.
    """
    with train_auxiliary(torch.device("cpu"), seed):
        gan = new()
        content = hashlib.sha256(b"".join(column.numpy().tobytes() for column in images.columns)).hexdigest()
        file = cache and cache / f"{name}_{key_of(gan, images=content, settings=settings)}.pt"
        if load_network(gan, file) is None:
            log.info("%s: learns from %d images, %d steps", name.replace("_", " "), len(images), steps)
            side = images.columns.images.shape[-1]
            source = ImagesInMemory(images, class_names, side)
            data = _Whole(source, side, min(batch_size, len(images)), seed=data_seed)
            trainer = Trainer(
                devices=1,
                max_steps=steps,
                max_epochs=-1,
                limit_val_batches=0,
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
            )
            # A loader and not the DataModule, for whose preparation Lightning would wait for ranks that do not train.
            data.prepare_data()
            data.setup("fit")
            trainer.fit(gan, data.train_dataloader(), data.val_dataloader())
            gan.cpu()
            if file is not None:
                save_network(gan, file)
    return gan
