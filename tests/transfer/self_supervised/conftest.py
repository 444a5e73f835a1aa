"""Self-supervised learning small enough to watch: 8x8 digits, two narrow stages, a few steps."""

from collections.abc import Callable
from typing import Any

import pytest

from leyden.data.batches.views import ViewImages
from leyden.data.source.builtin.digits import Digits


@pytest.fixture
def new_views() -> Callable[..., ViewImages]:
    """Views of digits with their classes for the evaluation."""

    def new(**arguments: Any) -> ViewImages:
        data = ViewImages(Digits(), **{"scale": [0.5, 1.2], "degrees": 15, "batch_size": 32, **arguments})
        data.prepare_data()
        return data

    return new
