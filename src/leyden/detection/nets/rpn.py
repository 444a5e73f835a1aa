"""The region proposal network, RPN: boxes around objects of any class (Ren et al. 2015, section 3.1).

A 3x3 convolution slides over the feature map; at each place two 1x1 ones predict, for each of k anchors there, whether
it holds an object and how to move it. Training gives an anchor an object where their IoU is at least 0.7, and each
object the anchors that overlap it most, ties included; an anchor below 0.3 to all is background, the others are
ignored. Of 256 anchors per image, at most half with an object, it minimises (eq. 1)

    L = 1/N sum_i [ L_cls(p_i, p*_i) + p*_i smooth_L1(t_i - t*_i) ],      N = anchors sampled

with the cross-entropy of "an object or not" and smooth L1's parabola up to 1/9. The best anchors, moved, clipped to the
image and thinned out by non-maximum suppression at 0.7, are the proposals.

Departures: one sigmoid instead of a softmax of two, which is the same function; both parts have the weight 1 and the
same N, as in the authors' code (there is 10 and N_reg = places of the map in the paper: nearly the same).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import batched_nms, box_convert, box_iou

from leyden.core.distributed import mean_count
from leyden.data.columns import Target
from leyden.detection.boxes.anchors import anchor_sizes, grid_anchors
from leyden.detection.boxes.batch import pad_targets
from leyden.detection.boxes.box_coder import decode, encode
from leyden.detection.boxes.sampling import sample

BASE = 16
"""Pixels of the cell in which the authors' code rounds the shapes of anchors."""


def label_anchors(
    iou: Tensor, valid: Tensor, trainable: Tensor, high: float = 0.7, low: float = 0.3
) -> tuple[Tensor, Tensor]:
    """The label of each anchor, object or background, and its object.

    Args:
        iou: (B, M, A) overlap of objects and anchors.
        valid: (B, M) bool: what is not padding.
        trainable: (A,) bool: the others are left out before each object chooses the anchor that overlaps it most.
        high: with this IoU or more an anchor holds the object that it overlaps most.
        low: below it, it is background, unless no other overlaps some object more.

    Returns:
        (B, A) int64 labels: 1 object, 0 background, -1 neither; (B, A) int64, the object that each overlaps most.
    """
    iou = iou.masked_fill(~(valid[..., None] & trainable), 0)
    overlap, index = iou.max(1)
    best = iou.amax(2, keepdim=True)
    chosen = ((iou == best) & (best > 0)).any(1) | (overlap >= high)
    labels = torch.where(chosen, 1, torch.where(overlap < low, 0, -1))
    return labels.masked_fill(~trainable, -1), index


def rpn_loss(
    logits: Tensor, offsets: Tensor, labels: Tensor, targets: Tensor, sampled: Tensor, beta: float = 1 / 9
) -> tuple[Tensor, Tensor]:
    """The two parts of eq. 1, each over all anchors that were sampled, on all ranks.

    Args:
        logits: (B, A) of "an object".
        offsets: (B, A, 4) predicted.
        labels: (B, A): 1 object, 0 background.
        targets: (B, A, 4) coded objects; read where there is one.
        sampled: (B, A) bool.
        beta: where smooth L1's parabola meets its lines.

    Returns:
        objectness and box loss, (); the latter exactly 0 without objects.
    """
    objects = sampled & (labels > 0)
    count = mean_count(sampled.sum())
    box = F.smooth_l1_loss(offsets[objects], targets[objects], beta=beta, reduction="sum")
    sums = F.binary_cross_entropy_with_logits(logits[sampled], labels[sampled].float(), reduction="sum")
    return sums / count, box / count


