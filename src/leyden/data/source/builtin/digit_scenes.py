"""Scenes for detection: scikit-learn's handwritten digits, one to six of them, on pieces of real photographs."""

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from leyden.data.columns import Scenes
from leyden.data.source import ImageSource
from leyden.data.source.builtin.digits import Digits
from leyden.data.source.builtin.image_patches import patches, stage_generator
from leyden.data.splits import InMemory, Stage

ATTEMPTS = 20
"""Places that are tried for a digit before the scene does without it."""


class DigitScenes(ImageSource):
    """Digits of several sizes and colours on photographs, with tight boxes around their ink.

    The splits share neither digits (those of ``Digits``) nor photographs (those of ``ImagePatches``): the test shows
    digits before a photograph that was never seen. The hands are the same 13 in all splits. A scene is a pure function
    of (seed, split, counts).

    Args:
        image_size: side of the square scenes in pixels.
        train: scenes for training.
        val: scenes for validation.
        test: scenes for testing.
        digits: at most so many per scene, at least one.
        smallest: least height of a digit's cell, as a fraction of the scene's side; its ink is a little smaller.
        largest: greatest height of a cell, as such a fraction; sizes between are evenly spread on a logarithmic scale.
        overlap: how much of the smaller of two boxes the larger one may cover.
        seed: of the scenes; the same for every run unless it is set.

    Raises:
        ValueError: sizes out of order or too small to read.
    """

    produces: ClassVar[str] = "boxes"
    name = "digit_scenes"
    channels = 3

    def __init__(
        self,
        image_size: int = 128,
        train: int = 3000,
        val: int = 200,
        test: int = 500,
        digits: int = 6,
        smallest: float = 0.15,
        largest: float = 0.5,
        overlap: float = 0.1,
        seed: int = 0,
    ) -> None:
        if not 8 / image_size <= smallest <= largest <= 1:
            raise ValueError(
                f"digits need at least 8 pixels: with data.source.image_size={image_size} set "
                f"{8 / image_size:.2f} <= smallest <= largest <= 1, got {smallest} and {largest}"
            )
        self.class_names = [str(digit) for digit in range(10)]
        self.image_size = image_size
        self.counts = {"train": train, "val": val, "test": test}
        self.digits = digits
        self.smallest = smallest
        self.largest = largest
        self.overlap = overlap
        self.seed = seed

    def split(self, stage: Stage) -> InMemory[Scenes]:
        """Scenes (N, 3, image_size, image_size) and for each {"boxes": (n, 4) xyxy pixels, "labels": (n,)}."""
        generator = stage_generator(self.seed, stage)
        count, slots, side = self.counts[stage], self.digits, self.image_size
        images = patches(stage, count, side, generator)
        pool = Digits().split(stage)
        every, classes = pool.columns
        which = torch.randint(len(pool), (count, slots), generator=generator)
        present = torch.arange(slots) < torch.randint(1, slots + 1, (count, 1), generator=generator)
        ratio = self.largest / self.smallest
        sizes = self.smallest * ratio ** torch.rand(count, slots, generator=generator) * side
        # The large ones come first: they are the hardest to place.
        sizes = sizes.round().long().sort(1, descending=True).values
        ink, tight = _ink(every[which.flatten(), 0], sizes.flatten())
        tight = tight.view(count, slots, 4)
        corners, placed = _place(tight, sizes, side, self.overlap, generator)
        present &= placed
        colour = torch.rand(count, slots, 4, generator=generator)
        for slot in range(slots):
            for size in sizes[:, slot].unique().tolist():
                chosen = (present[:, slot] & (sizes[:, slot] == size)).nonzero().flatten()
                # Where the slot's digits of this size lie in the pile of all ink of this size.
                pile, position = ink[size]
                _paint(
                    images, chosen, corners[chosen, slot], pile[position[chosen * slots + slot]], colour[chosen, slot]
                )
        boxes = tight + corners.repeat(1, 1, 2)
        labels = classes[which]
        found = zip(boxes, labels, present, strict=True)
        return InMemory(Scenes(images, [{"boxes": b[p].float(), "labels": t[p]} for b, t, p in found]))


