import pytest
import torch

from leyden.data.source.builtin import image_patches
from leyden.data.source.builtin.image_patches import PHOTOGRAPHS, ImagePatches, patches, photographs, regions


def test_the_splits_share_no_photograph():
    names = [name for listed in PHOTOGRAPHS.values() for name in listed]
    assert len(names) == len(set(names)) == 8


def test_photographs_are_in_colour_and_as_large_as_published():
    shapes = {name: image.shape for name, image in zip(PHOTOGRAPHS["train"], photographs("train"), strict=True)}
    assert shapes["astronaut.png"] == (3, 512, 512)
    assert shapes["coffee.png"] == (3, 400, 600)
    for stage in PHOTOGRAPHS:
        for image in photographs(stage):
            assert (image[0].float() - image[2].float()).abs().mean() > 5


def test_counts_sizes_and_targets():
    source = ImagePatches(48, train=30, val=5, test=7)
    for stage, count in (("train", 30), ("val", 5), ("test", 7)):
        split = source.split(stage)
        assert split.columns.images.shape == (count, 3, 48, 48)
        assert split.columns.images.dtype == torch.uint8
        assert split.columns._fields == ("images",)
    assert not source.class_names


def test_patches_depend_on_the_seed_alone():
    first, again, other = (ImagePatches(32, 20, 1, 1, seed=seed).split("train").columns.images for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_patch_is_a_piece_of_its_photograph():
    photograph = photographs("val")[0]
    whole = min(photograph.shape[1:])
    for patch in patches("val", 3, whole, torch.Generator().manual_seed(0)):
        lefts = [left for left in range(photograph.shape[2] - whole + 1)
                 if torch.equal(patch, photograph[:, :, left : left + whole])]  # fmt: skip
        assert len(lefts) == 1


def test_photographs_smaller_than_a_patch_are_enlarged():
    assert ImagePatches(400, train=1, val=2, test=1).split("val").columns.images.shape == (2, 3, 400, 400)


def places_of(stage):
    """Pixels of a split's regions: all are different where the photographs say their own place."""
    return {int(value) for region in regions(stage, 20) for value in region.flatten()}


def test_regions_of_a_photograph_share_no_pixel(monkeypatch):
    numbered = torch.arange(80 * 120).view(1, 80, 120)
    monkeypatch.setattr(image_patches, "photographs", lambda stage: [numbered] if stage == "train" else [])
    found = {stage: places_of(stage) for stage in ("train", "val", "test")}
    assert set.union(*found.values()) == set(range(80 * 120))
    assert sum(map(len, found.values())) == 80 * 120
    assert [len(places) / 9600 for places in found.values()] == pytest.approx([0.7, 0.1, 0.2], abs=0.05)


def test_patches_by_region_see_all_six_photographs():
    split = ImagePatches(16, train=4, val=4, test=6, region=64).split("test")
    assert split.columns.images.shape == (6, 3, 16, 16)
    assert len({len(regions(stage, 64)) for stage in ("train", "val", "test")}) == 3
    assert all(abs(side - 64) < 12 for region in regions("test", 64) for side in region.shape[1:])


def test_regions_smaller_than_a_patch_are_refused():
    with pytest.raises(ValueError, match="region=32 is smaller than patches of 64 pixels"):
        ImagePatches(64, region=32)
