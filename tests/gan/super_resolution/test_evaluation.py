from pathlib import Path

import pytest
import torch
from torch import Tensor
from torchvision.models import squeezenet1_1

from leyden.data.batches.crops import enlarge, shrink
from leyden.gan.super_resolution.evaluation import SHOWN, Comparison
from leyden.metrics.super_resolution import psnr, ssim, texture_distance


@pytest.fixture
def truth() -> Tensor:
    """Grey, but for a chequered square at rows 96 to 160 and columns 32 to 96."""
    picture = torch.full((1, 3, 200, 180), 128, dtype=torch.uint8)
    board = (torch.arange(64) + torch.arange(64).view(-1, 1)) % 2 * 255
    picture[..., 96:160, 32:96] = board.to(torch.uint8)
    return picture


def test_scores_are_those_of_the_metrics(truth: Tensor) -> None:
    images = enlarge(shrink(truth, 4), 4)
    scores = Comparison(4).score(images, truth)
    assert scores == {
        "psnr_y": psnr(images, truth, 4).item(),
        "ssim_y": ssim(images, truth, 4).item(),
        "swd": texture_distance(images, truth, levels=2),
    }


def test_lpips_where_weights_are_given(truth: Tensor, tmp_path: Path) -> None:
    torch.save(squeezenet1_1(weights=None).state_dict(), tmp_path / "squeeze.pth")
    comparison = Comparison(2, str(tmp_path / "squeeze.pth"))
    assert comparison.score(truth, truth)["lpips"] == 0
    assert comparison.score(enlarge(shrink(truth, 2), 2), truth)["lpips"] > 0


def test_the_detail_is_where_most_contrast_is(truth: Tensor) -> None:
    comparison = Comparison(2)
    small = shrink(truth, 2)
    worse = (truth.float() * 0.9).to(torch.uint8)
    comparison.keep(small, {"bicubic": enlarge(small, 2), "ours": worse}, truth)
    captions = [caption for _, caption in comparison.tiles]
    images = [image for image, _ in comparison.tiles]
    assert captions[0] == "low resolution"
    assert captions[3] == "truth"
    detail = truth[..., 96:160, 32:96]
    assert torch.equal(images[3], detail[0])
    assert torch.equal(images[0], small[0, :, 48:80, 16:48])
    assert captions[2] == f"ours\n{psnr(worse[..., 96:160, 32:96], detail).item():.2f} dB"


def test_the_sheet_has_a_row_for_each_of_the_first_pictures(truth: Tensor) -> None:
    comparison = Comparison(2)
    assert comparison.draw() is None
    for _ in range(SHOWN + 3):
        comparison.keep(shrink(truth, 2), {"bicubic": truth}, truth)
    assert len(comparison.tiles) == 3 * SHOWN
    sheet = comparison.draw()
    assert sheet.shape[1] > SHOWN * 192
    assert 3 * 192 < sheet.shape[2] < 4 * 192
    assert comparison.draw() is None


def test_small_pictures_are_shown_as_far_as_they_reach() -> None:
    comparison = Comparison(4)
    truth = torch.randint(0, 256, (1, 1, 20, 28), dtype=torch.uint8)
    comparison.keep(shrink(truth, 4), {"same": truth}, truth)
    assert [tuple(image.shape) for image, _ in comparison.tiles] == [(1, 5, 5), (1, 20, 20), (1, 20, 20)]
