import pytest
import torch
from torchvision.transforms.v2.functional import rgb_to_grayscale

from leyden.visualization.saliency import OPACITY, RAMP, grad_cam, overlay


def random_maps(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0)).requires_grad_()


def test_behind_average_pooling_it_is_the_class_activation_map() -> None:
    maps, weight = random_maps(2, 4, 5, 7), random_maps(3, 4)
    classes = torch.tensor([2, 0])
    heat = grad_cam(maps, maps.mean((2, 3)) @ weight.T, classes)
    # Zhou et al. 2016: the maps, weighed by the class's row of the last layer; 1/(h w) falls away.
    cam = torch.stack([(weight[c][:, None, None] * maps[i]).sum(0) for i, c in enumerate(classes)]).relu()
    assert torch.allclose(heat, cam / cam.amax((1, 2), keepdim=True), atol=1e-6)
    assert not heat.requires_grad


def test_slopes_that_differ_between_places_are_averaged() -> None:
    maps = torch.ones(2, 2, 1, 2)
    maps[0, 0, 0, 1] = 3.0
    maps[1, 1] = -1.0
    maps.requires_grad_()
    # y = mean(A_0^2) + mean(A_1) over two places: slopes A_0 and 1/2, so the first image weighs (1 + 3) / 2 and 1/2.
    logits = ((maps[:, 0] ** 2).mean((1, 2)) + maps[:, 1].mean((1, 2)))[:, None]
    heat = grad_cam(maps, logits, torch.tensor([0, 0]))
    assert torch.allclose(heat[0], torch.tensor([[2.5 / 6.5, 1.0]]))
    assert torch.equal(heat[1], torch.ones(1, 2))  # weights 1 and 1/2: 1 - 1/2 at both


def test_heat_is_where_the_class_looks() -> None:
    maps = torch.zeros(1, 2, 8, 8)
    maps[0, 0, 2:4, 5:7] = 1.0
    maps[0, 1, 6:, :2] = 9.0
    maps.requires_grad_()
    logits = maps.mean((2, 3)) @ torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    first, second = (grad_cam(maps, logits, torch.tensor([c]))[0] for c in (0, 1))  # one forward pass, asked twice
    assert torch.equal(first, (maps[0, 0] > 0).float())
    assert torch.equal(second, (maps[0, 1] > 0).float())


def test_no_evidence_is_zero_heat() -> None:
    maps = torch.ones(1, 2, 3, 3, requires_grad=True)
    heat = grad_cam(maps, -maps.sum((1, 2, 3))[:, None], torch.tensor([0]))
    assert torch.equal(heat, torch.zeros(1, 3, 3))


@pytest.mark.parametrize("logits", [torch.zeros(1, 2), torch.zeros(1, 2, requires_grad=True)])
def test_logits_from_elsewhere_are_refused(logits: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="do not depend on maps"):
        grad_cam(random_maps(1, 2, 3, 3), logits, torch.tensor([0]))


def test_shapes_are_checked() -> None:
    maps = random_maps(2, 2, 3, 3)
    with pytest.raises(ValueError, match=r"got \(2, 2, 3, 3\), \(2, 2\), \(1,\)"):
        grad_cam(maps, maps.mean((2, 3)), torch.tensor([0]))


def test_overlay_without_heat_is_the_grey_image() -> None:
    image = torch.randint(0, 256, (3, 9, 12), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(overlay(image, torch.zeros(3, 4)), rgb_to_grayscale(image, 3))
    assert torch.equal(overlay(image[:1], torch.zeros(3, 4)), image[:1].expand(3, -1, -1))


def test_overlay_colours_the_hot_side_alone() -> None:
    heat = torch.zeros(4, 8)
    heat[:, 6:] = 1
    drawn = overlay(torch.full((1, 16, 32), 100, dtype=torch.uint8), heat)
    assert drawn.dtype == torch.uint8
    assert drawn.shape == (3, 16, 32)
    assert (drawn[:, :, :20] == 100).all()
    expected = (torch.tensor(RAMP[2]) * OPACITY + 100 * (1 - OPACITY)).round().to(torch.uint8)
    assert torch.equal(drawn[:, :, -1], expected[:, None].expand(-1, 16))


def test_overlay_runs_from_cold_through_warm_to_hot() -> None:
    black = torch.zeros(3, 1, 3, dtype=torch.uint8)
    faint, warm, hot = overlay(black, torch.tensor([[0.1, 0.5, 1.0]]))[:, 0].T.tolist()
    assert max(faint) == faint[2]  # blue
    assert warm == [round(OPACITY * c) for c in RAMP[1]]
    assert hot == [round(OPACITY * c) for c in RAMP[2]]