def _ink(digits: Tensor, sizes: Tensor) -> tuple[dict[int, tuple[Tensor, Tensor]], Tensor]:
    """Digits as strokes at their final sizes.

    Args:
        digits: (N, 8, 8) uint8.
        sizes: (N,) int64 side of each in pixels.

    Returns:
        for each size s its opacities (M, s, s) in [0, 1] with the (N,) map from digit to row among those M;
        and (N, 4) int64 xyxy boxes around what is more than half opaque, in pixels of the digit's own square.
    """
    ink: dict[int, tuple[Tensor, Tensor]] = {}
    tight = torch.zeros(len(digits), 4, dtype=torch.int64)
    for size in sizes.unique().tolist():
        members = (sizes == size).nonzero().flatten()
        strokes = digits[members, None] / 255
        strokes = F.interpolate(strokes, size=(size, size), mode="bicubic", align_corners=False)[:, 0]
        # Steeper than the scan's grey ramp, so that enlarged strokes keep an edge.
        strokes = ((strokes - 0.4) / 0.3).clamp(0, 1)
        position = torch.zeros(len(digits), dtype=torch.int64)
        position[members] = torch.arange(len(members))
        ink[size] = strokes, position
        dark = strokes > 0.5
        spans = []
        for line in (dark.any(1), dark.any(2)):
            first = line.int().argmax(1)
            spans.append((first, size - line.flip(1).int().argmax(1)))
        (left, right), (top, bottom) = spans
        tight[members] = torch.stack([left, top, right, bottom], 1)
    return ink, tight


def _place(
    tight: Tensor, sizes: Tensor, side: int, overlap: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Finds a place for each digit, for all scenes at once, one slot after the other.

    Args:
        tight: (N, slots, 4) int64 boxes relative to the digit's square.
        sizes: (N, slots) int64 sides of those squares.
        side: of the scene.
        overlap: intersection over the smaller area that two boxes may have.
        generator: of the places.

    Returns:
        (N, slots, 2) int64 x and y of the squares, and (N, slots) bool: a place was found.
    """
    count, slots, _ = tight.shape
    tries = torch.rand(count, slots, ATTEMPTS, 2, generator=generator)
    tries = (tries * (side - sizes + 1)[..., None, None]).long()
    corners = torch.zeros(count, slots, 2, dtype=torch.int64)
    placed = torch.zeros(count, slots, dtype=torch.bool)
    boxes = torch.zeros(count, slots, 4, dtype=torch.int64)
    for slot in range(slots):
        candidates = tight[:, slot, None] + tries[:, slot].repeat(1, 1, 2)
        shared = _overlap(candidates, boxes[:, :slot])
        free = ((shared <= overlap) | ~placed[:, None, :slot]).all(2)
        first = free.int().argmax(1)
        rows = torch.arange(count)
        placed[:, slot] = free.any(1)
        corners[:, slot] = tries[rows, slot, first]
        boxes[:, slot] = candidates[rows, first]
    return corners, placed


def _overlap(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over the smaller area of boxes a (N, A, 4) and b (N, B, 4): (N, A, B)."""
    low = torch.maximum(a[:, :, None, :2], b[:, None, :, :2])
    high = torch.minimum(a[:, :, None, 2:], b[:, None, :, 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    area_a, area_b = ((c[..., 2:] - c[..., :2]).prod(-1) for c in (a, b))
    return shared / torch.minimum(area_a[:, :, None], area_b[:, None, :]).clamp(min=1)


def _paint(images: Tensor, chosen: Tensor, corners: Tensor, ink: Tensor, u: Tensor) -> None:
    """Paints one digit into each chosen scene, light on dark or dark on light, in a random tint.

    Args:
        images: (N, 3, S, S) uint8, changed in place.
        chosen: (M,) scenes.
        corners: (M, 2) x and y of the digits' squares.
        ink: (M, s, s) opacities.
        u: (M, 4) random numbers in [0, 1): brightness and tint.
    """
    steps = torch.arange(ink.shape[1])
    x = (corners[:, :1] + steps)[:, None, None, :]
    y = (corners[:, 1:] + steps)[:, None, :, None]
    scene, channel = chosen[:, None, None, None], torch.arange(3)[None, :, None, None]
    below = images[scene, channel, y, x].float()
    weight = ink[:, None]
    # How bright the photograph is under the strokes decides which way there is more room for contrast.
    behind = (below.mean(1) * ink).sum((1, 2)) / ink.sum((1, 2)).clamp(min=1)
    small_resnet = behind < 128
    brightness = torch.where(small_resnet, behind + 90 + u[:, 0] * (165 - behind), (behind - 90) * u[:, 0])
    tint = (u[:, 1:] - u[:, 1:].mean(1, keepdim=True)) * 160
    colour = (brightness[:, None] + tint).clamp(0, 255)[:, :, None, None]
    images[scene, channel, y, x] = torch.lerp(below, colour.expand_as(below), weight).round().to(torch.uint8)
