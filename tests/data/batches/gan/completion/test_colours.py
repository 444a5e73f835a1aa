"""Batches of lightness and colours: their numbers, their hints, what is refused."""

import logging
from pathlib import Path

import pytest
import torch
from PIL import Image

from leyden.data.batches.gan.completion.colour import Colours, ToLab, spread
from leyden.data.colour_space import to_lab, to_rgb
from leyden.data.columns import Images
from leyden.data.source.builtin.digits import Digits
from leyden.data.source.builtin.image_patches import ImagePatches
from leyden.data.source.files.image_folder import ImageFolder


def new(**values) -> Colours:
    return Colours(ImagePatches(16, 8, 4, 4), batch_size=4, **values)


def test_batches_are_the_images_in_lab() -> None:
    data = new()
    (batch,) = data.test_dataloader()
    assert torch.equal(to_rgb(batch.lightness, batch.ab), data.split("test").columns.images)
    assert not batch.hinted.any()
    assert data.spec == {"image_size": 16, "hints": 0}


def test_evaluation_has_the_same_hints_always() -> None:
    first, other_seed = new(hints=5, seed=1), new(hints=5, seed=2)
    (one,), (again,), (other,) = first.test_dataloader(), first.test_dataloader(), other_seed.test_dataloader()
    assert torch.equal(one.hinted, again.hinted)
    assert torch.equal(one.hinted, other.hinted)
    assert all(3 <= count <= 5 for count in one.hinted.sum((1, 2, 3)).tolist())  # two may fall on one pixel


def test_training_has_none_to_all_hints() -> None:
    u = torch.rand(2000, ToLab(hints=3).draws, generator=torch.Generator().manual_seed(0))
    hinted = ToLab(hints=3, varied=True).hinted(u[:, 1:], 64, 64)
    counts = hinted.sum((1, 2, 3)).bincount(minlength=4) / 2000
    torch.testing.assert_close(counts, torch.full((4,), 0.25), rtol=0, atol=0.03)


def test_hints_reach_every_pixel() -> None:
    u = torch.rand(400, 11, generator=torch.Generator().manual_seed(0))
    assert ToLab(hints=10).hinted(u, 4, 5).any(0).all()
    assert ToLab(hints=1).hinted(torch.ones(1, 2), 4, 5)[0, 0, 3, 4]  # u * n may round up to n


def test_flips_mirror_colours_and_all() -> None:
    images = ImagePatches(16, 2, 1, 1).split("train").columns.images
    lightness, ab, _ = ToLab(flip=True)(Images(images), torch.tensor([[0.4, 0.0], [0.6, 0.0]]))
    expected = to_lab(torch.stack([images[0].flip(-1), images[1]]))
    torch.testing.assert_close((lightness, ab), expected, rtol=0, atol=0)


def test_mean_colour_of_the_training_images() -> None:
    data = new()
    expected = to_lab(data.split("train").columns.images)[1].mean((0, 2, 3))
    torch.testing.assert_close(data.mean_ab(), expected)
    assert spread(10, 3) == [0, 3, 6]
    assert spread(2, 3) == [0, 1]


def test_grey_sources_are_refused() -> None:
    with pytest.raises(ValueError, match=r"the images of digits are grey: .* choose data/source=image_patches"):
        Colours(Digits()).prepare_data()
    with pytest.raises(ValueError, match="hints=-1"):
        new(hints=-1)


def folder(root: Path, grey: int, coloured: int) -> Colours:
    for number in range(grey + coloured):
        colour = (number, number, number if number < grey else 200)
        Image.new("RGB", (20, 17), colour).save(root / f"{number}.png")
    return Colours(ImageFolder(str(root)), image_size=16)


def test_a_grey_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="are grey, though they have three channels"):
        folder(tmp_path, 12, 0).prepare_data()


def test_some_grey_images_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        folder(tmp_path, 5, 15).prepare_data()
    assert "are grey, and teach that grey is right" in caplog.text
