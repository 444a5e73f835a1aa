"""R-CNN: regions with CNN features (Girshick et al. 2014, https://arxiv.org/abs/1311.2524).

Every proposal (selective search's, made beforehand) is warped to one size, goes through a network on its own, is scored
by one linear SVM per class, and moved by a linear map. Three learners follow each other (section 2.3, appendices B and
C), each with its own idea of a positive:

    network             softmax over C + 1 classes, batches of 32 objects (IoU >= 0.5) and 96 others
    SVMs on fc7         positives: the objects' own boxes; negatives: IoU < 0.3 with the class; between: ignored;
                        hard negatives are mined in all regions
    regression on pool5 regions with IoU > 0.6, towards the object they overlap most

Both kinds of features are scaled to a mean norm of 20. Testing scores all proposals, moves them, and suppresses those
that overlap a better one of their class by more than 0.3.

The SVMs and the regression are fitted within the last optimizer step of a run, to the network as it then is, so every
validation and checkpoint after it has them, and a run that was stopped before goes on to the same end. Until then, and
where a run ends early, the softmax scores. So that softmax and SVMs do not compete for the best checkpoint, validate
once, at the end: trainer.check_val_every_n_epoch = trainer.max_epochs.

Departures: crops of 64 pixels and a small network instead of 227 and AlexNet; a batch draws its regions from the images
of the batch, not of the whole set; a run mirrors images (``data.flip``), not crops; scores are mapped from the margin s
to 1 / (1 + exp(-2 s)), which lies in 0 .. 1 with 0.5 at the SVM's boundary and keeps every order, on which alone AP
depends; all detections count, where the paper's code keeps at most 40 per class and image on average. The regression's
penalty is the paper's 1000 for VOC's 5,000 images, also for the 300 (``svm_images``) of our labs: against a sum over
fewer regions it weighs more, and boxes move less (``model.penalty``).
"""

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Unpack

import torch
from torch import Tensor
from torch.nn import functional as F

from leyden.data.columns import Scenes, Target
from leyden.data.splits import Split
from leyden.detection.boxes.batch import Detections
from leyden.detection.data import training_split
from leyden.detection.detector import Detector
from leyden.detection.nets.rcnn import CropFeatures, CropNet
from leyden.detection.options import DetectorKwargs, DetectorOptions
from leyden.detection.proposals.selective_search import Search, proposals_of
from leyden.detection.svm_stage.crops import crop
from leyden.detection.svm_stage.examples import gather_examples, sample_regions
from leyden.detection.svm_stage.head import SVMHead
from leyden.nets.memory_format import arrange

log = logging.getLogger(__name__)

AT_ONCE = 512
"""Crops that go through the network together: with more of them a CPU waits for memory."""
CANDIDATES = 100
"""Best proposals per class and image that NMS looks at."""


class Outputs(NamedTuple):
    """The network's features of the regions of B images."""

    crops: CropFeatures
    image: Tensor
    """(N,) int64 image of each region, ascending."""
    boxes: Tensor
    """(N, 4) xyxy pixels."""
    images: int
    """B."""


@dataclass(frozen=True, kw_only=True)
class RCNNOptions(DetectorOptions):
    """The shared options with the values of this technique."""

    widths: Sequence[int] | None = (48, 128, 128)
    blocks: Sequence[int] | None = (1, 2, 1)
    nms_iou: float = 0.3
    score_threshold: float = 0.05
    lr: float = 2e-3


