import pytest
import torch
from torchvision.transforms.v2 import functional as F

from leyden.data.source.artwork.artworks import PHOTOGRAPHS, regions
from leyden.data.source.artwork.styles import render
from leyden.metrics.generated.structure import structure_similarity

CELLS = torch.randint(0, 256, (4, 3, 4, 4), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
IMAGES = CELLS.repeat_interleave(4, 2).repeat_interleave(4, 3)


def test_equal_images_are_alike_and_negatives_opposite() -> None:
    torch.testing.assert_close(structure_similarity(IMAGES, IMAGES), torch.ones(4), atol=2e-3, rtol=0)
    torch.testing.assert_close(structure_similarity(IMAGES, 255 - IMAGES), -torch.ones(4), atol=0.01, rtol=0)


def test_brightness_contrast_and_colour_do_not_count() -> None:
    duller = (IMAGES // 2 + 60).float().mean(1, keepdim=True).expand(-1, 3, -1, -1)
    grey = IMAGES.float().mean(1, keepdim=True).expand(-1, 3, -1, -1)
    assert (structure_similarity(grey, duller) > 0.98).all()


def test_correlation_by_hand() -> None:
    """Cells of one pixel: x = 0 0 1 1, y = 0 1 0 1 times 200 are uncorrelated; x with 0 0 0 1 has 1 / sqrt(3)."""
    x, y, z = (200.0 * torch.tensor(values).view(1, 1, 2, 2) for values in ([0, 0, 1, 1], [0, 1, 0, 1], [0, 0, 0, 1]))
    assert structure_similarity(x, y, cell=1).item() == pytest.approx(0)
    assert structure_similarity(x, z, cell=1).item() == pytest.approx(3**-0.5, abs=1e-3)


def test_flat_images_have_no_structure() -> None:
    flat = torch.full((2, 1, 8, 8), 90, dtype=torch.uint8)
    assert structure_similarity(flat, flat).tolist() == [0, 0]


@pytest.mark.parametrize("style", ["engraving", "painting"])
def test_a_rendered_photograph_keeps_its_structure(style: str) -> None:
    photographs = [F.resize(region, [32, 32], antialias=True) for region in regions(PHOTOGRAPHS, "val")]
    artworks = torch.stack([render(photograph, style) for photograph in photographs])  # type: ignore[arg-type]
    kept = structure_similarity(torch.stack(photographs), artworks)
    others = structure_similarity(torch.stack(photographs).roll(1, 0), artworks)
    assert kept.mean() > 0.8
    assert others.mean() < 0.3


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="equal shapes"):
        structure_similarity(IMAGES, IMAGES[:2])


def test_images_without_structure_are_not_alike() -> None:
    flat = torch.full((1, 1, 32, 32), 128.0)
    flat[..., 0, 0] = 130
    assert structure_similarity(flat, flat).item() < 0.01
