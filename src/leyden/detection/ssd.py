"""SSD: a single shot multibox detector (Liu et al. 2016, https://arxiv.org/abs/1512.02325).

One pass of a network answers at every cell of several feature maps, for a few default boxes there: how to move it and
what is in it (or background). Training gives each object the default box that overlaps it most, and all others with
IoU > 0.5, and minimises (eqs. 1 to 3)

    L = (L_conf + alpha L_loc) / N,      N = matched default boxes; L = 0 where N = 0
    L_loc  = sum over matched boxes of smooth_L1(offsets - encode(object))
    L_conf = cross-entropy of the matched boxes and of the hardest negatives, three for each match of the same image

Testing decodes all boxes, drops scores below 0.01, suppresses overlaps above 0.45 class by class, keeps 200.

Departures: random crops and zooms are the data's (``data=detection/annotated``; scenes come ready made); "light" is a
small residual network instead of VGG16, so that two CPU cores train it in minutes; matching is the authors' code's,
where no object loses its box to another.
"""

import math
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from leyden.data.source.annotated import learnable
from leyden.detection.boxes import Padded, Target, pad, suppress
from leyden.detection.coders import decode, encode
from leyden.detection.detector import Detector
from leyden.detection.matching import batch_iou, match_priors
from leyden.detection.ssd_nets import SSDNet
from leyden.nets.memory_format import MemoryFormat, arrange
from leyden.pictures.default_boxes import draw_default_boxes
from leyden.pictures.record import log_picture


def ssd_loss(
    offsets: Tensor, logits: Tensor, targets: Tensor, classes: Tensor, negatives: float = 3.0
) -> tuple[Tensor, Tensor]:
    """The two sums of eq. 1, each over N.

    Args:
        offsets: (B, P, 4) predicted, coded.
        logits: (B, P, C + 1), background first.
        targets: (B, P, 4) coded objects; read at matched boxes only.
        classes: (B, P) int64: 0 for background, c + 1 for a box that is matched to an object of class c.
        negatives: hardest negatives per match, image by image.

    Returns:
        localisation and confidence loss, (); both exactly 0 if nothing is matched.
    """
    matched = classes > 0
    count = matched.sum().clamp(min=1)
    localisation = F.smooth_l1_loss(offsets[matched], targets[matched], reduction="sum")
    entropy = F.cross_entropy(logits.flatten(0, 1), classes.flatten(), reduction="none").view_as(classes)
    hardest = entropy.masked_fill(matched, 0).sort(1, descending=True).values
    quota = negatives * matched.sum(1, keepdim=True)
    mined = torch.arange(classes.shape[1], device=classes.device) < quota
    return localisation / count, (entropy[matched].sum() + hardest[mined].sum()) / count


