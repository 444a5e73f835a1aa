"""SSD: a single shot multibox detector (Liu et al. 2016, https://arxiv.org/abs/1512.02325).

One pass of a network predicts at every cell of several feature maps, for a few default boxes there, how to move the box
and which class (or background) is in it. Training gives each object the default box that overlaps it most, and all
others with IoU > 0.5, and minimises (eqs. 1 to 3)

    L = (L_conf + alpha L_loc) / N,      N = matched default boxes; L = 0 where N = 0
    L_loc  = sum over matched boxes of smooth_L1(offsets - encode(object))
    L_conf = cross-entropy of the matched boxes and of the hardest negatives, three for each match of the same image

Testing decodes all boxes, drops scores below 0.01, suppresses overlaps above 0.45 class by class, keeps 200.

Departures: random crops and zooms are the data's (``data=detection/annotated``; scenes come ready made); "small_resnet"
is a small residual network instead of VGG16, so that two CPU cores train it in minutes, and any network of the zoo can
take its place; matching is that of the authors' code, where no object loses its box to another.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Unpack

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import box_iou

from leyden.core.distributed import mean_count
from leyden.core.technique import Exportable
from leyden.data.columns import Scenes, Target
from leyden.data.source.annotations.annotated import learnable
from leyden.detection.boxes.batch import Detections, PaddedTargets, pad_targets
from leyden.detection.boxes.box_coder import decode, encode
from leyden.detection.boxes.matching import match_priors
from leyden.detection.detector import Detector
from leyden.detection.evaluation.evaluator import Examples
from leyden.detection.export import export_before_nms
from leyden.detection.nets.ssd import SSDNet
from leyden.detection.options import DetectorKwargs, DetectorOptions
from leyden.nets.memory_format import arrange
from leyden.visualization.detection.default_boxes import draw_default_boxes
from leyden.visualization.logging import log_image


def ssd_loss(
    offsets: Tensor, logits: Tensor, targets: Tensor, classes: Tensor, negatives: float | None = 3.0
) -> tuple[Tensor, Tensor]:
    """The two sums of eq. 1, each over N, which counts the boxes of all ranks.

    Args:
        offsets: (B, P, 4) predicted, coded.
        logits: (B, P, C + 1), background first.
        targets: (B, P, 4) coded objects; read at matched boxes only.
        classes: (B, P) int64: 0 for background, c + 1 for a box that is matched to an object of class c.
        negatives: hardest negatives per match, image by image; None: all of them, also in images without a match.

    Returns:
        localisation and confidence loss, (); both exactly 0 if nothing is matched.
    """
    matched = classes > 0
    count = mean_count(matched.sum())
    localisation = F.smooth_l1_loss(offsets[matched], targets[matched], reduction="sum")
    entropy = F.cross_entropy(logits.flatten(0, 1), classes.flatten(), reduction="none").view_as(classes)
    if negatives is None:
        return localisation / count, entropy.sum() * matched.any() / count
    hardest = entropy.masked_fill(matched, 0).sort(1, descending=True).values
    quota = negatives * matched.sum(1, keepdim=True)
    mined = torch.arange(classes.shape[1], device=classes.device) < quota
    return localisation / count, (entropy[matched].sum() + hardest[mined].sum()) / count


@dataclass(frozen=True, kw_only=True)
class SSDOptions(DetectorOptions):
    """The shared options with the values of this technique."""

    widths: Sequence[int] | None = (48, 128, 128, 128, 128)
    blocks: Sequence[int] | None = (1, 2, 1, 1, 0)


class SSD(Detector):
    """SSD on VGG16 at 300 or 512 pixels as in the paper (8732 or 24564 default boxes), or on another backbone.

    Args:
        class_names: given by the data.
        channels: of the images; given by the data.
        image_size: side of the square images in pixels; given by the data.
        scales: side of the default boxes of each map, and one more, as fractions of the image.
        ratios: aspect ratios of the default boxes of each map, besides 1.
        match_iou: a default box belongs to an object that it overlaps more than this.
        negatives: hardest negatives that are learned per matched box; null: all negatives.
        alpha: weight of the localisation loss.
        variances: divisors of the coded centres and sizes.
        options: see ``SSDOptions``; ``backbone`` may also be "vgg16" at 300 or 512 pixels.

    Raises:
        ValueError: the backbone cannot take such images, or scales and ratios do not fit its maps.
    """

    options_type = SSDOptions

    def __init__(
        self,
        class_names: list[str],
        channels: int,
        image_size: int,
        scales: Sequence[float] = (0.15, 0.27, 0.42, 0.6, 0.8),
        ratios: Sequence[Sequence[float]] = ((2.0,), (2.0, 3.0), (2.0, 3.0), (2.0,)),
        match_iou: float = 0.5,
        negatives: float | None = 3.0,
        alpha: float = 1.0,
        variances: Sequence[float] = (0.1, 0.2),
        **options: Unpack[DetectorKwargs],
    ) -> None:
        super().__init__(class_names, channels, image_size, **options)
        self.save_hyperparameters(logger=False)
        self.match_iou, self.negatives, self.alpha = match_iou, negatives, alpha
        self.net = SSDNet(self.options, 1 + len(class_names), channels, image_size, scales, ratios)
        centre, size = variances
        self.variances = (centre, size)
        arrange(self, self.options.memory_format)

    def load_pretrained(self, weights: str) -> None:
        """Loads the backbone's weights, also those of VGG16, see ``SSDNet.load_pretrained``."""
        self.net.load_pretrained(weights)

    def feature_maps(self, images: Tensor) -> tuple[list[Tensor], Sequence[int]]:
        """The maps (B, width, f, f) of images, also those of VGG16, and the strides of each."""
        return self.net.features(images), self.net.features.strides

    def outputs(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 images (B, C, S, S) to offsets (B, P, 4) and logits (B, P, C + 1) of all default boxes."""
        return self.net(images)

    def decode(self, outputs: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Offsets and logits as boxes (B, P, 4) in pixels and the probabilities (B, P, C) of the classes."""
        offsets, logits = outputs
        boxes = decode(offsets, self.net.priors, self.variances).clamp(0, 1) * self.image_size
        return boxes, logits.softmax(2)[..., 1:]

    def postprocess(self, outputs: tuple[Tensor, Tensor]) -> list[Detections]:
        """Decoding and NMS: the detections of each image, in pixels, best first."""
        return self.nms(*self.decode(outputs), candidates=2 * self.options.max_detections)

    def export_network(self) -> Exportable:
        """The network and its decoding, without NMS."""
        return export_before_nms(self, self.decode)

    def match(self, objects: PaddedTargets) -> Tensor:
        """The object (B, P) that each default box learns, -1 for background; boxes as fractions."""
        return match_priors(box_iou(objects.boxes, self.net.corners[None]), objects.valid, self.match_iou)

    def assign(self, targets: list[Target]) -> tuple[Tensor, Tensor]:
        """What each default box learns: coded boxes (B, P, 4) and classes (B, P), 0 for background."""
        objects = pad_targets(targets, 1 / self.image_size)
        match = self.match(objects)
        chosen = match.clamp(min=0)
        classes = (objects.labels.gather(1, chosen) + 1).masked_fill(match < 0, 0)
        boxes = objects.boxes.gather(1, chosen[..., None].expand(-1, -1, 4))
        return encode(boxes, self.net.priors, self.variances), classes

    def training_step(self, batch: Scenes, batch_index: int) -> Tensor:
        """One batch to its loss, L of eq. 1."""
        images, targets = batch
        offsets, logits = self.net(images)
        localisation, confidence = ssd_loss(offsets, logits, *self.assign(targets), self.negatives)
        loss = confidence + self.alpha * localisation
        self.log_losses(loss, box=localisation, **{"class": confidence})
        return loss

    def log_examples(self, stage: str, examples: Examples) -> None:
        """Logs also the default boxes, which no training changes, and their matches."""
        super().log_examples(stage, examples)
        if stage == "test":
            targets = [learnable(target) for target in examples.targets[:7]]  # with the shapes two rows of four
            objects = pad_targets(targets, 1 / self.image_size)
            match = self.match(PaddedTargets(*(part.to(self.device) for part in objects)))
            corners = self.net.corners * self.image_size
            drawn = draw_default_boxes(examples.images[:7], targets, corners, match, self.net.maps)
            log_image(self, "default_boxes", drawn)
