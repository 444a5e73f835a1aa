"""The adapted probability, and what it does to images."""

import pytest
import torch

from leyden.gan.augment import sometimes
from leyden.gan.noise_to_image.stylegan.adaptive import AdaptiveAugment
from leyden.gan.noise_to_image.stylegan.options import StyleGANOptions


class OneRank:
    class trainer:  # noqa: N801 - as the module's attribute
        world_size = 1


def adjusted(augment: AdaptiveAugment, *logits: float) -> float:
    augment.see(torch.tensor(logits))
    augment.adjust(OneRank())  # type: ignore[arg-type]
    return augment.probability.item()


def test_probability_follows_the_signs() -> None:
    augment = AdaptiveAugment(StyleGANOptions(), target=0.6, images=40)
    assert adjusted(augment, 3, 1, 2, 5) == pytest.approx(0.1)  # 4 of 40 images, all taken for real
    assert adjusted(augment, 3, 1, 2, 5) == pytest.approx(0.2)
    assert adjusted(augment, 3, 1, -2, 5) == pytest.approx(0.1)  # a mean sign of 0.5
    assert adjusted(augment, -1, -1, -1, -1) == pytest.approx(0.0)
    assert adjusted(augment, -1, -1, -1, -1) == 0
    assert adjusted(augment, *[1.0] * 100) == 1


def test_nothing_is_changed_at_first() -> None:
    images = torch.rand(5, 3, 8, 8) * 2 - 1
    augment = AdaptiveAugment(StyleGANOptions(cutout=0.5), 0.6, 100)
    assert torch.equal(augment(images), images)
    augment.probability.fill_(1.0)
    assert all(not torch.equal(changed, image) for changed, image in zip(augment(images), images, strict=True))


def test_a_share_of_the_images_is_changed() -> None:
    torch.manual_seed(0)
    images = torch.zeros(4000, 1, 2, 2)
    changed = sometimes(images, images + 1, torch.tensor(0.3))
    assert changed[:, 0].flatten(1).std(1).max() == 0  # an image as a whole
    assert changed.mean().item() == pytest.approx(0.3, abs=0.03)
