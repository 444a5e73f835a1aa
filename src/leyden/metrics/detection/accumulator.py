"""Predictions and targets of a whole split, gathered batch by batch and from all ranks, so that it is scored once."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

Boxes = dict[str, Tensor]
"""Predictions of an image: {"boxes": (n, 4) xyxy, "labels": (n,) int64, "scores": (n,)}.

Its target: {"boxes", "labels"}, and where a source knows them

- "difficult" (n,) bool: VOC's objects that are hard even for people; neither hits nor misses.
- "crowd" (n,) bool: COCO's boxes around many objects; what lies on one is neither a hit nor a false alarm.
- "area" (n,): of the objects, in pixels of the source's image; COCO's sizes are those of outlines, not of boxes.
- "scale" (2,): pixels of the network's image per pixel of the source's, in x and y, if the image was resized.
- "image_id" () int64: the image's own number.
"""


def ignored(target: Boxes) -> Tensor:
    """Which objects (n,) bool are neither hits nor misses: difficult ones and crowds."""
    nothing = torch.zeros(target["labels"].shape, dtype=torch.bool, device=target["labels"].device)
    return target.get("difficult", nothing) | target.get("crowd", nothing)


class DetectionAccumulator:
    """Gathers what average precision, confusion and error kinds are computed from; it lies on the CPU.

    Averages over batches or ranks would be other numbers than the average precision of the whole set (torchmetrics
    #467).
    """

    def __init__(self) -> None:
        self._images: list[tuple[int | None, Boxes, Boxes]] = []

    def add(self, predictions: Sequence[Boxes], targets: Sequence[Boxes]) -> None:
        """Adds the images of a batch: their predictions and targets, see ``Boxes``, in pixels of the network's images.

        They are kept in pixels of the source's images, in which COCO's sizes are meant.

        Raises:
            ValueError: predictions and targets differ in number.
        """
        for prediction, target in zip(predictions, targets, strict=True):
            found, wanted = (
                {key: value.detach().cpu() for key, value in boxes.items()} for boxes in (prediction, target)
            )
            scale, number = wanted.pop("scale", None), wanted.pop("image_id", None)
            wanted.pop("proposals", None)  # many, and not needed for any score
            if scale is not None:
                for boxes in (found, wanted):
                    boxes["boxes"] = boxes["boxes"].double() / scale.repeat(2)
            self._images.append((None if number is None else int(number), found, wanted))

    def whole(self) -> tuple[list[Boxes], list[Boxes]]:
        """Predictions and targets of all images of all ranks, each image once; every rank must call it, and gets the
        same.

        Samplers for several processes pad their shares with images of the beginning: a known "image_id" counts once.
        Ranks are interleaved as ``leyden.data.loader.Loader`` deals them out, so that the order is that of one process
        and equal scores fall the same way.
        """
        shares: list[Any] = [self._images]
        if dist.is_available() and dist.is_initialized():
            shares = [None] * dist.get_world_size()
            dist.all_gather_object(shares, self._images)
        longest = max(len(share) for share in shares)
        dealt = [share[i] for i in range(longest) for share in shares if i < len(share)]
        seen: set[int] = set()
        predictions, targets = [], []
        for number, prediction, target in dealt:
            if number is not None and number in seen:
                continue
            if number is not None:
                seen.add(number)
            predictions.append(prediction)
            targets.append(target)
        return predictions, targets

    def clear(self) -> None:
        """Forgets all images."""
        self._images = []
