"""What ``leyden predict --mask`` reads: one mask for all inputs, or one under the name of each."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from leyden.data.inputs import read_masks

CHUNK = [("a.jpg", torch.zeros(3, 4, 6, dtype=torch.uint8)), ("below/b.png", torch.zeros(1, 4, 6, dtype=torch.uint8))]


def paint(file: Path, white: int, size: tuple[int, int] = (6, 4)) -> Path:
    file.parent.mkdir(exist_ok=True)
    image = Image.new("L", size)
    image.paste(255, (0, 0, white, 1))
    image.save(file)
    return file


def test_one_mask_is_for_all(tmp_path: Path) -> None:
    masks = read_masks(paint(tmp_path / "hole.png", 2), CHUNK)
    assert [mask.sum().item() for mask in masks] == [2, 2]
    assert masks[0][0, :2].all()


def test_a_folder_has_one_for_each(tmp_path: Path) -> None:
    paint(tmp_path / "a.png", 1)
    paint(tmp_path / "below" / "b.png", 3)
    assert [mask.sum().item() for mask in read_masks(tmp_path, CHUNK)] == [1, 3]


@pytest.mark.parametrize(
    ("white", "size", "message"),
    [(0, (6, 4), "nothing is white"), (2, (4, 6), "4x6 pixels, but a.jpg has 6x4: give masks of the images' sizes")],
)
def test_masks_that_fit_nothing_are_refused(white: int, size: tuple[int, int], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        read_masks(paint(tmp_path / "hole.png", white, size), CHUNK)


def test_a_missing_mask_is_named(tmp_path: Path) -> None:
    paint(tmp_path / "a.png", 1)
    with pytest.raises(ValueError, match=r"no mask for below/b.png: give one of the same name"):
        read_masks(tmp_path, CHUNK)
