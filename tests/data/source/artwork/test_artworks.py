import pytest
import torch

from leyden.data.source.artwork import artworks
from leyden.data.source.artwork.artworks import ORIGINALS, PHOTOGRAPHS, SIDES, Artwork, regions
from leyden.data.splits import STAGES


def numbered(name: str) -> torch.Tensor:
    return torch.arange(80 * 120, dtype=torch.int32).reshape(1, 80, 120)


def test_splits_share_no_pixel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artworks, "read_photograph", numbered)
    parts = [torch.cat([region.flatten() for region in regions(("one",), stage)]) for stage in STAGES]
    pixels = torch.cat(parts)
    assert len(pixels.unique()) == len(pixels) == 80 * 120
    assert [len(part) / len(pixels) for part in parts] == pytest.approx([0.6, 0.15, 0.25], abs=0.05)


def test_photographs_and_artworks_are_of_different_photographs() -> None:
    assert not set(PHOTOGRAPHS) & set(ORIGINALS)


def test_regions_are_large_enough_to_be_shrunk_at_32_pixels() -> None:
    for names in (PHOTOGRAPHS, ORIGINALS):
        shorter = [min(region.shape[1:]) for stage in STAGES for region in regions(names, stage)]
        assert min(shorter) > 0.9 * max(SIDES) * 32  # hardly any is enlarged, so all are sharp


@pytest.mark.parametrize("style", ["photograph", "engraving", "painting"])
def test_counts_and_sizes(style: str) -> None:
    source = Artwork(style, 16, train=3, val=2, test=4)
    for stage, count in (("train", 3), ("val", 2), ("test", 4)):
        columns = source.split(stage).columns
        assert columns.images.shape == (count, 3, 16, 16)
        assert columns.images.dtype == torch.uint8
        assert columns._fields == ("images",)


def test_patches_depend_on_the_seed_alone() -> None:
    first, again, other = (Artwork("engraving", 16, 4, seed=seed).split("train").columns.images for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_no_such_style() -> None:
    with pytest.raises(ValueError, match=r"one of photograph, engraving, painting.*image_folder"):
        Artwork("fresco")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="image_size from 8"):
        Artwork(image_size=4)
