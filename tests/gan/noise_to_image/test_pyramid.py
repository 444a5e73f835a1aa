import pytest
import torch

from leyden.gan.noise_to_image.pyramid import decompose, down, reconstruct, up


def test_reconstruction_is_exact() -> None:
    torch.manual_seed(0)
    for levels in (1, 2, 3, 6):
        images = torch.rand(16, 3, 32, 64) * 2 - 1
        residuals, _ = decompose(images, levels)
        torch.testing.assert_close(reconstruct(residuals), images, rtol=0, atol=1e-6)


def test_every_level_is_its_low_pass_plus_its_residual() -> None:
    torch.manual_seed(0)
    images = torch.rand(4, 1, 32, 32)
    residuals, low_passes = decompose(images, 3)
    assert [h.shape[-1] for h in residuals] == [low.shape[-1] for low in low_passes] == [32, 16, 8]
    gaussian = [images, down(images), down(down(images))]
    for level, (h, low) in enumerate(zip(residuals, low_passes, strict=True)):
        torch.testing.assert_close(h + low, gaussian[level], rtol=0, atol=1e-6)
        if level < 2:
            assert torch.equal(low, up(gaussian[level + 1]))
    assert torch.equal(residuals[2], gaussian[2])
    assert not low_passes[2].any()


def test_a_constant_has_no_residual_and_no_residual_has_a_mean() -> None:
    residuals, _ = decompose(torch.full((2, 3, 16, 16), 0.7), 3)
    assert max(h.abs().max().item() for h in residuals[:-1]) < 1e-6
    torch.manual_seed(0)
    residuals, _ = decompose(torch.rand(8, 3, 16, 16, dtype=torch.float64), 3)
    for h in residuals[:-1]:
        assert h.abs().max() > 0.1
        assert h.mean((-2, -1)).abs().max() < 1e-12


def test_down_is_the_mean_of_four_and_up_is_bilinear() -> None:
    assert down(torch.tensor([[[[1.0, 2.0], [3.0, 6.0]]]])).item() == 3
    row = up(torch.tensor([[[[0.0, 4.0], [0.0, 4.0]]]]))[0, 0, 0]
    assert row.tolist() == [0, 1, 3, 4]  # pixel centres a quarter in and three quarters in


@pytest.mark.parametrize(("side", "levels"), [(30, 3), (8, 0)])
def test_refuses_a_side_that_cannot_be_halved_so_often(side: int, levels: int) -> None:
    with pytest.raises(ValueError, match=rf"{levels} pyramid levels need .* halved {levels - 1} times"):
        decompose(torch.zeros(1, 1, side, side), levels)
