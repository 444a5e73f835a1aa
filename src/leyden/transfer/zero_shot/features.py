"""What techniques of zero-shot learning see of an example: a network's features, pixels, or a row of features."""

import logging
from pathlib import Path

import torch
from torch import Tensor, nn

from leyden.core.seeding import mix
from leyden.data.batches.attributes import ByAttributes
from leyden.data.columns import LabelledImages
from leyden.data.loader import Loader
from leyden.data.module import hashed
from leyden.data.splits import InMemory, decode
from leyden.nets.auxiliary import load_network, save_network, train_auxiliary
from leyden.nets.weights import find_weights, load_pretrained
from leyden.nets.zoo import backbone as new_backbone
from leyden.transfer.classifier import evaluation_mode
from leyden.transfer.finetune.features import key_of
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
    def of(self, split: InMemory, device: torch.device) -> tuple[Tensor, Tensor]:
        """Features (N, D) float64, in evaluation mode, and labels (N,) of a whole split, on ``device``."""
        inputs, labels = split.columns[0], split.columns[1]
        with evaluation_mode(self):
            parts = [self(part.to(device)).double() for part in inputs.split(PART)]
        return torch.cat(parts), labels.to(device)

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
        split = whole(data, "train")
        labels = split.columns.labels.unique(return_inverse=True)[1]
        task = InMemory(LabelledImages(split.columns.images, labels))
        with train_auxiliary(device, mix(data.seed, 4)):
            head = nn.Linear(self.backbone.num_features, int(labels.max()) + 1).to(device)
            file = self._file(task, head, data.seed)
            if load_network(self.backbone, file) is None:
                self._learn(task, head, data.seed)
                if file is not None:
                    save_network(self.backbone, file)

    def _learn(self, task: InMemory, head: nn.Module, seed: int) -> None:
        """Trains the network, ``head`` behind it, to tell the classes of ``task`` apart."""
        assert self.backbone is not None
        o = self.options
        batches = Loader(task, o.source_batch_size, train=True, seed=mix(seed, 3), whole=True)
        log.info("seen classes: %d images, %d epochs", len(task), o.source_epochs)
        accuracy = pretrain(self.backbone, head, batches, o.source_epochs, o.source_lr, o.source_weight_decay)
        log.info("seen classes: accuracy %.3f on the training images of the last epoch", accuracy)

    def _file(self, task: InMemory, head: nn.Module, seed: int) -> Path | None:
        """Where the network is kept, under a key of everything that decides it."""
        o = self.options
        if o.cache is None or self.backbone is None:
            return None
        content = hashed(value.cpu().numpy().tobytes() for value in task.columns)
        recipe = [o.source_epochs, o.source_lr, o.source_batch_size, o.source_weight_decay]
        start = nn.ModuleList([self.backbone, head])  # their random weights are a part of the key
        return Path(o.cache) / f"seen_{key_of(start, content=content, recipe=recipe, seed=seed)}.pt"


def whole(data: ByAttributes, stage: str) -> InMemory:
    """A split of the data as the model gets it, in memory."""
    split = data.split(stage)  # type: ignore[arg-type]  # a word of Stage
    return split if isinstance(split, InMemory) else decode(split)
