"""Images of several sizes."""

import pytest
import torch


@pytest.fixture
def images() -> list[torch.Tensor]:
    """uint8 of several sizes, one grey."""
    generator = torch.Generator().manual_seed(0)
    sizes = [(3, 24, 40), (3, 16, 16), (1, 30, 20)]
    return [torch.randint(256, size, generator=generator, dtype=torch.uint8) for size in sizes]
