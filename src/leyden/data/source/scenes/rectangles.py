"""White rectangles on coloured ground: five independent factors, what each latent of a model ought to hold one of."""

import torch
from torch import Tensor

from leyden.core.seeding import mix
from leyden.data.columns import Images
from leyden.data.source import ImageSource
from leyden.data.source.targets import Target
from leyden.data.splits import STAGES, InMemory, Stage

FACTORS = ["colour", "x", "y", "size", "aspect"]
BLUE, ORANGE = (0.0, 0.15, 0.5), (0.5, 0.25, 0.0)
"""RGB of the ground, colours 0 and 1."""
WIDEST = 2.5
"""Width over height of the widest, height over width of the tallest."""


class Rectangles(ImageSource):
    """A white rectangle at a place, of a size, tall or wide, on ground between blue and orange.

    Each factor is a number, is drawn for itself, evenly over its range, and can be changed without the others: the area
    says nothing of the aspect, and the place is free wherever the longest side still fits. All go from end to end:
    there is no rotation and no circle of hues, for which no single number could stand. The y goes over half the way
    that x does: the posterior of a variational autoencoder has the axes of the directions in which images change
    unequally fast (Rolinek et al. 2019, "Variational Autoencoders Pursue PCA Directions"), and between two that are
    alike any turn would do as well. The splits are draws of their own.

    Args:
        image_size: side of the square images in pixels.
        train: training images.
        val: validation images.
        test: test images.
        smallest: root of the smallest area, fraction of the image's side.
        largest: of the largest.
        seed: of the images; the same for every run unless it is set.

    Raises:
        ValueError: no images, or sizes that are not 0 < smallest <= largest <= 0.5.
    """

    name = "rectangles"
    channels = 3

    def __init__(
        self,
        image_size: int = 32,
        train: int = 10000,
        val: int = 2000,
        test: int = 4000,
        smallest: float = 0.2,
        largest: float = 0.38,
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
        self._made: dict[Stage, tuple[Images, dict[str, Target]]] = {}

    def split(self, stage: Stage) -> InMemory[Images]:
        """Images uint8 (N, 3, S, S)."""
        return InMemory(self._images(stage)[0])

    def targets(self, stage: Stage) -> dict[str, Target]:
        """Five numbers of each image of ``split(stage)``, in its order.

        ``colour`` of the ground: 0 blue, 1 orange; ``x`` and ``y`` of the centre, from left and top, fractions of the
        side; ``size``, the root of the area, a fraction of the side; ``aspect``, 0 tall, 1 wide.
        """
        return self._images(stage)[1]

    def _images(self, stage: Stage) -> tuple[Images, dict[str, Target]]:
        if stage not in self._made:
            generator = torch.Generator().manual_seed(mix(self.seed, STAGES.index(stage)))
            colour, x, y, size, aspect = torch.rand(self.counts[stage], 5, generator=generator).T
            low, high = self.sizes
            room = 0.5 - WIDEST**0.5 * high / 2 - 0.5 / self.image_size
            x, y, size = 0.5 + room * (2 * x - 1), 0.5 + room * (y - 0.5), low + (high - low) * size
            factors = dict(zip(FACTORS, (colour, x, y, size, aspect), strict=True))
            images = Images(draw(**factors, side=self.image_size))
            self._made[stage] = images, {name: Target(values, []) for name, values in factors.items()}
        return self._made[stage]


def draw(colour: Tensor, x: Tensor, y: Tensor, size: Tensor, aspect: Tensor, side: int) -> Tensor:
    """Images uint8 (N, 3, side, side) of factors (N,), pixels covered in part shaded so; see ``Rectangles.targets``."""
    stretch = WIDEST ** (aspect - 0.5)  # root of width over height
    middle = torch.arange(side) + 0.5
    across, down = (
        ((size * longer * side / 2).unsqueeze(1) + 0.5 - (middle - place.unsqueeze(1) * side).abs()).clamp(0, 1)
        for place, longer in ((x, stretch), (y, 1 / stretch))
    )
    ink = (down.unsqueeze(2) * across.unsqueeze(1)).unsqueeze(1)
    ground = torch.lerp(torch.tensor(BLUE), torch.tensor(ORANGE), colour.unsqueeze(1))[:, :, None, None]
    return (torch.lerp(ground, torch.ones(()), ink) * 255).round().to(torch.uint8)
