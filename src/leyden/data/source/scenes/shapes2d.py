"""Coloured shapes on dark ground: five independent factors, what each latent of a model ought to hold one of."""

import math

import torch
from torch import Tensor

from leyden.core.seeding import mix
from leyden.data.columns import LabelledImages
from leyden.data.source import ImageSource
from leyden.data.source.targets import Target
from leyden.data.splits import STAGES, InMemory, Stage

SHAPES = ["square", "disc", "triangle"]
BLUE, ORANGE = (0.15, 0.45, 1.0), (1.0, 0.6, 0.1)
"""RGB of the shapes, colours 0 and 1."""
GROUND = 0.12
"""Grey of what is around them."""
HALF = {"square": 1.0, "disc": 2 / math.sqrt(math.pi), "triangle": 2 / 27**0.25}
"""Distance of each shape's sides, or its radius, in half sides of the square of the same area."""


class Shapes2d(ImageSource):
    """A square, disc or triangle in a colour between blue and orange, at a place, of a size: five known factors.

    Each factor is drawn for itself, evenly over its range, and each can be changed without the others: shapes of one
    size have one area, and the place is free wherever the largest shape still fits. There is no rotation: a disc has
    none, a square repeats at 90 degrees and a triangle at 120, so no single number could stand for it. Colours lie on a
    line, not on the circle of hues, for the same reason. The splits are draws of their own.

    Args:
        image_size: side of the square images in pixels.
        train: training images.
        val: validation images.
        test: test images.
        smallest: side of the smallest square, fraction of the image's.
        largest: side of the largest.
        seed: of the images; the same for every run unless it is set.

    Raises:
        ValueError: no images, or sizes that are not 0 < smallest <= largest <= 0.5.
    """

    name = "shapes2d"
    channels = 3

    def __init__(
        self,
        image_size: int = 32,
        train: int = 10000,
        val: int = 2000,
        test: int = 4000,
        smallest: float = 0.16,
        largest: float = 0.34,
        seed: int = 0,
    ) -> None:
        if not 0 < smallest <= largest <= 0.5:
            raise ValueError(
                f"data.source: set 0 < smallest <= largest <= 0.5, got smallest={smallest}, largest={largest}"
            )
        if min(train, val, test) < 1:
            raise ValueError(f"data.source: each split needs an image or more, got {train}, {val}, {test}")
        self.image_size, self.seed = image_size, seed
        self.counts: dict[Stage, int] = {"train": train, "val": val, "test": test}
        self.sizes = smallest, largest
        self.class_names = list(SHAPES)
        self._made: dict[Stage, tuple[LabelledImages, dict[str, Target]]] = {}

    def split(self, stage: Stage) -> InMemory[LabelledImages]:
        """Images uint8 (N, 3, S, S) and labels, places in ``SHAPES``."""
        return InMemory(self._images(stage)[0])

    def targets(self, stage: Stage) -> dict[str, Target]:
        """Shape as a class; colour (0 blue, 1 orange), x, y (the centre, from left and top) and size (a square's side
        over the image's) as numbers; in the order of ``split(stage)``."""
        return self._images(stage)[1]

    def _images(self, stage: Stage) -> tuple[LabelledImages, dict[str, Target]]:
        if stage not in self._made:
            generator = torch.Generator().manual_seed(mix(self.seed, STAGES.index(stage)))
            count = self.counts[stage]
            shape = torch.randint(len(SHAPES), (count,), generator=generator)
            u = torch.rand(count, 4, generator=generator)
            low, high = self.sizes
            size = low + (high - low) * u[:, 3]
            margin = HALF["triangle"] * high + 1 / self.image_size  # a corner is twice as far as a side
            x, y = (margin + (1 - 2 * margin) * u[:, place] for place in (1, 2))
            images = draw(shape, u[:, 0], x, y, size, self.image_size)
            numbers = {"colour": u[:, 0], "x": x, "y": y, "size": size}
            targets = {"shape": Target(shape, list(SHAPES))} | {name: Target(v, []) for name, v in numbers.items()}
            self._made[stage] = LabelledImages(images, shape), targets
        return self._made[stage]


def draw(shape: Tensor, colour: Tensor, x: Tensor, y: Tensor, size: Tensor, side: int) -> Tensor:
    """Shapes as uint8 (N, 3, side, side) of factors (N,), edges smoothed over a pixel; see ``Shapes2d.targets``."""
    middle = (torch.arange(side) + 0.5) / side
    across = middle.view(1, 1, -1) - x.view(-1, 1, 1)
    down = middle.view(1, -1, 1) - y.view(-1, 1, 1)
    slanted = math.sqrt(3) / 2
    # Up to the sides or the arc, negative inside: the largest of the distances from the lines through the sides.
    distance = {
        "square": torch.maximum(across.abs(), down.abs()),
        "disc": (across.square() + down.square()).sqrt(),
        "triangle": torch.maximum(down.expand_as(across + down), slanted * across.abs() - down / 2),
    }
    reach = torch.stack([distance[name] - (size / 2 * HALF[name]).view(-1, 1, 1) for name in SHAPES])
    own = reach[shape, torch.arange(len(shape))]
    ink = (0.5 - own * side).clamp(0, 1).unsqueeze(1)
    paint = torch.lerp(torch.tensor(BLUE), torch.tensor(ORANGE), colour.unsqueeze(1))[:, :, None, None]
    return (torch.lerp(torch.full_like(paint, GROUND), paint, ink) * 255).round().to(torch.uint8)
