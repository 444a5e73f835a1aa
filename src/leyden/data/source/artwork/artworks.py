"""Photographs' patches, or artworks of a style that are rendered from other photographs: two domains without pairs."""

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from leyden.data.columns import Images
from leyden.data.source import ImageSource
from leyden.data.source.artwork.styles import STYLES, Style, render
from leyden.data.source.builtin.image_patches import read_photograph, stage_generator
from leyden.data.splits import InMemory, Stage

PHOTOGRAPHS = ("astronaut.png", "coffee.png", "motorcycle_left.png")
ORIGINALS = ("chelsea.png", "china.jpg", "flower.jpg", "rocket.jpg")
"""What the artworks are rendered from: a cat, a pavilion, a flower and a rocket."""
ACROSS = 4
"""Regions along a photograph's shorter side."""
SHARES: dict[Stage, tuple[float, float]] = {"train": (0.0, 0.6), "val": (0.6, 0.75), "test": (0.75, 1.0)}
"""Which part of each photograph's regions, in an order drawn once, belongs to a split."""
SIDES = (1.25, 1.75, 2.5)
"""Of a region's shorter side, relative to a patch's, when patches are cut: large and small things are seen."""


class Artwork(ImageSource):
    """Patches in one style, without classes; photographs and artworks never come from the same photograph.

    Each photograph is divided into regions, each of which belongs to one split: no pixel is in two of them. A region
    is resized and rendered by itself before patches are cut, so lines are equally fine everywhere. Half of the
    patches are mirrored left to right before they are rendered.

    Args:
        style: "photograph" (an astronaut, coffee, a motorcycle), or "engraving" or "painting" (rendered from a cat, a
            pavilion, a flower and a rocket, see ``leyden.data.source.artwork.styles``).
        image_size: side of the square patches in pixels; lines and strokes have their own width in pixels, set for 32.
        train: patches for training.
        val: patches for validation.
        test: patches for testing.
        seed: of their places; the same for every run unless it is set.

    Raises:
        ValueError: there is no such style, or a number is below its least value.
    """

    channels = 3

    def __init__(
        self,
        style: Style = "engraving",
        image_size: int = 32,
        train: int = 2000,
        val: int = 200,
        test: int = 500,
        seed: int = 0,
    ) -> None:
        if style not in STYLES:
            raise ValueError(
                f"data.source.style={style}: one of {', '.join(STYLES)}; for artworks of your own set "
                "data/source=image_folder data.source.root=FOLDER"
            )
        if image_size < 8 or min(train, val, test) < 1:
            raise ValueError("data.source: image_size from 8, train, val and test from 1")
        self.name = f"{style}s"
        self.style, self.image_size, self.seed = style, image_size, seed
        self.counts = {"train": train, "val": val, "test": test}

    def split(self, stage: Stage) -> InMemory[Images]:
        """Patches uint8 (N, 3, image_size, image_size)."""
        generator, count, size = stage_generator(self.seed, stage), self.counts[stage], self.image_size
        sizes = [round(side * size) for side in SIDES]
        rendered = [
            [render(mirrored, self.style) for mirrored in (small, small.flip(-1))]
            for region in regions(PHOTOGRAPHS if self.style == "photograph" else ORIGINALS, stage)
            for small in (F.resize(region, [side], antialias=True) for side in sizes)
        ]
        images = torch.empty(count, 3, size, size, dtype=torch.uint8)
        for image, u in zip(images, torch.rand(count, 4, generator=generator).tolist(), strict=True):
            artwork = rendered[int(u[0] * len(rendered))][int(u[1] * 2)]
            top, left = (int(v * (side - size + 1)) for v, side in zip(u[2:], artwork.shape[1:], strict=True))
            image.copy_(artwork[:, top : top + size, left : left + size])
        return InMemory(Images(images))


def regions(names: tuple[str, ...], stage: Stage) -> list[Tensor]:
    """The regions of some photographs that belong to a split, nearly square, uint8 (3, h, w) each."""
    found = []
    for number, name in enumerate(names):
        photograph = read_photograph(name)
        side = min(photograph.shape[1:]) / ACROSS
        rows = photograph.tensor_split(round(photograph.shape[1] / side), 1)
        squares = [square for row in rows for square in row.tensor_split(round(row.shape[2] / side), 2)]
        order = torch.randperm(len(squares), generator=torch.Generator().manual_seed(number)).tolist()
        first, last = (round(share * len(squares)) for share in SHARES[stage])
        found += [squares[place] for place in sorted(order[first:last])]
    return found
