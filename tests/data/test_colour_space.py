"""RGB and CIE L*a*b*: scikit-image's numbers, both ways, and gradients."""

import numpy as np
import pytest
import torch
from skimage.color import lab2rgb, rgb2lab

from leyden.data.colour_space import AB_RANGE, lab_to_rgb, rgb_to_lab, to_lab, to_rgb

RANDOM = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
CORNERS = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 3).T.reshape(3, 1, 8)


def test_lab_is_scikit_images() -> None:
    ours = torch.cat(to_lab(RANDOM), 1).movedim(1, -1).numpy()
    np.testing.assert_allclose(ours, rgb2lab(RANDOM.movedim(1, -1).numpy() / 255), rtol=0, atol=1e-4)


@pytest.mark.filterwarnings("ignore:Conversion from CIE-LAB:UserWarning")  # colours that are none
def test_rgb_is_scikit_images() -> None:
    """Also of colours that RGB has not."""
    scale = torch.tensor([100.0, 2 * AB_RANGE, 2 * AB_RANGE]).view(3, 1, 1)
    lab = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(1)) * scale
    lab = lab - torch.tensor([0, AB_RANGE, AB_RANGE]).view(3, 1, 1)
    theirs = lab2rgb(lab.movedim(0, -1).double().numpy())
    np.testing.assert_allclose(lab_to_rgb(lab).movedim(0, -1).numpy(), theirs, rtol=0, atol=1e-4)


def test_bytes_come_back_exactly() -> None:
    assert torch.equal(to_rgb(*to_lab(RANDOM)), RANDOM)


def test_grey_has_next_to_no_colour() -> None:
    lightness, ab = to_lab(torch.arange(256, dtype=torch.uint8).expand(3, 1, 256))
    assert ab.abs().max() < 0.005
    assert (lightness.diff() > 0).all()
    assert lightness[0, 0, [0, -1]].tolist() == pytest.approx([0, 100], abs=1e-3)


def test_all_colours_are_within_the_range() -> None:
    assert rgb_to_lab(CORNERS)[1:].abs().max() < AB_RANGE


@pytest.mark.parametrize("convert", [rgb_to_lab, lab_to_rgb])
def test_gradients_are_those_of_differences(convert) -> None:
    """Around both parts of the curves, and not off their ends."""
    linear, curved = torch.tensor([0.01, 0.02, 0.03]), torch.tensor([0.3, 0.6, 0.5])
    inputs = torch.stack([linear, curved]).T.reshape(3, 1, 2).double()
    if convert is lab_to_rgb:
        inputs = rgb_to_lab(inputs)
    assert torch.autograd.gradcheck(convert, inputs.requires_grad_())


def test_black_has_a_gradient() -> None:
    black = torch.zeros(3, 1, 1, requires_grad=True)
    rgb_to_lab(black).sum().backward()
    assert black.grad.isfinite().all()
    assert (black.grad != 0).any()
