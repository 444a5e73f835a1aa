"""The layers' closed forms, and the batch-wise modulated convolution against one image after the other."""

import math

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck
from torch.nn import functional as F

from leyden.gan.noise_to_image.stylegan.layers import (
    EqualisedConv,
    EqualisedLinear,
    MinibatchStd,
    ModulatedLayer,
    Noise,
    ToImage,
    activate,
    adaptive_instance_norm,
    convolve,
    modulated_convolution,
    normalise_second_moment,
)
from leyden.gan.noise_to_image.stylegan.resampling import fir_kernel

KERNEL = fir_kernel()


def test_equalised_layers_keep_the_variance() -> None:
    torch.manual_seed(0)
    layer = EqualisedLinear(400, 300, lr_multiplier=0.01)
    assert layer.weight.std().item() == pytest.approx(100, rel=0.02)
    assert layer(torch.randn(500, 400)).std().item() == pytest.approx(1, rel=0.02)
    conv = EqualisedConv(40, 50, activation="linear")
    assert conv.weight.std().item() == pytest.approx(1, rel=0.02)
    assert conv(torch.randn(20, 40, 12, 12))[:, :, 1:-1, 1:-1].std().item() == pytest.approx(1, rel=0.03)


def test_equalised_layers_learn_alike() -> None:
    """A step of size lr in every parameter changes weights by lr * lr_multiplier / sqrt(fan_in)."""
    for inputs, slower in ((4, 1.0), (100, 1.0), (100, 0.01)):
        layer = EqualisedLinear(inputs, 1, bias=0.5, lr_multiplier=slower)
        before = layer(torch.eye(inputs))
        assert layer(torch.zeros(1, inputs)).item() == pytest.approx(0.5)
        with torch.no_grad():
            layer.weight += 0.25
        change = layer(torch.eye(inputs)) - before
        torch.testing.assert_close(
            change, torch.full((inputs, 1), 0.25 * slower / math.sqrt(inputs)), rtol=1e-3, atol=1e-6
        )


def test_activation_keeps_the_second_moment() -> None:
    values = torch.randn(200_000, generator=torch.Generator().manual_seed(0))
    assert activate(values, "leaky_relu").square().mean().item() == pytest.approx(1.04, rel=0.02)
    assert activate(values, "linear") is values


def test_noise_vectors_get_one_length() -> None:
    vectors = torch.tensor([[3.0, 4.0], [30.0, 40.0]])
    torch.testing.assert_close(normalise_second_moment(vectors), torch.tensor([[0.6, 0.8]] * 2) * math.sqrt(2))


@pytest.mark.parametrize("resample", [None, "up", "down"])
@pytest.mark.parametrize("demodulate", [True, False])
def test_modulation_is_one_kernel_per_image(resample, demodulate: bool) -> None:
    images, styles = torch.randn(4, 3, 8, 8), torch.randn(4, 3)
    weight = torch.randn(5, 3, 3, 3)
    found = modulated_convolution(images, weight, styles, KERNEL, demodulate, resample)
    for image, style, result in zip(images, styles, found, strict=True):
        own = weight * style.view(1, 3, 1, 1)
        if demodulate:
            own = own / (own.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        torch.testing.assert_close(result, convolve(image.unsqueeze(0), own, KERNEL, resample)[0], rtol=1e-4, atol=1e-5)


def test_demodulated_maps_have_unit_variance() -> None:
    torch.manual_seed(0)
    images, styles = torch.randn(8, 32, 18, 18), torch.rand(8, 32) * 5
    maps = modulated_convolution(images, 3 * torch.randn(64, 32, 3, 3), styles, KERNEL)[:, :, 1:-1, 1:-1]
    assert maps.var((1, 2, 3)).sub(1).abs().max() < 0.1


def test_modulation_has_second_derivatives() -> None:
    shapes = ((2, 2, 3, 3), (3, 2, 3, 3), (2, 2))
    inputs = [torch.randn(*shape, dtype=torch.double, requires_grad=True) for shape in shapes]
    assert gradcheck(lambda *x: modulated_convolution(*x, KERNEL.double()), inputs)
    assert gradgradcheck(lambda *x: modulated_convolution(*x, KERNEL.double()), inputs)


def test_instance_norm_golden_values() -> None:
    content = torch.tensor([[[[0.0, 1.0], [2.0, 3.0]]]])
    style = torch.tensor([[10.0, 14.0], [10.0, 14.0]])
    found = adaptive_instance_norm(content, style.std(correction=0).view(1, 1), style.mean().view(1, 1))
    expected = torch.tensor([9.316723961, 11.105574654, 12.894425346, 14.683276039]).view(1, 1, 2, 2)
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-5)


def test_noise_starts_without_effect() -> None:
    maps, noise = torch.randn(3, 2, 4, 4), Noise(4)
    assert torch.equal(noise(maps), maps)
    with torch.no_grad():
        noise.strength.fill_(0.5)
    drawn = noise(maps) - maps
    torch.testing.assert_close(drawn[:, 0], drawn[:, 1])  # one value for all channels of a pixel
    assert not torch.allclose(drawn[0], drawn[1])
    noise.eval()
    torch.testing.assert_close(noise(maps) - maps, 0.5 * noise.fixed.expand(3, 2, -1, -1))


def test_minibatch_std_sees_a_collapse() -> None:
    layer = MinibatchStd()
    same = torch.randn(1, 3, 4, 4).expand(8, -1, -1, -1)
    torch.testing.assert_close(layer(same)[:, 3], torch.full((8, 4, 4), 1e-4))
    pair = torch.stack([torch.full((3, 4, 4), 2.0), torch.full((3, 4, 4), -2.0)])
    torch.testing.assert_close(layer(pair)[:, 3], torch.full((2, 4, 4), 2.0))
    assert torch.equal(layer(pair)[:, :3], pair)


@pytest.mark.parametrize("count", [1, 3, 4, 6, 10])
def test_minibatch_std_takes_any_batch(count: int) -> None:
    assert MinibatchStd()(torch.randn(count, 2, 4, 4)).shape == (count, 3, 4, 4)


def test_a_layer_looks_at_its_style_alone() -> None:
    """The affine layer starts at weights of 1, so that a style of zeros leaves a plain convolution."""
    layer, w = ModulatedLayer(3, 4, 5, 8), torch.zeros(2, 5)
    maps = torch.randn(2, 3, 8, 8)
    plain = F.conv2d(maps, layer.weight, padding=1) / layer.weight.square().sum((1, 2, 3)).sqrt().view(-1, 1, 1)
    torch.testing.assert_close(layer(maps, w), activate(plain, "leaky_relu"), rtol=1e-4, atol=1e-5)
    colours = ToImage(3, 1, 5)
    torch.testing.assert_close(colours(maps, w), F.conv2d(maps, colours.weight / math.sqrt(3)), rtol=1e-4, atol=1e-5)