class RCNN(Detector):
    """R-CNN on proposals that the data has ("proposals" of each target, see ``DetectionData``).

    Args:
        class_names: given by the data.
        channels: of the images; given by the data.
        image_size: side of the square images in pixels; given by the data.
        stride: crop pixels per cell of the last feature map that is used.
        cells: in a row of that map after pooling.
        hidden: width of the two layers behind it.
        dropout: probability with which one of their inputs is dropped in training.
        crop_size: side of the warped crops in pixels; the paper's is 227.
        context: pixels of a crop around the warped box on each side.
        positives: regions with an object per training step, at most.
        negatives: regions without.
        foreground_iou: for the network, a region shows an object that it overlaps by at least this.
        classifier: "svm", or "softmax": the network itself.
        hard_negatives: whether the SVMs mine them; otherwise each is fitted once, to 2000 negatives.
        svm_cost: C of the SVMs.
        regression: whether boxes are moved.
        penalty: of the regression's coefficients; the paper's, though fewer images want less.
        svm_images: training images, evenly spread, that SVMs and regression are fitted to; None: all.
        search: settings of selective search for images that come without proposals; None: R-CNN's.
        options: see ``RCNNOptions``; the backbone takes crops, with "small_resnet" of 64, 96, ... pixels.

    Raises:
        ValueError: the backbone cannot take such crops, or the context leaves nothing of them.
    """

    options_type = RCNNOptions

    def __init__(
        self,
        class_names: list[str],
        channels: int,
        image_size: int,
        stride: int = 16,
        cells: int = 2,
        hidden: int = 256,
        dropout: float = 0.1,
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
        **options: Unpack[DetectorKwargs],
    ) -> None:
        super().__init__(class_names, channels, image_size, **options)
        self.save_hyperparameters(logger=False)
        if not 0 <= 2 * context < crop_size:
            raise ValueError(f"model.context={context} on both sides leaves nothing of model.crop_size={crop_size}")
        self.crop_size, self.context = crop_size, context
        self.positives, self.negatives, self.foreground_iou = positives, negatives, foreground_iou
        self.classifier, self.hard_negatives, self.svm_cost = classifier, hard_negatives, svm_cost
        self.regression, self.penalty = regression, penalty
        self.svm_images, self.search = svm_images, search or Search()
        classes = len(class_names)
        self.net = CropNet(self.options, 1 + classes, channels, crop_size, stride, cells, hidden, dropout)
        self.svm_head = SVMHead(classes, hidden, self.net.pooled)
        arrange(self.net, self.options.memory_format)

    def inputs(self, images: Tensor, targets: list[Target]) -> tuple[Tensor, list[Tensor]]:
        """The images and the proposals (n, 4) of each; they are searched for where a target has none."""
        return images, proposals_of(images, targets, self.search)

    def outputs(self, images: Tensor, proposals: list[Tensor]) -> Outputs:
        """uint8 images (B, C, S, S) and boxes (n, 4) in each to the network's features of them."""
        image = torch.arange(len(images)).repeat_interleave(torch.tensor([len(part) for part in proposals]))
        image, boxes = image.to(images.device), torch.cat(proposals)
        normalised = self.net.normalise(images)
        parts = zip(boxes.split(AT_ONCE), image.split(AT_ONCE), strict=True)
        crops = [self.crop_features(normalised, *part) for part in parts]
        return Outputs(CropFeatures(*(torch.cat(part) for part in zip(*crops, strict=True))), image, boxes, len(images))

    def crop_features(self, normalised: Tensor, boxes: Tensor, image: Tensor) -> CropFeatures:
        """The network's features of boxes (N, 4) in the images ``image`` (N,) of (B, C, S, S)."""
        return self.net(crop(normalised, boxes, image, self.crop_size, self.context))

    def feature_maps(self, images: Tensor) -> tuple[list[Tensor], Sequence[int]]:
        """Two empty lists: the network takes crops only."""
        return [], []

    def scores(self, crops: CropFeatures) -> Tensor:
        """Scores (N, C) in 0 .. 1: the SVMs', or the softmax where there are none yet."""
        if self.classifier == "softmax" or not self.svm_head.fitted:
            return crops.logits.softmax(1)[:, 1:]
        return self.svm_head.scores(crops.features)

    def moved(self, outputs: Outputs) -> Tensor:
        """The boxes as each class moves them, (N, C, 4), cut to the image."""
        boxes = outputs.boxes[:, None].expand(-1, len(self.class_names), -1)
        if self.regression and self.svm_head.fitted:
            boxes = self.svm_head.moved(boxes, outputs.crops.pooled)
        return boxes.clamp(0, self.image_size)

    def postprocess(self, outputs: Outputs) -> list[Detections]:
        """Scores, moved boxes and NMS: the detections of each image, in pixels, best first."""
        counts = outputs.image.bincount(minlength=outputs.images).tolist()
        boxes, scores = self.moved(outputs), self.scores(outputs.crops)
        return self.nms(boxes.split(counts), scores.split(counts), CANDIDATES)

    def training_step(self, batch: Scenes, batch_index: int) -> Tensor:
        """One batch to the cross-entropy of its regions, some with and some without an object."""
        images, targets = batch
        sampled = sample_regions(targets, len(self.class_names), self.positives, self.negatives, self.foreground_iou)
        if len(sampled.boxes) == 0:
            # Norms cannot do without anything, and DDP wants a gradient for each parameter.
            return 0.0 * torch.stack([parameter.sum() for parameter in self.net.parameters()]).sum()
        crops = self.crop_features(self.net.normalise(images), sampled.boxes, sampled.image)
        loss = F.cross_entropy(crops.logits, sampled.classes)
        self.log_losses(loss)
        return loss

    def on_train_start(self) -> None:
        """Looks whether there is data for SVMs and regression before the training.

        Raises:
            ValueError: the training batches do not come from a ``leyden.data.loader.Loader``.
        """
        if self._fits_svm_head:
            training_split(self.trainer)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """A step of the fine-tuning; the last one is followed by SVMs and regression."""
        super().optimizer_step(*args, **kwargs)
        self.svm_head.fitted.fill_(False)
        if self._fits_svm_head and self.global_step + 1 >= self.trainer.estimated_stepping_batches:
            if self.trainer.is_global_zero:
                self.fit_svm_head(*training_split(self.trainer))
            for buffer in self.svm_head.buffers():
                buffer.copy_(self.trainer.strategy.broadcast(buffer))

    @torch.no_grad()
    def fit_svm_head(self, split: Split, batch_size: int) -> None:
        """Fits SVMs and regression to the network's features of training images.

        Args:
            split: the training examples, not augmented.
            batch_size: images that the network gets together.

        Raises:
            FloatingPointError: the features are not finite.
        """
        start = time.perf_counter()
        chosen = torch.linspace(0, len(split) - 1, min(self.svm_images or len(split), len(split))).long()
        training = self.training
        self.eval()
        examples = gather_examples(split, chosen, batch_size, len(self.class_names), self._features_of_regions)
        self.train(training)
        if not math.isfinite(examples.feature_norm + examples.pooled_norm):
            raise FloatingPointError("the network's features are not finite: lower the learning rate (model.lr)")
        log.info("features of %d regions: %.1f s", len(examples.regions.labels), time.perf_counter() - start)
        start = time.perf_counter()
        if self.classifier == "svm":
            self.svm_head.fit_svms(examples, self.hard_negatives, self.svm_cost)
        if self.regression:
            self.svm_head.fit_regression(examples, self.penalty)
        self.svm_head.fitted.fill_(True)
        log.info("SVMs and regression fitted to them: %.1f s", time.perf_counter() - start)

    def _features_of_regions(self, images: Tensor, regions: list[Tensor]) -> CropFeatures:
        with self.trainer.precision_plugin.forward_context():
            return self.outputs(images.to(self.device), [boxes.to(self.device) for boxes in regions]).crops

    @property
    def _fits_svm_head(self) -> bool:
        return self.regression or self.classifier == "svm"
