import math
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor
from torchmetrics.functional.image.lpips import _LPIPS
from torchmetrics.image import PeakSignalNoiseRatio
from torchvision.models import squeezenet1_1

from leyden.data.batches.gan.crops import enlarge, shrink, whole_multiple
from leyden.data.source.builtin.image_patches import photographs
from leyden.metrics.generated.super_resolution import Lpips, luma, psnr, ssim, texture_distance


@pytest.fixture(scope="module")
def pair() -> tuple[Tensor, Tensor]:
    """A photograph bicubically shrunk and enlarged, and itself: (1, 3, 150, 224) each."""
    target = photographs("val")[0][None, :, 100:250, 100:324]
    return enlarge(shrink(target, 2), 2), target


def test_luma_is_matlabs(pair: tuple[Tensor, Tensor]) -> None:
    ours = luma(pair[1])[0, 0].numpy()
    np.testing.assert_allclose(ours, rgb2ycbcr(pair[1][0].permute(1, 2, 0).numpy())[..., 0], atol=1e-3)
    ends = torch.tensor([[0, 255]], dtype=torch.uint8).expand(1, 3, 1, 2)
    assert luma(ends).flatten().tolist() == pytest.approx([16, 235], abs=1e-4)
    assert torch.equal(luma(ends[:, :1]), ends[:, :1].float())


def test_psnr_of_a_known_error_inside_the_border() -> None:
    target = torch.full((2, 1, 20, 30), 100.0)
    images = target.clone()
    images[0] += 5
    images[1] += 10
    images[:, :, :3] = 255  # the border does not count
    expected = [10 * math.log10(255**2 / 25), 10 * math.log10(255**2 / 100)]
    assert psnr(images, target, 3).tolist() == pytest.approx(expected)
    # The mean of the pictures' values, not that of their mean error.
    assert psnr(images, target, 3).mean().item() != pytest.approx(10 * math.log10(255**2 / 62.5), abs=0.1)


@pytest.mark.parametrize("border", [0, 2, 4])
def test_psnr_and_ssim_are_those_of_reference_packages(pair: tuple[Tensor, Tensor], border: int) -> None:
    images, target = (
        rgb2ycbcr(which[0].permute(1, 2, 0).numpy())[border : 150 - border, border : 224 - border, 0] for which in pair
    )
    expected = peak_signal_noise_ratio(target, images, data_range=255)
    assert psnr(*pair, border).item() == pytest.approx(expected, abs=1e-4)
    similar = structural_similarity(
        target, images, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert ssim(*pair, border).item() == pytest.approx(similar, abs=1e-4)
    per_image = PeakSignalNoiseRatio(data_range=255.0)(torch.tensor(images), torch.tensor(target)).item()
    assert psnr(*pair, border).item() == pytest.approx(per_image, abs=1e-4)


@pytest.mark.parametrize("score", [psnr, ssim])
def test_shapes_that_do_not_fit_are_refused(score) -> None:
    images = torch.zeros(1, 3, 16, 16)
    with pytest.raises(ValueError, match="differ in shape"):
        score(images, images[..., :15])
    with pytest.raises(ValueError, match=r"16 x 16 pixels have fewer than \d+ a side inside a border of 8"):
        score(images, images, 8)


@pytest.mark.parametrize(("scale", "published", "tolerance"), [(2, 33.66, 0.05), (4, 28.43, 0.05)])
def test_bicubic_on_set5_is_what_tables_say(dev_data: Path, scale: int, published: float, tolerance: float) -> None:
    from leyden.data.source.files.image_files import ImageFiles

    split = ImageFiles(str(dev_data / "super_resolution"), "T91", None, "Set5").split("test")
    scores = []
    for i in range(len(split)):
        target = whole_multiple(split[i].images, scale)[None]
        scores.append(psnr(enlarge(shrink(target, scale), scale), target, scale).item())
    assert sum(scores) / 5 == pytest.approx(published, abs=tolerance)


def test_texture_distance_ignores_place(pair: tuple[Tensor, Tensor]) -> None:
    blurred, target = pair
    assert texture_distance(target, target) == 0
    blur = texture_distance(blurred, target)
    more = texture_distance(enlarge(shrink(target, 4), 4)[..., :224], target[..., :148, :])
    moved = texture_distance(target.flip(-1), target)
    noisy = texture_distance((target.float() + 20 * torch.randn(target.shape)).clamp(0, 255), target)
    assert moved < blur / 2 < blur < more
    assert moved < blur < noisy
    assert texture_distance(blurred, target) == blur
    with pytest.raises(ValueError, match="differ in shape"):
        texture_distance(blurred, target[:, :1])


def test_lpips_is_torchmetrics_with_the_given_backbone(pair: tuple[Tensor, Tensor]) -> None:
    torch.manual_seed(0)
    state = squeezenet1_1(weights=None).state_dict()
    lpips = Lpips(state)
    reference = _LPIPS(pretrained=True, net="squeeze", pnet_rand=True)
    for piece in reference.net.slices:
        for name, layer in piece.named_children():
            own = {key.removeprefix(f"features.{name}."): value for key, value in state.items()}
            layer.load_state_dict({key: own[key] for key in layer.state_dict()})
    expected = reference(*(which.float() / 127.5 - 1 for which in pair)).item()
    assert lpips(*pair).item() == pytest.approx(expected, rel=1e-5)
    assert lpips(pair[1], pair[1]).item() == 0
    assert lpips(pair[0][:, :1], pair[1][:, :1]).shape == (1,)
    with pytest.raises(ValueError, match=r"weights of squeezenet1_1: \d+ of \d+ tensors do not fit"):
        Lpips({"features.0.weight": torch.zeros(3)})


def test_lpips_with_imagenet_weights_ranks_blur(dev_data: Path, pair: tuple[Tensor, Tensor]) -> None:
    weights = torch.load(dev_data / "weights" / "squeezenet1_1_imagenet.pth", weights_only=True)
    lpips, target = Lpips(weights), pair[1][..., :148, :]
    distances = [lpips(enlarge(shrink(target, scale), scale), target).item() for scale in (2, 4)]
    assert 0 < distances[0] < distances[1]
