"""What techniques of zero-shot learning see of an example: a network's features, pixels, or a row of features."""

import logging
from pathlib import Path

import torch
from torch import Tensor, nn

from leyden.core.seeding import mix
from leyden.data.batches.attributes import ByAttributes
from leyden.data.columns import LabelledImages
from leyden.data.loader import Loader
from leyden.data.splits import Split
from leyden.nets.auxiliary import load_network, save_network, train_auxiliary
from leyden.nets.strategies.computed import key_of
from leyden.nets.weights import find_weights, load_pretrained
from leyden.nets.zoo import backbone as new_backbone
from leyden.transfer.classifier import evaluation_mode
from leyden.transfer.finetune.pretraining import pretrain
from leyden.transfer.zero_shot.options import ZeroShotOptions

log = logging.getLogger(__name__)

NONE, SEEN = "none", "seen"
PART = 256
"""Images that go through the network at a time."""


class Features(nn.Module):
    """Images or rows to features (B, D).

    Args:
        channels: of the images; None for rows.
        image_size: side of the square images in pixels; None for rows.
        feature_count: D of rows; None for images.
        options: which features.

    Raises:
        ValueError: a backbone for rows, or images that it cannot take.
    """

    def __init__(
        self, channels: int | None, image_size: int | None, feature_count: int | None, options: ZeroShotOptions
    ) -> None:
        super().__init__()
        self.options, self.backbone = options, None
        if channels is None or image_size is None:
            if options.backbone != NONE:
                raise ValueError(
                    f"model.backbone={options.backbone} takes images, and these are rows: set model.backbone=none"
                )
            self.size = int(feature_count or 0)
        elif options.backbone == NONE:
            self.size = channels * image_size**2
        else:
            o = options
            self.backbone = new_backbone(o.backbone, channels, image_size, o.widths, o.strides, o.blocks)
            self.size = self.backbone.num_features

    def forward(self, inputs: Tensor) -> Tensor:
        """uint8 images (B, C, S, S), or rows (B, D), to float32 features (B, D)."""
        if inputs.dtype != torch.uint8:
            return inputs
        return inputs.flatten(1) / 255 if self.backbone is None else self.backbone(inputs)

    @torch.no_grad()
    def of(self, split: Split, device: torch.device) -> tuple[Tensor, Tensor]:
        """Features (N, D) float64, in evaluation mode, and labels (N,) of a whole split, on ``device``."""
        with evaluation_mode(self):
            batches = [(self(inputs.to(device)).double(), labels) for inputs, labels in Loader(split, PART, whole=True)]
        features, labels = (torch.cat(part) for part in zip(*batches, strict=True))
        return features, labels.to(device)

    def load(self, data: ByAttributes, device: torch.device) -> None:
        """Takes over the network's weights, or trains it on the seen classes; the same on every rank.

        Args:
            data: whose training images are learnt.
            device: where.
        """
        if self.backbone is None or self.options.weights == NONE:
            return
        if self.options.weights != SEEN:
            load_pretrained(self.backbone, find_weights(self.options.weights, self.backbone), self.backbone.stage_names)
            return
        with train_auxiliary(device, mix(data.seed, 4)):
            head = nn.Linear(self.backbone.num_features, len(data.division.train)).to(device)
            file = self._file(data, head)
            if load_network(self.backbone, file) is None:
                self._learn(data, head, device)
                if file is not None:
                    save_network(self.backbone, file)

    def _learn(self, data: ByAttributes, head: nn.Module, device: torch.device) -> None:
        """Trains the network, ``head`` behind it, to tell apart the classes that are trained on."""
        assert self.backbone is not None
        o, split = self.options, data.on_device(data.split("train"))
        numbers = Numbered(data.division.train, len(data.source.class_names), device)
        batches = Loader(
            split,
            o.source_batch_size,
            train=True,
            seed=mix(data.seed, 3),
            augment=numbers,
            workers=data.workers,
            whole=True,
        )
        log.info("seen classes: %d examples, %d epochs", len(split), o.source_epochs)
        accuracy = pretrain(self.backbone, head, batches, o.source_epochs, o.source_lr, o.source_weight_decay)
        log.info("seen classes: accuracy %.3f on the training examples of the last epoch", accuracy)

    def _file(self, data: ByAttributes, head: nn.Module) -> Path | None:
        """Where the network is kept, under a key of everything that decides it."""
        o = self.options
        if o.cache is None or self.backbone is None:
            return None
        recipe = [o.source_epochs, o.source_lr, o.source_batch_size, o.source_weight_decay]
        start = nn.ModuleList([self.backbone, head])  # their random weights are a part of the key
        key = key_of(start, data=data.fingerprint, classes=data.division.train, recipe=recipe, seed=data.seed)
        return Path(o.cache) / f"seen_{key}.pt"


class Numbered:
    """Gives labels the numbers 0, 1, ... of the classes that are trained on; an ``Augment`` without random numbers.

    Args:
        places: of these classes among all.
        classes: how many there are in all.
        device: of the batches.
    """

    draws = 0

    def __init__(self, places: list[int], classes: int, device: torch.device) -> None:
        self.numbers = torch.full((classes,), -1, device=device)
        self.numbers[torch.tensor(places, device=device)] = torch.arange(len(places), device=device)

    def __call__(self, batch: LabelledImages, u: Tensor) -> LabelledImages:
        """The batch with the labels (B,) replaced; ``u`` (B, 0) is not used."""
        return batch._replace(labels=self.numbers[batch.labels.to(self.numbers.device)])
