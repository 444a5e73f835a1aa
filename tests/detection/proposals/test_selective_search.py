import sys
from types import ModuleType

import cv2
import pytest
import torch
from torchvision.ops import box_iou
from torchvision.transforms.v2 import functional as F

from leyden.data.source.builtin.digit_scenes import DigitScenes
from leyden.detection.proposals.selective_search import first, selective_search

SCENE = DigitScenes(train=1, val=1, test=1).split("val").columns.images[0]


def rows(boxes: torch.Tensor) -> list[tuple[float, ...]]:
    return [tuple(box) for box in boxes.tolist()]


def test_two_calls_give_equal_boxes_in_one_order():
    boxes = selective_search(SCENE)
    assert torch.equal(boxes, selective_search(SCENE))
    assert rows(boxes) == sorted(set(rows(boxes)))
    assert boxes.dtype == torch.float32
    assert (0, 0, 128, 128) in rows(boxes)
    assert boxes.min() >= 0
    assert boxes.max() <= 128
    assert (boxes[:, 2:] > boxes[:, :2]).all()


def test_a_picture_searched_before_changes_nothing():
    boxes = selective_search(SCENE, k=[100])
    selective_search(SCENE.flip(1), k=[100])
    assert torch.equal(boxes, selective_search(SCENE, k=[100]))


def test_what_is_painted_is_found():
    image = torch.full((3, 96, 128), 128, dtype=torch.uint8)
    objects = torch.tensor([[10.0, 20, 40, 60], [70, 8, 120, 40], [60, 60, 85, 90]])
    for (x1, y1, x2, y2), channel in zip(objects.int().tolist(), range(3), strict=True):
        image[:, y1:y2, x1:x2] = 0
        image[channel, y1:y2, x1:x2] = 255
    best = box_iou(objects, selective_search(image)).amax(1)
    assert best.tolist() == pytest.approx([1, 1, 1], abs=0.15)


def test_the_regions_are_opencvs():
    # Of grey pictures hue and saturation are 0, so that it is no matter how far the hue reaches.
    grey = F.rgb_to_grayscale(SCENE, 3)
    reference = cv2.ximgproc.segmentation.createSelectiveSearchSegmentation()
    reference.setBaseImage(grey.permute(1, 2, 0).contiguous().numpy())
    reference.switchToSelectiveSearchFast()
    expected = {(x, y, x + w, y + h) for x, y, w, h in reference.process().tolist()}
    boxes = selective_search(grey, k=[150, 300, 450], min_size=100, min_side=0)
    assert len(boxes) > 10
    assert set(rows(boxes)) == expected


def test_the_least_region_is_k_as_in_rcnn():
    assert torch.equal(selective_search(SCENE, k=[100]), selective_search(SCENE, k=[100], min_size=100))
    together, one, other = (set(rows(selective_search(SCENE, k=k))) for k in ([50, 100], [50], [100]))
    assert together == one | other


def test_small_boxes_are_left_out():
    every = selective_search(SCENE, min_side=0)
    large = selective_search(SCENE, min_side=0.1)
    sides = every[:, 2:] - every[:, :2]
    assert torch.equal(large, every[(sides >= 12.8).all(1)])
    assert 0 < len(large) < len(every)


def test_search_width_keeps_image_pixels():
    image = SCENE[:, :64]
    boxes = selective_search(image, k=[100], width=192)
    larger = selective_search(F.resize(image, [96, 192], antialias=True), k=[100])
    torch.testing.assert_close(boxes, larger / 1.5)
    assert (0, 0, 128, 64) in rows(boxes)


def test_limit_samples_by_seed():
    every = selective_search(SCENE)
    some = selective_search(SCENE, limit=20)
    assert len(set(rows(some))) == 20
    assert set(rows(some)) < set(rows(every))
    assert torch.equal(some, selective_search(SCENE, limit=20))
    assert torch.equal(some[:5], selective_search(SCENE, limit=5))
    assert not torch.equal(some, selective_search(SCENE, limit=20, seed=1))
    assert sorted(rows(first(every, 10**6))) == rows(every)


def test_grey_pictures_are_searched_too():
    grey = F.rgb_to_grayscale(SCENE)
    boxes = selective_search(grey)
    assert len(boxes) > 10
    assert torch.equal(boxes, selective_search(grey.expand(3, -1, -1)))


def test_nothing_to_see_gives_the_whole_picture():
    assert rows(selective_search(torch.full((3, 20, 30), 7, dtype=torch.uint8))) == [(0, 0, 30, 20)]
    assert rows(selective_search(torch.zeros(1, 1, 1, dtype=torch.uint8))) == [(0, 0, 1, 1)]


@pytest.mark.parametrize(
    ("image", "settings", "message"),
    [
        (SCENE.float(), {}, "takes a uint8 image"),
        (SCENE[:2], {}, r"got torch.uint8 \(2, 128, 128\)"),
        (SCENE[None], {}, r"\(1 or 3, H, W\)"),
        (SCENE, {"k": []}, "data.search.k"),
        (SCENE, {"k": [50, 0]}, "scales above 0"),
    ],
)
def test_what_cannot_be_searched_is_refused(image, settings, message):
    with pytest.raises(ValueError, match=message):
        selective_search(image, **settings)


def test_a_missing_package_names_its_cure(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ImportError, match=r"pip install 'leyden\[proposals\]'"):
        selective_search(SCENE)
    monkeypatch.setitem(sys.modules, "cv2", ModuleType("cv2"))
    with pytest.raises(ImportError, match=r"leyden\[proposals\]', after uninstalling opencv-python"):
        selective_search(SCENE)
