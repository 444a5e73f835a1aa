"""The handwritten digits out of focus: neighbouring pixels vary together more than those of ``digits``."""

import torch
from torch.nn import functional as F

from leyden.data.columns import LabelledImages
from leyden.data.source.builtin.digits import Digits
from leyden.data.splits import InMemory, Stage


class BlurredDigits(Digits):
    """Each pixel becomes the mean of the 3 x 3 around it, with black beyond the border.

    The splits are those of ``Digits``, so no test image of one is a training image of the other. A blur is linear: in
    the space of pixels the domain has another covariance.
    """

    name = "blurred digits"

    def split(self, stage: Stage) -> InMemory[LabelledImages]:
        """Images (N, 1, 8, 8) and labels 0..9."""
        columns = super().split(stage).columns
        return InMemory(columns._replace(images=F.avg_pool2d(columns.images.float(), 3, 1, 1).round().to(torch.uint8)))
