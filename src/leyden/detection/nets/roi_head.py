"""The head of Fast and Faster R-CNN on regions of interest (RoIs): pooling, layers, losses (Girshick 2015).

A RoI's part of the feature map is max-pooled to a grid of fixed size, goes through two fully connected layers and then
into two sibling ones: C + 1 class logits, background first, and four offsets for each class.

RoI pooling (section 2.1) divides the window into size x size cells whose edges are rounded to whole cells of the map.
On a CPU it is six to ten times as fast as the RoIAlign of later detectors, forward and backward.

Departure: our corners are edges (a box of 16 pixels ends at x1 + 16), the authors' the last pixel (x1 + 15), which is
what torchvision's ``roi_pool`` rounds and counts in. It gets ours as they are, so that a window may reach a cell of the
map further to the right or below than theirs.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import box_convert, roi_pool

from leyden.core.distributed import mean_count
from leyden.detection.boxes.box_coder import decode, encode
from leyden.detection.boxes.roi_sampling import SampledRoIs


class RoIOutputs(NamedTuple):
    """The head's predictions for the RoIs of a batch."""

    rois: Tensor
    """(N, 4) xyxy pixels, image by image."""
    counts: list[int]
    """RoIs of each image."""
    logits: Tensor
    """(N, C + 1), background first."""
    offsets: Tensor
    """(N, C, 4), normalised."""


def multitask_loss(
    logits: Tensor, offsets: Tensor, classes: Tensor, targets: Tensor, beta: float = 1.0
) -> tuple[Tensor, Tensor]:
    """The two parts of eq. 1, each a mean over all RoIs of all ranks.

        L_cls = -log p_u        L_loc = [u >= 1] sum over x, y, w, h of smooth_L1(t^u - v)

    Args:
        logits: (N, C + 1), background first.
        offsets: (N, C, 4) predicted, normalised.
        classes: (N,) int64 u: 0 for background.
        targets: (N, 4) v, normalised; read where there is an object.
        beta: where smooth L1's parabola meets its lines, in normalised offsets.

    Returns:
        class and box loss, (); the latter exactly 0 without objects, both for N = 0.
    """
    objects = classes.nonzero().flatten()
    predicted = offsets[objects, classes[objects] - 1]
    box = F.smooth_l1_loss(predicted, targets[objects], beta=beta, reduction="sum")
    entropy = F.cross_entropy(logits, classes, reduction="sum")
    count = mean_count(torch.ones_like(classes).sum())
    return entropy / count, box / count


def pyramid_level(rois: Tensor, strides: Sequence[int], cells: float = 14) -> Tensor:
    """The map of a pyramid that each RoI is pooled from (Lin et al. 2017, eq. 1).

        k = floor(log2(sqrt(w h) / (cells stride_0)))      limited to the maps that there are

    With 14 cells and stride_0 = 4, whose map is the paper's P2, it is the paper's floor(4 + log2(sqrt(w h) / 224)).

    Args:
        rois: (N, 4) xyxy pixels.
        strides: of the maps, each twice the one before.
        cells: a RoI of this side belongs to the second map, in cells of the first.

    Returns:
        (N,) int64.
    """
    side = (rois[:, 2:] - rois[:, :2]).prod(1).sqrt()
    level = (side / (cells * strides[0])).clamp(min=1e-6).log2() + 1e-6
    return level.floor().long().clamp(0, len(strides) - 1)


def pool_rois(
    maps: list[Tensor], rois: Tensor, image: Tensor, strides: Sequence[int], size: int, cells: float = 14
) -> Tensor:
    """RoI max-pooling, each RoI on its map.

    Args:
        maps: (B, width, f, f) each.
        rois: (N, 4) xyxy pixels.
        image: (N,) int64, the image of each.
        strides: of the maps.
        size: cells in a row of the result.
        cells: see :func:`pyramid_level`.

    Returns:
        (N, width, size, size) float32.
    """
    numbered = torch.cat([image[:, None].to(rois.dtype), rois], 1)
    if len(maps) == 1:
        return roi_pool(maps[0].float(), numbered, size, 1 / strides[0])
    level = pyramid_level(rois, strides, cells)
    places = [(level == k).nonzero().flatten() for k in range(len(maps))]
    parts = [
        roi_pool(x.float(), numbered[place], size, 1 / stride)
        for x, place, stride in zip(maps, places, strides, strict=True)
    ]
    return torch.cat(parts)[torch.cat(places).argsort()]


def truncate_svd(layer: nn.Linear, rank: int) -> nn.Sequential:
    """A fully connected layer of u x v weights as two with t (u + v) (section 3.1, eq. 5).

        W ~ U_t S_t V_t'      first S_t V_t' without a bias, then U_t with the layer's own

    Args:
        layer: stays as it is.
        rank: t, the greatest singular values that are kept.

    Raises:
        ValueError: there are fewer singular values, or none are wanted.
    """
    if not 1 <= rank <= min(layer.weight.shape):
        raise ValueError(f"model.svd: a layer of {tuple(layer.weight.shape)} has ranks 1 to {min(layer.weight.shape)}")
    left, values, right = torch.linalg.svd(layer.weight.detach(), full_matrices=False)
    with torch.device(layer.weight.device):
        first, second = nn.Linear(layer.in_features, rank, bias=False), nn.Linear(rank, layer.out_features)
    with torch.no_grad():
        first.weight.copy_(values[:rank, None] * right[:rank])
        second.weight.copy_(left[:, :rank])
        second.bias.copy_(layer.bias)
    return nn.Sequential(first, second)


