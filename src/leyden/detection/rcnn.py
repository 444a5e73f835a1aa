"""R-CNN: regions with CNN features (Girshick et al. 2014, https://arxiv.org/abs/1311.2524).

Whatever may be an object (selective search's proposals, made beforehand) is warped to one size, seen by a network on
its own, judged by one linear machine per class, and moved by a linear map. Three learners follow each other (section
2.3, appendices B and C), each with its own idea of a positive:

    network             softmax over C + 1 classes, batches of 32 objects (IoU >= 0.5) and 96 others
    SVMs on fc7         positives: the objects' own boxes; negatives: IoU < 0.3 with the class; between: ignored;
                        hard negatives are looked for in all regions
    regression on pool5 regions with IoU > 0.6, towards the object they overlap most

Both kinds of features are scaled to a mean norm of 20. Testing scores all proposals, moves them, and suppresses what
overlaps a better answer of its class by more than 0.3.

The SVMs and the regression learn within the last optimizer step of a run, from the network as it then is, so every
validation and checkpoint after it has them, and a run that was stopped before goes on to the same end. Until then, and
where a run ends early, the softmax answers. So that softmax and SVMs do not compete for the best checkpoint, validate
once, at the end: trainer.check_val_every_n_epoch = trainer.max_epochs.

Departures: crops of 64 pixels and a small network instead of 227 and AlexNet; a batch draws its regions from the images
of the batch, not of the whole set; a run mirrors images (``data.flip``), not crops; scores are mapped from the margin s
to 1 / (1 + exp(-2 s)), which lies in 0 .. 1 with 0.5 at the machine's boundary and keeps every order, which is all that
AP looks at; all answers count, where the paper's code keeps at most 40 per class and image on average.
"""

import logging
import math
import time
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, Unpack

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import box_convert

from leyden.detection.boxes.batch import Target
from leyden.detection.boxes.box_coder import decode
from leyden.detection.data import DetectionData
from leyden.detection.detector import Detector
from leyden.detection.nets.rcnn import CropNet, Seen
from leyden.detection.options import Common
from leyden.detection.proposals.selective_search import Search, selective_search
from leyden.detection.svm_stage.box_regression import train_regression
from leyden.detection.svm_stage.crops import crop
from leyden.detection.svm_stage.examples import PLAIN, Examples, draw, gather
from leyden.detection.svm_stage.svm import train_svms
from leyden.nets.memory_format import arrange

log = logging.getLogger(__name__)

NORM = 20.0
"""Mean norm of the features that SVMs and regression learn from."""
AT_ONCE = 512
"""Crops that go through the network together: with more of them a CPU waits for memory."""
CANDIDATES = 100
"""Best proposals per class and image that suppression looks at."""
TINY = 1e-6
"""Least norm that features are scaled by."""


class Outputs(NamedTuple):
    """What the network sees in the regions of B images."""

    seen: Seen
    which: Tensor
    """(N,) int64 image of each region, ascending."""
    boxes: Tensor
    """(N, 4) xyxy pixels."""
    images: int
    """B."""


