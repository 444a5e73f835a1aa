"""The handwritten digits drawn with a bias: a source domain whose images are distributed unlike those of ``digits``."""

from leyden.data.columns import LabelledImages
from leyden.data.source.builtin.digits import Digits
from leyden.data.source.shifted.selection_bias import biased_draw
from leyden.data.splits import InMemory, Stage


class BiasedDigits(Digits):
    """Training images drawn along the first principal component of their pixels (``biased_draw``); the rest as digits.

    Validation images are those of ``Digits``, drawn likewise, as many in proportion; test images are left as they are.

    Args:
        count: training images that are drawn of 1078.
        strength: of the bias; 0: none.
        seed: of the draw.

    Raises:
        ValueError: more images than there are, or a negative strength.
    """

    name = "biased digits"

    def __init__(self, count: int = 300, strength: float = 2.0, seed: int = 0) -> None:
        super().__init__()
        if strength < 0:
            raise ValueError(f"data.source.strength={strength}: should be 0 or more")
        self.count, self.strength, self.seed = count, strength, seed

    def split(self, stage: Stage) -> InMemory[LabelledImages]:
        """Images (N, 1, 8, 8) and labels 0..9."""
        whole = super().split(stage)
        if stage == "test":
            return whole
        own, train = (split.columns.images.flatten(1).float() / 255 for split in (whole, super().split("train")))
        count = self.count if stage == "train" else max(1, round(self.count * len(own) / len(train)))
        return InMemory(whole.take(biased_draw(own, count, self.strength, self.seed, along=train)))
