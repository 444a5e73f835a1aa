import pytest
import torch
from PIL import Image
from torchvision.transforms.v2 import functional as F

from leyden.data.source.files.pillow import pil_to_tensor, to_pil_image


@pytest.mark.parametrize("channels", [1, 3])
def test_same_images_as_torchvision(channels: int) -> None:
    image = torch.randint(256, (channels, 3, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    drawn = to_pil_image(image)
    assert (drawn.mode, drawn.tobytes()) == (F.to_pil_image(image).mode, F.to_pil_image(image).tobytes())
    back = pil_to_tensor(drawn)
    assert torch.equal(back, image)
    assert back.stride() == F.pil_to_tensor(drawn).stride()


def test_changed_tensors_leave_the_image() -> None:
    image = Image.new("L", (2, 2), 7)
    pil_to_tensor(image).zero_()
    assert image.getpixel((0, 0)) == 7