class SSD(Detector):
    """SSD on a light backbone, or on VGG16 at 300 pixels as in the paper (there 8732 default boxes).

    Args:
        class_names: given by the data.
        channels: of the images; given by the data.
        image_size: side of the square images in pixels; given by the data.
        backbone: "light" (sides divisible by 32, from 64 on) or "vgg16" (300 only).
        weights: file with weights to start from: for vgg16 torchvision's VGG16, for light a state dict of the backbone
            or a checkpoint of this technique; null starts from random ones.
        widths: light: channels of the stem, then of the feature maps; null: the backbone's.
        blocks: light: residual blocks of the stem, then of each feature map; null: the backbone's.
        scales: side of the default boxes of each map, and one more, as fractions of the image; null: the backbone's.
        ratios: aspect ratios of the default boxes of each map, besides 1; null: the backbone's.
        match_iou: a default box belongs to an object that it overlaps more than this.
        negatives: hardest negatives that are learnt per matched box.
        alpha: weight of the localisation loss.
        variances: divisors of the coded centres and sizes.
        least_score: answers below are dropped.
        nms_iou: of two answers of one class that overlap more, the lesser is dropped.
        keep: most answers per image.
        shown_score: least score of answers that pictures show and ``predict`` gives.
        optimizer: "adamw", or "sgd" with momentum 0.9 as in the paper.
        lr: greatest learning rate.
        weight_decay: of convolution weights; norms and biases are spared.
        warmup: share of the steps in which the rate grows from 0; then it falls to 0 along a cosine.
        memory_format: "contiguous" or "channels_last".

    Raises:
        ValueError: the backbone cannot take such images.
    """

    def __init__(
        self,
        class_names: list[str],
        channels: int,
        image_size: int,
        backbone: Literal["light", "vgg16"] = "light",
        weights: str | None = None,
        widths: list[int] | None = None,
        blocks: list[int] | None = None,
        scales: list[float] | None = None,
        ratios: list[list[float]] | None = None,
        match_iou: float = 0.5,
        negatives: float = 3.0,
        alpha: float = 1.0,
        variances: list[float] | None = None,
        least_score: float = 0.01,
        nms_iou: float = 0.45,
        keep: int = 200,
        shown_score: float = 0.5,
        optimizer: Literal["adamw", "sgd"] = "adamw",
        lr: float = 5e-3,
        weight_decay: float = 1e-2,
        warmup: float = 0.1,
        memory_format: MemoryFormat = "contiguous",
    ) -> None:
        super().__init__(class_names, channels, image_size, shown_score)
        self.save_hyperparameters(logger=False)
        self.weights = weights
        self.match_iou, self.negatives, self.alpha = match_iou, negatives, alpha
        self.least_score, self.nms_iou, self.keep = least_score, nms_iou, keep
        self.optimizer_name, self.lr, self.weight_decay, self.warmup = optimizer, lr, weight_decay, warmup
        self.net = SSDNet(backbone, 1 + len(class_names), channels, image_size, widths, blocks, scales, ratios)
        centre, size = variances or (0.1, 0.2)
        self.variances = (centre, size)
        arrange(self, memory_format)

    def setup(self, stage: str) -> None:
        """Takes weights from a file before the first training; what is resumed has learnt further already."""
        if stage == "fit" and self.weights is not None and self.trainer.ckpt_path is None:
            self.net.load(self.weights)

    def outputs(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 images (B, C, S, S) to offsets (B, P, 4) and logits (B, P, C + 1) of all default boxes."""
        return self.net(images)

    def answers(self, outputs: tuple[Tensor, Tensor]) -> list[Target]:
        """Those to the answers of each image, in pixels, best first."""
        offsets, logits = outputs
        boxes = decode(offsets, self.net.priors, self.variances).clamp(0, 1) * self.image_size
        scores = logits.softmax(2)[..., 1:]
        return [
            suppress(b, s, self.least_score, self.nms_iou, 2 * self.keep, self.keep)
            for b, s in zip(boxes, scores, strict=True)
        ]

    def match(self, things: Padded) -> Tensor:
        """The object (B, P) that each default box is to answer for, -1 for background; boxes as fractions."""
        return match_priors(batch_iou(things.boxes, self.net.corners), things.real, self.match_iou)

    def assign(self, targets: list[Target]) -> tuple[Tensor, Tensor]:
        """What each default box should say: coded boxes (B, P, 4) and classes (B, P), 0 for background."""
        things = pad(targets, 1 / self.image_size)
        match = self.match(things)
        chosen = match.clamp(min=0)
        classes = (things.labels.gather(1, chosen) + 1).masked_fill(match < 0, 0)
        boxes = things.boxes.gather(1, chosen[..., None].expand(-1, -1, 4))
        return encode(boxes, self.net.priors, self.variances), classes

    def training_step(self, batch: tuple[Tensor, list[Target]], batch_index: int) -> Tensor:
        """One batch to its loss, L of eq. 1."""
        images, targets = batch
        offsets, logits = self.net(images)
        localisation, confidence = ssd_loss(offsets, logits, *self.assign(targets), self.negatives)
        loss = confidence + self.alpha * localisation
        every: int = self.trainer.log_every_n_steps  # type: ignore[attr-defined]  # a connector sets it
        if every > 0 and (self.global_step + 1) % every == 0:
            self.log("train/loss", loss.detach(), prog_bar=True)
            self.log("train/loss_box", localisation.detach())
            self.log("train/loss_class", confidence.detach())
        return loss

    def show(self, stage: str, images: Tensor, answers: list[Target], targets: list[Target]) -> None:
        """Also the default boxes, which no training changes, and their matches."""
        super().show(stage, images, answers, targets)
        if stage == "test":
            learnt = [learnable(target) for target in targets[:7]]  # with the shapes two rows of four
            match = self.match(Padded(*(part.to(self.device) for part in pad(learnt, 1 / self.image_size))))
            corners = self.net.corners * self.image_size
            log_picture(self, "default_boxes", draw_default_boxes(images[:7], learnt, corners, match, self.net.maps))

    def configure_optimizers(self) -> Any:
        """Weight decay on weights only; a linear warm-up, then a cosine to zero."""
        decayed = [p for p in self.parameters() if p.ndim > 1]
        spared = [p for p in self.parameters() if p.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": self.weight_decay}, {"params": spared, "weight_decay": 0.0}]
        optimizer = (
            torch.optim.SGD(groups, lr=self.lr, momentum=0.9)
            if self.optimizer_name == "sgd"
            else torch.optim.AdamW(groups, lr=self.lr)
        )
        total = self.trainer.estimated_stepping_batches
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: warm_cosine(step / total, self.warmup))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def warm_cosine(progress: float, warmup: float) -> float:
    """The factor on the learning rate at ``progress`` in [0, 1]: up to 1 along a line, down to 0 along a cosine."""
    if progress < warmup:
        return (progress + 1e-3) / (warmup + 1e-3)
    return (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup))) / 2
