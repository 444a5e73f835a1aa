import pytest
import torch

from leyden.data.source.builtin.digit_scenes import DigitScenes, _ink, _overlap, _place
from leyden.data.source.builtin.digits import Digits
from leyden.data.source.builtin.image_patches import patches, stage_generator

SCENES = DigitScenes(train=60, val=10, test=10)


@pytest.fixture(scope="module")
def train():
    return SCENES.split("train")


def test_shapes_and_types(train):
    assert train.columns.images.shape == (60, 3, 128, 128)
    assert train.columns.images.dtype == torch.uint8
    for target in train.columns.targets:
        assert 1 <= len(target["labels"]) <= 6
        assert target["boxes"].shape == (len(target["labels"]), 4)
        assert (target["boxes"].dtype, target["labels"].dtype) == (torch.float32, torch.int64)
    assert [len(SCENES.split(stage)) for stage in ("val", "test")] == [10, 10]


def test_boxes_are_proper_and_inside(train):
    boxes = torch.cat([target["boxes"] for target in train.columns.targets])
    assert boxes.min() >= 0
    assert boxes.max() <= 128
    sizes = boxes[:, 2:] - boxes[:, :2]
    assert sizes.min() >= 3
    assert sizes.max() <= 64
    assert sizes[:, 1].max() > 2.5 * sizes[:, 1].min()
    assert len(torch.cat([target["labels"] for target in train.columns.targets]).unique()) == 10


def test_digits_hardly_overlap(train):
    for target in train.columns.targets:
        shared = _overlap(target["boxes"][None], target["boxes"][None])[0]
        shared.fill_diagonal_(0)
        assert shared.max() <= SCENES.overlap


def test_only_the_inside_of_boxes_differs_from_the_photograph(train):
    background = patches("train", 60, 128, stage_generator(0, "train"))
    changed = (train.columns.images.int() - background.int()).abs().amax(1)
    for change, target in zip(changed, train.columns.targets, strict=True):
        outside = torch.ones(128, 128, dtype=torch.bool)
        for x1, y1, x2, y2 in target["boxes"].int().tolist():
            # A tight box: ink touches its sides. What is less than half opaque may lie outside, within a scan's cell.
            outside[max(0, y1 - 8) : y2 + 8, max(0, x1 - 8) : x2 + 8] = False
            ink = change[y1:y2, x1:x2] > 25
            assert ink.any(0)[[0, -1]].float().mean() + ink.any(1)[[0, -1]].float().mean() >= 1
            assert change[y1:y2, x1:x2].max() > 60
        assert change[outside].max() == 0


def test_scenes_depend_on_the_seed_alone(train):
    again = DigitScenes(train=60).split("train")
    assert torch.equal(again.columns.images, train.columns.images)
    assert all(
        torch.equal(a["boxes"], b["boxes"]) for a, b in zip(again.columns.targets, train.columns.targets, strict=True)
    )
    assert not torch.equal(DigitScenes(train=60, seed=1).split("train").columns.images, train.columns.images)


def test_the_splits_draw_on_disjoint_digits():
    kinds = {
        stage: {tuple(image.flatten().tolist()) for image in Digits().split(stage).columns.images}
        for stage in SCENES.counts
    }
    assert not kinds["train"] & kinds["test"]
    assert not kinds["train"] & kinds["val"]
    assert not kinds["val"] & kinds["test"]


def test_ink_is_boxed_tightly():
    digit = torch.zeros(1, 8, 8, dtype=torch.uint8)
    digit[0, 2:6, 3:5] = 255
    ink, tight = _ink(digit, torch.tensor([32]))
    strokes = ink[32][0][0]
    x1, y1, x2, y2 = tight[0].tolist()
    assert (strokes[y1:y2, x1:x2] > 0.5).sum() == (strokes > 0.5).sum()
    # Cells 2 to 6 and 3 to 5 of 4 pixels each.
    assert torch.tensor([x1 - 12, y1 - 8, x2 - 20, y2 - 24]).abs().max() <= 1


def test_a_digit_without_room_is_left_out():
    tight = torch.tensor([[[0, 0, 20, 20], [0, 0, 20, 20]]])
    _, placed = _place(tight, torch.tensor([[20, 20]]), 22, 0.1, torch.Generator().manual_seed(0))
    assert placed.tolist() == [[True, False]]


def test_digits_too_small_to_read_are_refused():
    with pytest.raises(ValueError, match="at least 8 pixels"):
        DigitScenes(image_size=32, smallest=0.1)
