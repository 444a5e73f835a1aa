import pytest
import torch

from leyden.data.source.builtin.image_patches import read_photograph
from leyden.data.source.builtin.surfaces import LARGEST, SURFACES, Surfaces, part_of
from leyden.data.splits import STAGES


def test_parts_share_no_pixel(monkeypatch: pytest.MonkeyPatch) -> None:
    def numbered(name: str) -> torch.Tensor:
        height, width = read_photograph(name).shape[1:]
        return torch.arange(height * width, dtype=torch.int32).reshape(1, height, width)

    module = "leyden.data.source.builtin.surfaces"
    monkeypatch.setattr(f"{module}.read_photograph", numbered)
    monkeypatch.setattr(f"{module}.F.rgb_to_grayscale", lambda image: image)
    for name in SURFACES.values():
        parts = [part_of(name, stage) for stage in STAGES]
        assert all(min(part.shape[1:]) >= LARGEST for part in parts), name
        pixels = torch.cat([part.flatten() for part in parts])
        assert len(pixels.unique()) == len(pixels)
        if name != "retina.jpg":  # of which only the middle is not black
            assert len(pixels) == numbered(name).numel()


def test_counts_and_labels() -> None:
    source = Surfaces(32, train=2, val=3, test=4)
    for stage, count in (("train", 2), ("val", 3), ("test", 4)):
        columns = source.split(stage).columns
        assert columns.images.shape == (9 * count, 3, 32, 32)
        assert columns.images.dtype == torch.uint8
        assert torch.equal(columns.images[:, 0], columns.images[:, 2])  # grey
        assert columns.labels.bincount().tolist() == [count] * 9
    assert len(source.class_names) == 9


def test_neither_light_nor_contrast_tells_the_class() -> None:
    columns = Surfaces(32, train=40).split("train").columns
    grey = columns.images[:, 0].float().flatten(1)
    for values, most in ((grey.mean(1), 0.3), (grey.std(1), 0.8)):  # a bright star is cut off at white
        by_class = values.reshape(9, 40)
        assert by_class.mean(1).std() < most * by_class.std(1).mean()


def test_patches_depend_on_the_seed_alone() -> None:
    first, again, other = (Surfaces(16, 3, seed=seed).split("train").columns.images for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_number_below_its_least_value() -> None:
    with pytest.raises(ValueError, match="image_size from 8"):
        Surfaces(train=0)
