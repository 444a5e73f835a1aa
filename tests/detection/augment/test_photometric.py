import colorsys

import pytest
import torch

from leyden.data.columns import Scenes
from leyden.detection.augment.photometric import Distortion

NONE = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0, "swap": 0.0, "flip": False}
IMAGES = torch.randint(40, 160, (6, 3, 8, 10), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
TARGETS = [{"boxes": torch.tensor([[1.0, 2, 4, 6]]), "labels": torch.tensor([i])} for i in range(6)]


def draws(**columns: float) -> torch.Tensor:
    """All changes off (the coin at 4..7 says no), but for the given columns."""
    u = torch.full((6, 10), 0.9)
    for name, value in columns.items():
        u[:, int(name[1:])] = value
    return u


def test_without_changes_nothing_changes():
    images, targets = Distortion(**NONE)(Scenes(IMAGES, TARGETS), torch.rand(6, 10))
    assert (images.int() - IMAGES.int()).abs().max() <= 1
    assert targets is TARGETS


def test_brightness_and_contrast():
    brighter, _ = Distortion(**{**NONE, "brightness": 0.2})(Scenes(IMAGES, TARGETS), draws(c0=1.0, c4=0.0))
    assert (brighter.int() - IMAGES.int() - 51).abs().max() <= 1
    stronger, _ = Distortion(**{**NONE, "contrast": 0.5})(Scenes(IMAGES, TARGETS), draws(c1=1.0, c5=0.0))
    assert (stronger.float() - 1.5 * IMAGES).abs().max() <= 1


def test_saturation_zero_is_grey_and_hue_keeps_brightness():
    grey, _ = Distortion(**{**NONE, "saturation": 1.0})(Scenes(IMAGES, TARGETS), draws(c2=0.0, c6=0.0))
    assert (grey.float() - IMAGES.float().mean(1, keepdim=True)).abs().max() <= 1
    turned, _ = Distortion(**{**NONE, "hue": 18.0})(Scenes(IMAGES, TARGETS), draws(c3=1.0, c7=0.0))
    assert (turned.float().mean(1) - IMAGES.float().mean(1)).abs().max() <= 1
    assert (turned.int() - IMAGES.int()).abs().max() > 5
    red = torch.tensor([200, 20, 20], dtype=torch.uint8).view(1, 3, 1, 1)
    orange, _ = Distortion(**{**NONE, "hue": 18.0})(Scenes(red, TARGETS[:1]), draws(c3=1.0, c7=0.0)[:1])
    assert colorsys.rgb_to_hsv(*orange.flatten().tolist())[0] * 360 == pytest.approx(18, abs=6)


def test_swap_permutes_the_channels():
    swapped, _ = Distortion(**{**NONE, "swap": 1.0})(Scenes(IMAGES, TARGETS), draws(c8=0.99))
    assert (swapped.int() - IMAGES.flip(1).int()).abs().max() <= 1
    assert torch.equal(swapped.sort(1).values, IMAGES.sort(1).values)


def test_boxes_are_mirrored_with_their_image():
    images, targets = Distortion(**{**NONE, "flip": True})(Scenes(IMAGES, TARGETS), draws(c9=0.1))
    assert (images.int() - IMAGES.flip(3).int()).abs().max() <= 1
    assert targets[0]["boxes"].tolist() == [[6, 2, 9, 6]]
    assert TARGETS[0]["boxes"].tolist() == [[1, 2, 4, 6]]
    _, same = Distortion(**{**NONE, "flip": True})(Scenes(IMAGES, TARGETS), draws(c9=0.9))
    assert same[0]["boxes"].tolist() == [[1, 2, 4, 6]]


def test_one_example_changes_by_its_own_numbers_alone():
    distortion = Distortion(0.1, 0.5, 0.5, 18.0, 0.5, True)
    u = torch.rand(6, 10, generator=torch.Generator().manual_seed(1))
    together, targets = distortion(Scenes(IMAGES, TARGETS), u)
    alone, target = distortion(Scenes(IMAGES[3:4], TARGETS[3:4]), u[3:4])
    assert torch.equal(together[3:4], alone)
    assert torch.equal(targets[3]["boxes"], target[0]["boxes"])


def test_grey_images_may_change_too():
    images, _ = Distortion(0.1, 0.5, 0.5, 18.0, 0.5, False)(Scenes(IMAGES[:, :1], TARGETS), torch.rand(6, 10))
    assert images.shape == (6, 1, 8, 10)
