import io
from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data
from torch import Tensor
from torchvision.transforms.v2.functional import pil_to_tensor

from leyden.data.inspection.duplicates import MAX_DISTANCE, are_alike, find_alike, fingerprints

PHOTOS = [Image.fromarray(getattr(data, name)()) for name in ("astronaut", "chelsea", "coffee", "rocket")]


def jpeg(image: Image.Image) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=30)
    return Image.open(stream)


def cropped(image: Image.Image) -> Image.Image:
    """Without 5 % of both sides, most of it at the left and at the bottom."""
    width, height = image.size
    return image.crop((width // 25, height // 100, width - width // 100, height - height // 25))


def tensors(images: list[Image.Image]) -> list[Tensor]:
    return [pil_to_tensor(image) for image in images]


@pytest.mark.parametrize(
    "change", [jpeg, cropped, lambda image: image.resize((160, 120)), lambda image: jpeg(cropped(image)).convert("L")]
)
def test_changed_copies_are_found(change: Callable[[Image.Image], Image.Image]) -> None:
    images = tensors(PHOTOS + [change(image) for image in PHOTOS[::-1]])
    hashes = np.stack([fingerprints(image) for image in images])
    pairs, more = find_alike(hashes, np.array([0] * 4 + [1] * 4), images.__getitem__)
    assert (pairs, more) == ([(3, 4), (2, 5), (1, 6), (0, 7)], 0)
    assert find_alike(hashes, np.zeros(8, int), images.__getitem__) == ([], 0)


def test_other_images_and_mirrored_ones_are_not_alike() -> None:
    for i, image in enumerate(tensors(PHOTOS)):
        for other in [*tensors(PHOTOS[:i]), image.flip(-1)]:
            assert not are_alike(image, other)
            assert np.bitwise_count(fingerprints(image)[0] ^ fingerprints(other)[0]) > MAX_DISTANCE


def test_flat_and_small_images_are_not_alike() -> None:
    flat = [torch.full((3, 64, 64), value, dtype=torch.uint8) for value in (10, 200)]
    assert not are_alike(*flat)
    assert fingerprints(torch.zeros(1, 47, 200, dtype=torch.uint8)) is None
    assert fingerprints(torch.zeros(1, 48, 48, dtype=torch.uint8)).shape == (3,)
