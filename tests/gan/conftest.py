"""The digits at 16 pixels, which most generators here learn to draw."""

import pytest

from leyden.data.batches.gan.images import GanImages
from leyden.data.source.builtin.digits import Digits


@pytest.fixture(scope="module")
def data() -> GanImages:
    return GanImages(Digits(), image_size=16, batch_size=32)
