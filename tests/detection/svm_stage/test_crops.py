import pytest
import torch
from torch.nn import functional as F

from leyden.detection.svm_stage.crops import crop, windows


def rcnn_im_crop(image: torch.Tensor, box: list[int], crop_size: int, padding: int) -> torch.Tensor:
    """What the authors' code does with one box: pixels from 1, the last one included, one step after the other."""
    channels, height, width = image.shape
    result = torch.zeros(channels, crop_size, crop_size)
    start, size, unclipped = [0, 0], [crop_size, crop_size], list(box)
    if padding > 0:
        scale = crop_size / (crop_size - padding * 2)
        half = [(box[2] - box[0] + 1) / 2, (box[3] - box[1] + 1) / 2]
        centre = [box[0] + half[0], box[1] + half[1]]
        unclipped = [
            int(centre[i % 2] + (-1 if i < 2 else 1) * half[i % 2] * scale + 0.5 + 1000) - 1000 for i in range(4)
        ]
    x1, y1, x2, y2 = max(1, unclipped[0]), max(1, unclipped[1]), min(width, unclipped[2]), min(height, unclipped[3])
    for axis, (clipped, missing) in enumerate([(x2 - x1 + 1, x1 - unclipped[0]), (y2 - y1 + 1, y1 - unclipped[1])]):
        scale = crop_size / (unclipped[axis + 2] - unclipped[axis] + 1)
        start[axis] = int(missing * scale + 0.5)
        size[axis] = min(int(clipped * scale + 0.5), crop_size - start[axis])
    window = image[None, :, y1 - 1 : y2, x1 - 1 : x2]
    warped = F.interpolate(window, (size[1], size[0]), mode="bilinear", align_corners=False, antialias=False)
    result[:, start[1] : start[1] + size[1], start[0] : start[0] + size[0]] = warped[0]
    return result


def test_the_window_is_the_authors_one():
    # Counting from 1, last pixel included: [100, 50, 199, 149] at 227 with 16 of context becomes [92, 42, 208, 158].
    window = windows(torch.tensor([[99.0, 49, 199, 149]]), 227, 16)
    assert window.tolist() == [[91, 41, 208, 158]]
    assert (window[0, 2] - window[0, 0]).item() == 117


def test_window_without_context_is_the_box():
    boxes = torch.tensor([[3.0, 4, 20, 30], [2.4, 2.5, 2.45, 9.6]])
    assert windows(boxes, 64, 0).tolist() == [[3, 4, 20, 30], [2, 3, 3, 10]]


@pytest.mark.parametrize(("crop_size", "context"), [(64, 16), (64, 0), (227, 16), (32, 5)])
def test_crops_are_those_of_the_authors_code(crop_size: int, context: int):
    generator = torch.Generator().manual_seed(crop_size + context)
    images = torch.randn(3, 2, 50, 70, generator=generator)
    low = torch.randint(0, 40, (30, 2), generator=generator)
    high = torch.minimum(low + torch.randint(1, 40, (30, 2), generator=generator), torch.tensor([70, 50]))
    boxes = torch.cat([low, high], 1)
    boxes[0] = torch.tensor([0, 0, 70, 50])
    which = torch.randint(3, (30,), generator=generator)
    found = crop(images, boxes.float(), which, crop_size, context)
    for i, (x1, y1, x2, y2) in enumerate(boxes.tolist()):
        expected = rcnn_im_crop(images[which[i]], [x1 + 1, y1 + 1, x2, y2], crop_size, context)
        torch.testing.assert_close(found[i], expected, atol=1e-3, rtol=0)


def test_outside_the_image_is_mean_colour():
    images = torch.stack([torch.full((1, 40, 40), value) for value in (1.0, 2.0, 3.0)])
    # The box fills the image: a quarter of the crop's side lies outside, to each side (and half a pixel of rounding).
    found = crop(images, torch.tensor([[0.0, 0, 40, 40]]), torch.tensor([1]), 64, 16)
    assert set(found.unique().tolist()) == {0.0, 2.0}
    assert (found[0, 0] == 2).any(1).sum() in (31, 32)
    beyond = crop(images, torch.tensor([[60.0, 60, 70, 70], [-30, 0, -20, 10]]), torch.tensor([0, 2]), 64, 0)
    assert beyond.abs().max() == 0


def test_no_boxes_no_crops():
    nothing = crop(torch.zeros(2, 3, 32, 32), torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), 64, 16)
    assert nothing.shape == (0, 3, 64, 64)
