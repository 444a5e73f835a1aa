"""The networks: the authors' sizes, styles of layers, truncation, mixing."""

import pytest
import torch

from leyden.gan.noise_to_image.stylegan.nets import Discriminator, Generator, Mapping, Style, widths

STYLES: list[Style] = ["modulation", "adain"]


def count(network: torch.nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def tiny(style: Style = "modulation", size: int = 16) -> Generator:
    return Generator(1, size, style, 2, 4, latent_dim=6, style_dim=5, mapping_layers=2, style_mixing=0.9)


def test_the_authors_parameter_counts() -> None:
    """ "cifar" at 32 pixels and "auto" at 64 of the ADA code; the small networks of a CPU."""
    latent = (512, 512, 2)
    with torch.device("meta"):
        assert count(Generator(3, 32, "modulation", 512, 512, *latent)) == 19_947_539
        assert count(Discriminator(3, 32, 512, 512, residual=False)) == 20_720_641
        assert count(Generator(3, 64, "modulation", 256, 512, *latent)) == 22_243_608
        assert count(Generator(1, 32, "modulation", 32, 64, 64, 64, 2)) == 263_531
        assert count(Discriminator(1, 32, 32, 64)) == 288_929


@pytest.mark.parametrize(("size", "layers"), [(32, 8), (64, 10)])
@pytest.mark.parametrize("style", STYLES)
def test_two_styles_per_side(style: Style, size: int, layers: int) -> None:
    generator = tiny(style, size).eval()
    ws = generator.styles(torch.randn(2, 6))
    assert ws.shape == (2, layers, 5)
    assert generator.synthesis(ws).shape == (2, 1, size, size)


@pytest.mark.parametrize("style", STYLES)
def test_each_layer_listens_to_its_style(style: Style) -> None:
    """Gradients reach the styles of all layers."""
    torch.manual_seed(0)
    generator = tiny(style).eval()
    ws = generator.repeat(torch.randn(1, 5)).clone().requires_grad_()
    generator.synthesis(ws).square().sum().backward()
    assert (ws.grad.abs().sum(2) > 0).all()


def test_truncation_to_zero_makes_styles_equal() -> None:
    generator = tiny().eval()
    generator.mapping.mean.normal_()
    w = generator.mapping(torch.randn(3, 6))
    torch.testing.assert_close(generator.mapping.truncate(w, 0.0), generator.mapping.mean.expand(3, -1))
    assert torch.equal(generator.mapping.truncate(w, 1.0), w)
    half = generator.mapping.truncate(w, 0.5)
    torch.testing.assert_close(half, (w + generator.mapping.mean) / 2)
    generator.truncation = 0.0
    images = generator(torch.randn(3, 6))
    torch.testing.assert_close(images, images[:1].expand(3, -1, -1, -1))


def test_mean_style_moves_in_training_alone() -> None:
    mapping = Mapping(6, 5, 2)
    noise = torch.randn(8, 6)
    w = mapping(noise)
    torch.testing.assert_close(mapping.mean, 0.005 * w.mean(0))
    mapping(noise)
    torch.testing.assert_close(mapping.mean, (1 - 0.995**2) * w.mean(0))
    before = mapping.eval().mean.clone()
    mapping(noise)
    assert torch.equal(mapping.mean, before)


def test_styles_are_mixed_at_the_crossover() -> None:
    generator = tiny()
    coarse, fine = torch.zeros(3, 5), torch.ones(3, 5)
    mixed = generator.mix(coarse, fine, torch.tensor([[1], [4], [6]]))
    assert mixed[:, :, 0].sum(1).tolist() == [5, 2, 0]
    assert not mixed[1, :4].any()


def test_nine_in_ten_are_mixed() -> None:
    torch.manual_seed(0)
    generator = tiny()
    ws = generator.styles(torch.randn(2000, 6))
    changes = (ws[:, 1:] != ws[:, :-1]).any(2)
    assert changes.sum(1).max() == 1
    assert changes.any(1).float().mean().item() == pytest.approx(0.9, abs=0.02)
    where = changes.float().argmax(1)[changes.any(1)].bincount(minlength=5)
    assert where.shape == (5,)  # crossovers from 1 to layers - 1, all alike
    assert where.min() > 300
    generator.style_mixing = 0.0
    ws = generator.styles(torch.randn(8, 6))
    assert torch.equal(ws[:, :1].expand_as(ws), ws)


@pytest.mark.parametrize("style", STYLES)
def test_a_style_has_one_image(style: Style) -> None:
    generator = tiny(style).eval()
    noise = torch.randn(4, 6)
    torch.testing.assert_close(generator(noise)[:2], generator(noise[:2]))


@pytest.mark.parametrize("residual", [True, False])
def test_discriminator_takes_each_size(residual: bool) -> None:
    for size in (8, 32):
        assert Discriminator(3, size, 2, 4, residual)(torch.randn(4, 3, size, size)).shape == (4,)


def test_widths_double_up_to_the_most() -> None:
    assert widths(32, 32, 64) == {4: 64, 8: 64, 16: 64, 32: 32}
    with pytest.raises(ValueError, match=r"got 28: set data\.image_size"):
        widths(28, 32, 64)
