"""The answers and the truth of a whole split, gathered batch by batch and from all ranks, so that it is scored once."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

Boxes = dict[str, Tensor]
"""Answers of an image: {"boxes": (n, 4) xyxy, "labels": (n,) int64, "scores": (n,)}.

Its truth: {"boxes", "labels"}, and where a source knows them

- "difficult" (n,) bool: VOC's objects that are hard even for people; neither hits nor misses.
- "crowd" (n,) bool: COCO's boxes around many objects; what lies on one is neither a hit nor a false alarm.
- "area" (n,): of the objects, in pixels of the source's image; COCO's sizes are those of outlines, not of boxes.
- "scale" (2,): pixels of the network's image per pixel of the source's, in x and y, if the image was resized.
- "image_id" () int64: the image's own number.
"""


def ignored(truth: Boxes) -> Tensor:
    """Which objects (n,) bool are neither hits nor misses: difficult ones and crowds."""
    nothing = torch.zeros(truth["labels"].shape, dtype=torch.bool, device=truth["labels"].device)
    return truth.get("difficult", nothing) | truth.get("crowd", nothing)


class DetectionAccumulator:
    """Gathers what average precision, confusion and error kinds are computed from; it lies on the CPU.

    Averages over batches or ranks would be other numbers than the average precision of the whole set (torchmetrics
    #467).
    """

    def __init__(self) -> None:
        self._images: list[tuple[int | None, Boxes, Boxes]] = []

    def add(self, answers: Sequence[Boxes], truths: Sequence[Boxes]) -> None:
        """Adds the images of a batch: their answers and truths, see ``Boxes``, in pixels of the network's images.

        They are kept in pixels of the source's images, in which COCO's sizes are meant.

        Raises:
            ValueError: answers and truths differ in number.
        """
        for answer, truth in zip(answers, truths, strict=True):
            said, there = ({key: value.detach().cpu() for key, value in boxes.items()} for boxes in (answer, truth))
            scale, number = there.pop("scale", None), there.pop("image_id", None)
            there.pop("proposals", None)  # many, and nothing to be judged by
            if scale is not None:
                for boxes in (said, there):
                    boxes["boxes"] = boxes["boxes"].double() / scale.repeat(2)
            self._images.append((None if number is None else int(number), said, there))

    def whole(self) -> tuple[list[Boxes], list[Boxes]]:
        """Answers and truths of all images of all ranks, each image once; every rank must call it, and gets the same.

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
        answers, truths = [], []
        for number, answer, truth in dealt:
            if number is not None and number in seen:
                continue
            if number is not None:
                seen.add(number)
            answers.append(answer)
            truths.append(truth)
        return answers, truths

    def clear(self) -> None:
        """Forgets all images."""
        self._images = []