class RoIHead(nn.Module):
    """RoI pooling, fc6, fc7, and the two sibling layers.

    Args:
        channels: of the maps.
        strides: of the maps.
        classes: C, without background.
        size: cells in a row of a pooled RoI.
        widths: outputs of fc6 and of fc7.
        dropout: probability with which one of those is dropped.
        cells: see :func:`pyramid_level`.

    Attributes:
        mean, std: (C, 4) of the offsets to the objects of each class; the network learns and predicts offsets that are
            normalised by them. Buffers, so checkpoints hold them; they start as 0 and (0.1, 0.1, 0.2, 0.2).
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        channels: int,
        strides: Sequence[int],
        classes: int,
        size: int = 7,
        widths: Sequence[int] = (4096, 4096),
        dropout: float = 0.5,
        cells: float = 14,
    ) -> None:
        super().__init__()
        self.strides, self.classes, self.size, self.cells = list(strides), classes, size, cells
        six, seven = widths
        self.fc6 = nn.Linear(channels * size * size, six)
        self.fc7 = nn.Linear(six, seven)
        self.dropout = nn.Dropout(dropout)
        self.scores = nn.Linear(seven, 1 + classes)
        self.offsets = nn.Linear(seven, 4 * classes)
        self.register_buffer("mean", torch.zeros(classes, 4))
        self.register_buffer("std", torch.tensor([0.1, 0.1, 0.2, 0.2]).repeat(classes, 1))
        self._truncated: tuple[nn.Sequential, nn.Sequential] | None = None
        for layer, spread in ((self.scores, 0.01), (self.offsets, 0.001)):  # section 2.3
            nn.init.normal_(layer.weight, std=spread)
            nn.init.zeros_(layer.bias)
        for layer in (self.fc6, self.fc7):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)

    def forward(self, maps: list[Tensor], proposals: list[Tensor]) -> RoIOutputs:
        """Maps (B, channels, f, f) and each image's proposals (n, 4) xyxy pixels to classes and offsets."""
        rois, counts = torch.cat(proposals).float(), [len(part) for part in proposals]
        image = torch.repeat_interleave(torch.tensor(counts, device=rois.device))
        x = pool_rois(maps, rois, image, self.strides, self.size, self.cells).flatten(1)
        for layer in self._truncated or (self.fc6, self.fc7):
            x = self.dropout(F.relu(layer(x)))
        offsets = self.offsets(x).float().view(-1, self.classes, 4)
        return RoIOutputs(rois, counts, self.scores(x).float(), offsets)

    def loss(self, outputs: RoIOutputs, sampled: SampledRoIs, beta: float = 1.0) -> tuple[Tensor, Tensor]:
        """Class and box loss of the RoIs that were sampled, see :func:`multitask_loss`."""
        targets = encode(sampled.boxes, box_convert(outputs.rois, "xyxy", "cxcywh"), (1.0, 1.0))
        known = (sampled.classes - 1).clamp(min=0)
        targets = (targets - self.mean[known]) / self.std[known]
        return multitask_loss(outputs.logits, outputs.offsets, sampled.classes, targets, beta)

    def boxes(self, outputs: RoIOutputs) -> Tensor:
        """Each RoI moved as the object of each class: (N, C, 4) xyxy pixels."""
        offsets = outputs.offsets * self.std + self.mean
        return decode(offsets, box_convert(outputs.rois, "xyxy", "cxcywh")[:, None], (1.0, 1.0))

    def decode(self, outputs: RoIOutputs, image_size: int) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Of each image the boxes (n, C, 4) in pixels, cut to its side, and the probabilities (n, C) of the classes."""
        boxes = self.boxes(outputs).clamp(0, image_size)
        return boxes.split(outputs.counts), outputs.logits.softmax(1)[:, 1:].split(outputs.counts)

    def load_pretrained(self, state: dict[str, Tensor]) -> None:
        """Loads fc6 and fc7 from the weights of a whole VGG, in place, if this head has layers of their shapes."""
        for layer, name in ((self.fc6, "classifier.0"), (self.fc7, "classifier.3")):
            published = {key: state[f"{name}.{key}"] for key in ("weight", "bias") if f"{name}.{key}" in state}
            own = {key: value.shape for key, value in layer.state_dict().items()}
            if {key: value.shape for key, value in published.items()} == own:
                layer.load_state_dict(published)

    def compress(self, ranks: Sequence[int]) -> None:
        """Replaces fc6 and fc7 by truncated layers until :meth:`restore`, see :func:`truncate_svd`.

        Raises:
            ValueError: not two ranks, or one that a layer does not have.
        """
        if len(ranks) != 2:
            raise ValueError(f"model.svd={list(ranks)}: give two ranks, for fc6 and for fc7")
        self._truncated = truncate_svd(self.fc6, ranks[0]), truncate_svd(self.fc7, ranks[1])

    def restore(self) -> None:
        """Uses fc6 and fc7 themselves again."""
        self._truncated = None