class RCNN(Detector):
    """R-CNN on proposals that the data brings along ("proposals" of each target, see ``DetectionData``).

    Args:
        class_names: given by the data.
        channels: of the images; given by the data.
        image_size: side of the square images in pixels; given by the data.
        backbone: "small_resnet" (crops of 64, 96, ... pixels) or a network of ``leyden.nets.zoo``.
        frozen_stages: so many of the backbone's first stages learn nothing.
        widths: of "small_resnet": channels of the stem, then of each stage; null: the backbone's.
        blocks: of "small_resnet": residual blocks likewise; null: the backbone's.
        stride: crop pixels per cell of the last feature map that is used.
        cells: in a row of that map after pooling.
        hidden: width of the two layers behind it.
        dropout: share of their inputs that a training step blanks.
        crop_size: side of the warped crops in pixels; the paper's is 227.
        context: of them, pixels around the warped box on each side.
        positives: regions with an object per training step, at most.
        negatives: regions without.
        foreground_iou: a region shows an object, for the network, that it overlaps by at least this.
        classifier: "svm", or "softmax": the network itself.
        hard_negatives: whether the SVMs look for them; otherwise each learns once, from 2000 negatives.
        svm_cost: C of the SVMs.
        regression: whether boxes are moved.
        penalty: of the regression's coefficients.
        svm_images: so many training images, evenly spread, are what SVMs and regression learn from; null: all.
        search: settings of selective search for images that come without proposals, those of the data; null: R-CNN's.
        common: see ``Detector``.

    Raises:
        ValueError: the backbone cannot take such crops, or the context leaves nothing of them.
    """

    def __init__(
        self,
        class_names: list[str],
        channels: int,
        image_size: int,
        backbone: str = "small_resnet",
        frozen_stages: int = 0,
        widths: list[int] | None = None,
        blocks: list[int] | None = None,
        stride: int = 16,
        cells: int = 2,
        hidden: int = 256,
        dropout: float = 0.5,
        crop_size: int = 64,
        context: int = 16,
        positives: int = 32,
        negatives: int = 96,
        foreground_iou: float = 0.5,
        classifier: Literal["svm", "softmax"] = "svm",
        hard_negatives: bool = True,
        svm_cost: float = 1e-3,
        regression: bool = True,
        penalty: float = 1000.0,
        svm_images: int | None = None,
        search: Search | None = None,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(class_names, channels, image_size, **common)
        self.save_hyperparameters(logger=False)
        if not 0 <= 2 * context < crop_size:
            raise ValueError(f"model.context={context} on both sides leaves nothing of model.crop_size={crop_size}")
        self.crop_size, self.context = crop_size, context
        self.positives, self.negatives, self.foreground_iou = positives, negatives, foreground_iou
        self.classifier, self.hard_negatives, self.svm_cost = classifier, hard_negatives, svm_cost
        self.regression, self.penalty = regression, penalty
        self.svm_images, self.search = svm_images, search or Search()
        classes = len(class_names)
        below = (backbone, 1 + classes, channels, crop_size, stride, cells, hidden, dropout)
        self.net = CropNet(*below, frozen_stages, widths, blocks)
        self.learnt: Tensor
        self.svm_weight: Tensor
        self.svm_bias: Tensor
        self.box_weight: Tensor
        self.box_bias: Tensor
        # Whether what follows belongs to the network as it is.
        self.register_buffer("learnt", torch.tensor(False))
        self.register_buffer("svm_weight", torch.zeros(classes, hidden))
        self.register_buffer("svm_bias", torch.zeros(classes))
        self.register_buffer("box_weight", torch.zeros(classes, self.net.pooled, 4))
        self.register_buffer("box_bias", torch.zeros(classes, 4))
        arrange(self.net, self.memory_format)

    def inputs(self, images: Tensor, targets: list[Target]) -> tuple[Tensor, list[Tensor]]:
        """The images and the proposals (n, 4) of each; they are searched for where a target has none."""
        found = [
            target["proposals"] if "proposals" in target else selective_search(image, **self.search)
            for image, target in zip(images, targets, strict=True)
        ]
        return images, [boxes.to(images.device) for boxes in found]

    def outputs(self, images: Tensor, proposals: list[Tensor]) -> Outputs:
        """uint8 images (B, C, S, S) and boxes (n, 4) in each to what the network sees there."""
        which = torch.arange(len(images)).repeat_interleave(torch.tensor([len(part) for part in proposals]))
        which, boxes = which.to(images.device), torch.cat(proposals)
        normalised = self.net.normalise(images)
        parts = [self.see(normalised, *part) for part in zip(boxes.split(AT_ONCE), which.split(AT_ONCE), strict=True)]
        seen = Seen(*(torch.cat(part) for part in zip(*parts, strict=True)))
        return Outputs(seen, which, boxes, len(images))

    def seen(self, images: Tensor) -> tuple[list[Tensor], Sequence[int]]:
        """None: the network looks at crops only."""
        return [], []

    def see(self, normalised: Tensor, boxes: Tensor, which: Tensor) -> Seen:
        """What the network says of boxes (N, 4) in the images ``which`` (N,) of (B, C, S, S)."""
        return self.net(crop(normalised, boxes, which, self.crop_size, self.context))

    def scores(self, seen: Seen) -> Tensor:
        """(N, C) in 0 .. 1."""
        if self.classifier == "softmax" or not self.learnt:
            return seen.logits.softmax(1)[:, 1:]
        return (2 * (seen.features @ self.svm_weight.T + self.svm_bias)).sigmoid()

    def moved(self, outputs: Outputs) -> Tensor:
        """The boxes as each class moves them, (N, C, 4), cut to the image."""
        boxes = outputs.boxes[:, None].expand(-1, len(self.class_names), -1)
        if self.regression and self.learnt:
            offsets = torch.einsum("np,cpk->nck", outputs.seen.pooled, self.box_weight) + self.box_bias
            boxes = decode(offsets, box_convert(boxes, "xyxy", "cxcywh"), PLAIN)
        return boxes.clamp(0, self.image_size)

    def answers(self, outputs: Outputs) -> list[Target]:
        """Those to the answers of each image, in pixels, best first."""
        counts = outputs.which.bincount(minlength=outputs.images).tolist()
        boxes, scores = self.moved(outputs), self.scores(outputs.seen)
        return self.suppressed(boxes.split(counts), scores.split(counts), CANDIDATES)

    def training_step(self, batch: tuple[Tensor, list[Target]], batch_index: int) -> Tensor:
        """One batch to the cross-entropy of its regions, some with and some without an object."""
        images, targets = batch
        drawn = draw(targets, len(self.class_names), self.positives, self.negatives, self.foreground_iou)
        if len(drawn.boxes) == 0:
            # Norms cannot do without anything, and DDP wants a gradient for each parameter.
            return 0.0 * torch.stack([parameter.sum() for parameter in self.net.parameters()]).sum()
        seen = self.see(self.net.normalise(images), drawn.boxes, drawn.which)
        loss = F.cross_entropy(seen.logits, drawn.classes)
        self.log_losses(loss)
        return loss

    def on_fit_start(self) -> None:
        """Looks whether there is data for SVMs and regression.

        Raises:
            ValueError: there is none.
        """
        if self._learns_later and not isinstance(getattr(self.trainer, "datamodule", None), DetectionData):
            raise ValueError("R-CNN's SVMs and regression learn from a DetectionData: trainer.fit(model, data)")

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """One step of the fine-tuning; after the last one SVMs and regression learn."""
        super().optimizer_step(*args, **kwargs)
        self.learnt.fill_(False)
        if self._learns_later and self.global_step + 1 >= self.trainer.estimated_stepping_batches:
            if self.trainer.is_global_zero:
                self.learn(self.trainer.datamodule)  # type: ignore[attr-defined]  # a connector sets it
            for learnt in (self.learnt, self.svm_weight, self.svm_bias, self.box_weight, self.box_bias):
                learnt.copy_(self.trainer.strategy.broadcast(learnt))

    @torch.no_grad()
    def learn(self, data: DetectionData) -> None:
        """Trains SVMs and regression on what the network sees in training images as they are, not augmented.

        Raises:
            FloatingPointError: it sees what is no number.
        """
        began = time.perf_counter()
        split = data.split("train")
        chosen = torch.linspace(0, len(split) - 1, min(self.svm_images or len(split), len(split))).long()
        training = self.training
        self.eval()
        examples = gather(split, chosen, data.batch_size, len(self.class_names), self._see_all)
        self.train(training)
        if not all(map(math.isfinite, examples.norms)):
            raise FloatingPointError("the network's features are not finite: lower the learning rate (model.lr)")
        log.info("features of %d regions: %.1f s", len(examples.labels), time.perf_counter() - began)
        began = time.perf_counter()
        if self.classifier == "svm":
            self._learn_classes(examples)
        if self.regression:
            self._learn_boxes(examples)
        self.learnt.fill_(True)
        log.info("SVMs and regression learnt from them: %.1f s", time.perf_counter() - began)

    def _learn_classes(self, examples: Examples) -> None:
        scale = NORM / max(examples.norms[0], TINY)
        features = examples.features.float() * scale
        found = train_svms(
            features, examples.counts, examples.labels, examples.negative, self.hard_negatives, self.svm_cost
        )
        self.svm_weight.copy_(found.weight * scale)
        self.svm_bias.copy_(found.bias)

    def _learn_boxes(self, examples: Examples) -> None:
        scale = NORM / max(examples.norms[1], TINY)
        for c in range(len(self.class_names)):
            own = examples.near_labels == c
            found = train_regression(examples.near[own].float() * scale, examples.offsets[own], self.penalty)
            self.box_weight[c].copy_(found.weight * scale)
            self.box_bias[c].copy_(found.bias)

    def _see_all(self, images: Tensor, regions: list[Tensor]) -> Seen:
        with self.trainer.precision_plugin.forward_context():
            return self.outputs(images.to(self.device), [boxes.to(self.device) for boxes in regions]).seen

    @property
    def _learns_later(self) -> bool:
        return self.regression or self.classifier == "svm"
