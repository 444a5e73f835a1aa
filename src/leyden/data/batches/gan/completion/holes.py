"""Images with holes for in-painting: a square in the middle, one anywhere, or strokes."""

from typing import Any, Literal, get_args

import torch
from torch import Tensor

from leyden.data.columns import HoledImages
from leyden.data.images import ImageDataModule
from leyden.data.loader import Loader
from leyden.data.source import ImageSource
from leyden.data.specs import HoleSpec
from leyden.data.splits import Stage

Hole = Literal["centre", "block", "strokes", "mixed"]
SEGMENTS = 3
"""Straight pieces of a stroke, end to end."""


class Holes(ImageDataModule):
    """Batches of ``HoledImages``; splits hold the images themselves.

    Args:
        source: of images, with classes or without; brought to ``image_size``.
        image_size: side S of the square images in pixels; null keeps the source's own.
        hole: "centre", a square in the middle; "block", a square at a random place, the last row and column included;
            "strokes", a thick line of three pieces; "mixed", one of the three for each image.
        smallest: least side of a square, fraction of S.
        largest: greatest side of a square.
        thickness: of strokes, fraction of S.
        batch_size: training images per step and device.
        eval_batch_size: images per validation or test batch.
        in_memory: "auto" decodes once into memory where there is room; true and false force it.
        workers: processes that decode where the data is not in memory.
        flip: mirrors half of the training images left to right.
        seed: of the order, the flips and the holes of training; validation and test always have the same holes.

    Raises:
        ValueError: there is no such hole, or a size is not above 0 and below 1.
    """

    def __init__(
        self,
        source: ImageSource,
        image_size: int | None = None,
        hole: Hole = "block",
        smallest: float = 0.3,
        largest: float = 0.4,
        thickness: float = 0.1,
        batch_size: int = 64,
        eval_batch_size: int = 256,
        in_memory: Literal["auto"] | bool = "auto",
        workers: int = 0,
        flip: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__(source, image_size, batch_size, eval_batch_size, in_memory, workers, seed)
        if hole not in get_args(Hole):
            raise ValueError(f"data.hole must be one of {', '.join(get_args(Hole))}, got {hole!r}")
        if not (0 < smallest <= largest < 1 and 0 < thickness < 1):
            raise ValueError(
                "data: set 0 < smallest <= largest < 1 and 0 < thickness < 1, fractions of the image's side; got "
                f"{smallest:g}, {largest:g} and {thickness:g}"
            )
        self.hole, self.largest = hole, largest
        self.evaluated = MakeHoles(hole, smallest, largest, thickness)
        self.augment = MakeHoles(hole, smallest, largest, thickness, flip)

    @property
    def spec(self) -> HoleSpec:  # type: ignore[override]
        """What the model must know; valid after ``prepare_data``."""
        across = self.largest if self.hole in ("centre", "block") else 1.0
        return HoleSpec(channels=self.channels, image_size=self.image_size, hole_size=across)

    def loader(self, stage: Stage) -> Loader:
        """Images with holes; in evaluation always the same ones."""
        train = stage == "train"
        return Loader(
            self.on_device(self.split(stage)),
            self.batch_size if train else self.eval_batch_size,
            train=train and not self.overfits,
            seed=self.seed if train else 0,
            augment=self.augment if train else self.evaluated,
            workers=self.workers,
            limit=self.taken if train else 1.0,
            always=True,
        )


class MakeHoles:
    """Turns a batch with ``images`` (B, C, H, W) into ``HoledImages`` (``leyden.data.loader.Augment``).

    Args:
        hole: see ``Holes``.
        smallest: least side of a square, fraction of the shorter side.
        largest: greatest side of a square.
        thickness: of strokes, likewise.
        flip: mirrors half of the images left to right.
    """

    draws = 5 + 2 * (SEGMENTS + 1)

    def __init__(self, hole: Hole, smallest: float, largest: float, thickness: float, flip: bool = False) -> None:
        self.hole, self.smallest, self.largest, self.thickness, self.flip = hole, smallest, largest, thickness, flip

    def __call__(self, batch: Any, u: Tensor) -> HoledImages:
        """Mirrors by ``u[:, 0]`` and makes holes by the other columns of ``u`` (B, draws)."""
        images = batch.images
        if self.flip:
            images = torch.where(u[:, :1, None, None] < 0.5, images.flip(-1), images)
        return HoledImages(images, self.holes(u[:, 1:], *images.shape[-2:]))

    def holes(self, u: Tensor, height: int, width: int) -> Tensor:
        """bool (B, 1, height, width), true in the hole, by ``u`` (B, draws - 1)."""
        shorter = min(height, width)
        side = (shorter * (self.smallest + u[:, 1] * (self.largest - self.smallest))).round().clamp_min(1)
        corner = u[:, 2:4]
        made = {
            "centre": lambda: squares(side, torch.full_like(corner, 0.5), height, width),
            "block": lambda: squares(side, corner, height, width),
            "strokes": lambda: strokes(u[:, 4:].unflatten(1, (-1, 2)), self.thickness * shorter, height, width),
        }
        if self.hole != "mixed":
            return made[self.hole]()
        kinds = torch.stack([make() for make in made.values()])
        return kinds[(u[:, 0] * len(made)).long().clamp_max(len(made) - 1), torch.arange(len(u), device=u.device)]


def squares(side: Tensor, corner: Tensor, height: int, width: int) -> Tensor:
    """Squares of ``side`` (B,) whole pixels, their upper left corners where ``corner`` (B, 2) in [0, 1) says.

    A square has as many places in a row as fit, the first and the last with the same chance as any.

    Returns:
        bool (B, 1, height, width).
    """
    free = torch.tensor([height, width], device=side.device) - side[:, None]
    top, left = (corner * (free + 1)).floor().minimum(free).unbind(1)
    (rows, columns) = (
        (torch.arange(size, device=side.device) - first[:, None]).ge(0)
        & (torch.arange(size, device=side.device) - first[:, None] < side[:, None])
        for size, first in ((height, top), (width, left))
    )
    return (rows[:, :, None] & columns[:, None, :])[:, None]


def strokes(points: Tensor, thickness: float, height: int, width: int) -> Tensor:
    """What is nearer than half the thickness to a line through ``points`` (B, P, 2), fractions of height and width.

    Returns:
        bool (B, 1, height, width); a pixel at least of each.
    """
    device = points.device
    size = torch.tensor([height, width], device=device)
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    pixels = torch.stack([rows, columns], -1).view(-1, 2).to(device) + 0.5  # (H W, 2), their centres
    corners = points * size
    start, way = corners[:, :-1, None], corners.diff(dim=1)[:, :, None]  # (B, P - 1, 1, 2)
    along = ((pixels - start) * way).sum(-1, keepdim=True) / way.square().sum(-1, keepdim=True).clamp_min(1e-9)
    distance = (pixels - start - along.clamp(0, 1) * way).norm(dim=-1).amin(1)  # (B, H W)
    nearest = distance == distance.amin(1, keepdim=True)
    return ((distance <= thickness / 2) | nearest).view(-1, 1, height, width)