class RPN(nn.Module):
    """RPN on one map with all anchors, or on the maps of a pyramid with one scale each.

    Args:
        channels: of the maps.
        image_size: side of the square images in pixels.
        strides: of the maps.
        sizes: cells in a row of the maps.
        scales: side of the anchors as fractions of the image: any number on one map, else one for each.
        ratios: height over width of the anchors.
        hidden: channels of the 3x3 convolution.
        anchors: per image that a step learns from.
        positive_fraction: at most this part of them hold an object.
        inside_only: anchors that reach beyond the image are not learned; an object at the border then has the best of
            those inside it.
        thresholds: high and low, see :func:`label_anchors`.
        before_nms: best anchors (of each map) that NMS looks at, in training and in a test.
        after_nms: best proposals that remain, in training and in a test.
        nms_iou: of two proposals that overlap more, the lesser is dropped.
        min_box_size: narrower or lower proposals are dropped, pixels.

    Attributes:
        priors: (A, 4) anchors, centre and size in pixels.
        corners: (A, 4) the same as xyxy.

    Raises:
        ValueError: scales that do not fit the maps.
    """

    priors: Tensor
    corners: Tensor

    def __init__(
        self,
        channels: int,
        image_size: int,
        strides: Sequence[int],
        sizes: Sequence[int],
        scales: Sequence[float],
        ratios: Sequence[float],
        hidden: int = 512,
        anchors: int = 256,
        positive_fraction: float = 0.5,
        inside_only: bool = False,
        thresholds: Sequence[float] = (0.7, 0.3),
        before_nms: Sequence[int] = (12000, 6000),
        after_nms: Sequence[int] = (2000, 300),
        nms_iou: float = 0.7,
        min_box_size: float = 16,
    ) -> None:
        super().__init__()
        several = len(strides) > 1
        if not scales or (several and len(scales) != len(strides)):
            raise ValueError(f"a map needs a scale, each of several just one: got model.scales={list(scales)}")
        self.image_size, self.anchors, self.positive_fraction = image_size, anchors, positive_fraction
        self.high, self.low = thresholds
        self.before_nms, self.after_nms, self.nms_iou = tuple(before_nms), tuple(after_nms), nms_iou
        self.min_box_size = min_box_size
        parts = [
            grid_anchors(anchor_sizes([image_size * scale / BASE for scale in own], ratios, BASE), cells, stride)
            for own, cells, stride in zip([[s] for s in scales] if several else [scales], sizes, strides, strict=True)
        ]
        self.counts = [len(part) for part in parts]
        """Anchors of each map."""
        priors = torch.cat(parts)
        self.register_buffer("priors", priors, persistent=False)
        self.register_buffer("corners", box_convert(priors, "cxcywh", "xyxy"), persistent=False)
        self.trainable: Tensor
        contained = ((self.corners >= 0) & (self.corners <= image_size)).all(1)
        self.register_buffer("trainable", contained | (not inside_only), persistent=False)
        self.level: Tensor
        level = torch.repeat_interleave(torch.arange(len(parts)), torch.tensor(self.counts))
        self.register_buffer("level", level, persistent=False)
        here = len(ratios) * (1 if several else len(scales))
        self.slide = nn.Conv2d(channels, hidden, 3, padding=1)
        self.objectness = nn.Conv2d(hidden, here, 1)
        self.offsets = nn.Conv2d(hidden, 4 * here, 1)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.01)  # section 3.1.3
            else:
                nn.init.zeros_(parameter)

    def forward(self, maps: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Maps (B, channels, f, f) to logits (B, A) of "an object" and offsets (B, A, 4), ordered like ``priors``."""
        logits, offsets = [], []
        for x in maps:
            hidden = F.relu(self.slide(x))
            logits.append(self.objectness(hidden).permute(0, 2, 3, 1).flatten(1))
            offsets.append(self.offsets(hidden).permute(0, 2, 3, 1).reshape(len(x), -1, 4))
        return torch.cat(logits, 1).float(), torch.cat(offsets, 1).float()

    def loss(self, logits: Tensor, offsets: Tensor, targets: list[Target]) -> tuple[Tensor, Tensor]:
        """Objectness and box loss of a random sample of anchors, see :func:`rpn_loss`."""
        objects = pad_targets(targets)
        iou = box_iou(objects.boxes, self.corners[None])
        labels, match = label_anchors(iou, objects.valid, self.trainable, self.high, self.low)
        sampled = sample(labels, self.anchors, self.positive_fraction)
        boxes = objects.boxes.gather(1, match[..., None].expand(-1, -1, 4))
        return rpn_loss(logits, offsets, labels, encode(boxes, self.priors, (1.0, 1.0)), sampled)

    @torch.no_grad()
    def propose(self, logits: Tensor, offsets: Tensor) -> list[Tensor]:
        """The outputs of :meth:`forward` as proposals of each image: (n, 4) xyxy pixels inside it, best first.

        No gradient flows into them: "approximate joint training" (section 3.2).
        """
        before, after = (numbers[0 if self.training else 1] for numbers in (self.before_nms, self.after_nms))
        boxes = decode(offsets, self.priors, (1.0, 1.0)).clamp(0, self.image_size)
        small = (boxes[..., 2:] - boxes[..., :2]).amin(2) < self.min_box_size
        scores = logits.masked_fill(small, -torch.inf)
        start, best = 0, []
        for count in self.counts:
            part = scores[:, start : start + count]
            best.append(start + part.topk(min(before, count), 1).indices)
            start += count
        proposals = []
        for own, score, places in zip(boxes, scores, torch.cat(best, 1), strict=True):
            places = places[score[places] > -torch.inf]
            kept = batched_nms(own[places], score[places], self.level[places], self.nms_iou)[:after]
            proposals.append(own[places[kept]])
        return proposals
