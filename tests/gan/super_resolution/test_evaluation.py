from pathlib import Path

import pytest
import torch
from torch import Tensor
from torchvision.models import squeezenet1_1

from leyden.data.batches.gan.crops import enlarge, shrink
from leyden.gan.super_resolution.evaluation import SHOWN, EnlargementEvaluation
from leyden.metrics.generated.super_resolution import psnr, ssim, texture_distance


def evaluation(scale: int, lpips_weights: str | None = None) -> EnlargementEvaluation:
    return EnlargementEvaluation(lambda small: {"bicubic": enlarge(small, scale)}, scale, "swd", lpips_weights)


@pytest.fixture
def target() -> Tensor:
    """Grey, but for a chequered square at rows 96 to 160 and columns 32 to 96."""
    image = torch.full((1, 3, 200, 180), 128, dtype=torch.uint8)
    board = (torch.arange(64) + torch.arange(64).view(-1, 1)) % 2 * 255
    image[..., 96:160, 32:96] = board.to(torch.uint8)
    return image


def test_scores_are_those_of_the_metrics(target: Tensor) -> None:
    images = enlarge(shrink(target, 4), 4)
    scores = evaluation(4).score(images, target)
    assert scores == {
        "psnr_y": psnr(images, target, 4).item(),
        "ssim_y": ssim(images, target, 4).item(),
        "swd": texture_distance(images, target, levels=2),
    }


def test_lpips_where_weights_are_given(target: Tensor, tmp_path: Path) -> None:
    torch.save(squeezenet1_1(weights=None).state_dict(), tmp_path / "squeeze.pth")
    shown = evaluation(2, str(tmp_path / "squeeze.pth"))
    assert shown.score(target, target)["lpips"] == 0
    assert shown.score(enlarge(shrink(target, 2), 2), target)["lpips"] > 0


def test_the_detail_is_where_most_contrast_is(target: Tensor) -> None:
    shown = evaluation(2)
    small = shrink(target, 2)
    worse = (target.float() * 0.9).to(torch.uint8)
    shown.keep(small, {"bicubic": enlarge(small, 2), "ours": worse}, target)
    captions = [caption for _, caption in shown.tiles]
    images = [image for image, _ in shown.tiles]
    assert captions[0] == "low resolution"
    assert captions[3] == "original"
    detail = target[..., 96:160, 32:96]
    assert torch.equal(images[3], detail[0])
    assert torch.equal(images[0], small[0, :, 48:80, 16:48])
    assert captions[2] == f"ours\n{psnr(worse[..., 96:160, 32:96], detail).item():.2f} dB"


def test_the_sheet_has_a_row_per_image(target: Tensor) -> None:
    shown = evaluation(2)
    assert shown.draw() is None
    for _ in range(SHOWN + 3):
        shown.keep(shrink(target, 2), {"bicubic": target}, target)
    assert len(shown.tiles) == 3 * SHOWN
    sheet = shown.draw()
    assert sheet.shape[1] > SHOWN * 192
    assert 3 * 192 < sheet.shape[2] < 4 * 192
    assert shown.draw() is None


def test_small_images_are_shown_whole() -> None:
    shown = evaluation(4)
    target = torch.randint(0, 256, (1, 1, 20, 28), dtype=torch.uint8)
    shown.keep(shrink(target, 4), {"same": target}, target)
    assert [tuple(image.shape) for image, _ in shown.tiles] == [(1, 5, 5), (1, 20, 20), (1, 20, 20)]
