"""The handwritten digits in other light: a domain that differs from ``digits`` by contrast and a shadow alone."""

import torch

from leyden.data.columns import LabelledImages
from leyden.data.source.builtin.digits import Digits
from leyden.data.splits import InMemory, Stage


class ShadedDigits(Digits):
    """Each image x becomes contrast * x + shade * r, where r rises from 0 on the left to 255 on the right.

    The splits are those of ``Digits``, so no test image of one is a training image of the other. What changes is the
    same for all images: in the space of pixels the domain is scaled, and moved along one direction.

    Args:
        contrast: factor on the digit's own pixels, 0 to 1.
        shade: brightness that is added on the right, as a part of white, 0 to 1 - contrast.

    Raises:
        ValueError: a number out of its range.
    """

    name = "shaded digits"

    def __init__(self, contrast: float = 0.4, shade: float = 0.6) -> None:
        super().__init__()
        if not (0 < contrast <= 1 and 0 <= shade <= 1 - contrast):
            raise ValueError("data.source: contrast above 0 and up to 1, shade from 0 to 1 - contrast")
        self.contrast, self.shade = contrast, shade

    def split(self, stage: Stage) -> InMemory[LabelledImages]:
        """Images (N, 1, 8, 8) and labels 0..9."""
        columns = super().split(stage).columns
        ramp = torch.linspace(0, 255, self.image_size)  # along x
        images = (self.contrast * columns.images + self.shade * ramp).round().to(torch.uint8)
        return InMemory(columns._replace(images=images))
