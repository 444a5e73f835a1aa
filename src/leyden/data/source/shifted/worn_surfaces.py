"""The surfaces as a worn camera sees them: out of focus, grainy, in a colour cast; a target domain for ``surfaces``."""

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from leyden.core.seeding import mix
from leyden.data.columns import LabelledImages
from leyden.data.source.builtin.surfaces import Surfaces
from leyden.data.splits import STAGES, InMemory, Stage

CAST = (1.0, 0.85, 0.6)
"""Of red, green and blue: what is left of white, as under a bulb."""


class WornSurfaces(Surfaces):
    """Patches of ``Surfaces``, blurred, multiplied by a colour, with noise of a sensor in each pixel and channel.

    The photographs' parts are those of ``Surfaces``: no pixel that is tested in one is a training pixel of the other.

    Args:
        image_size: side of the patches in pixels.
        blur: standard deviation of the Gaussian blur in pixels of the patch; 0: none.
        noise: standard deviation of the noise, in grey levels of 255; 0: none.
        train: patches of each class for training.
        val: patches of each class for validation.
        test: patches of each class for testing.
        seed: of places, light and noise; other patches than those of ``surfaces`` with its own seed.

    Raises:
        ValueError: a number is below its least value.
    """

    name = "worn surfaces"

    def __init__(
        self,
        image_size: int = 96,
        blur: float = 1.5,
        noise: float = 20.0,
        train: int = 20,
        val: int = 20,
        test: int = 40,
        seed: int = 1,
    ) -> None:
        super().__init__(image_size, train, val, test, seed)
        if min(blur, noise) < 0:
            raise ValueError(f"data.source: blur={blur} and noise={noise} should be 0 or more")
        self.blur, self.noise = blur, noise

    def split(self, stage: Stage) -> InMemory[LabelledImages]:
        """Patches uint8 (N, 3, image_size, image_size) and labels 0..8, class after class."""
        columns = super().split(stage).columns
        generator = torch.Generator().manual_seed(mix(self.seed, STAGES.index(stage)))
        return InMemory(columns._replace(images=worn(columns.images, self.blur, self.noise, generator)))


def worn(images: Tensor, blur: float, noise: float, generator: torch.Generator) -> Tensor:
    """Images uint8 (N, 3, S, S) blurred, in a colour cast and with noise, in that order; uint8 again."""
    x = images.float()
    if blur:
        x = F.gaussian_blur(x, [2 * round(3 * blur) + 1] * 2, [blur] * 2)
    x = x * torch.tensor(CAST)[:, None, None]
    x = x + noise * torch.randn(x.shape, generator=generator)
    return x.round().clamp(0, 255).to(torch.uint8)
