import pytest
import torch
from torch import nn

from leyden.gan.text_to_image.nets import (
    ConditionalNorm,
    Discriminator,
    Generator,
    Matcher,
    Projection,
    TextOptions,
    check_ways,
)

TEXT = TextOptions("bag_of_words", vocabulary=9, text_dim=6, compressed_dim=5)
TOKENS, LENGTHS = torch.tensor([[1, 2, 3], [4, 5, 0]]), torch.tensor([3, 2])


@pytest.mark.parametrize("way", ["join", "batch_norm"])
def test_another_description_gives_another_image(way: str) -> None:
    torch.manual_seed(0)
    generator = Generator(TEXT, 3, 16, 4, 7, way).eval()  # type: ignore[arg-type]
    images = generator(torch.randn(1, 7).expand(2, -1), TOKENS, LENGTHS)
    assert images.shape == (2, 3, 16, 16)
    assert (images[0] - images[1]).abs().max() > 1e-5
    assert images.abs().max() <= 1


@pytest.mark.parametrize("way", ["join", "projection"])
def test_gradients_reach_image_and_text(way: str) -> None:
    torch.manual_seed(0)
    discriminator = Discriminator(TEXT, 3, 32, 4, "none", way)  # type: ignore[arg-type]
    images = torch.randn(2, 3, 32, 32, requires_grad=True)
    logits = discriminator(images, TOKENS, LENGTHS)
    assert logits.shape == (2,)
    (slope,) = torch.autograd.grad(logits[0], images)
    assert slope[0].abs().sum() > 0
    assert slope[1].abs().sum() == 0  # without batch normalisation a logit is of its own image
    assert not torch.equal(logits, discriminator(images, TOKENS.flip(0), LENGTHS.flip(0)))


@pytest.mark.parametrize("way", ["join", "projection"])
def test_several_texts_for_one_look(way: str) -> None:
    torch.manual_seed(0)
    head = Discriminator(TEXT, 3, 16, 4, "none", way).head  # type: ignore[arg-type]
    maps, encoded = torch.randn(5, 8, 4, 4), torch.randn(3, 5, 6)
    torch.testing.assert_close(head(maps, encoded), torch.stack([head(maps, texts) for texts in encoded]))


def test_projection_is_a_part_for_the_image_and_one_for_the_fit() -> None:
    head = Projection(TEXT, 2)
    for layer in (head.real, head.project):
        nn.init.constant_(layer.weight, 1 / 32)
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    nn.init.eye_(head.compress.weight)
    maps, encoded = torch.full((1, 2, 4, 4), 3.0), torch.tensor([[1.0, 2, 0, 0, 0, 9]])
    assert head(maps, encoded).item() == pytest.approx(3 + 3 * (1 + 2) / 5**0.5)


def test_a_matcher_is_the_product_of_both_codes() -> None:
    torch.manual_seed(0)
    matcher = Matcher(TEXT, 3, 16, 4).eval()
    images, encoded = torch.randn(2, 3, 16, 16), torch.randn(4, 2, 6)
    logits = matcher(images, encoded)
    assert logits.shape == (4, 2)
    seen, said = matcher.look(images), encoded @ matcher.compress.weight.T
    assert logits[3, 1].item() == pytest.approx((seen[1] @ said[3, 1]).item() / 5**0.5, rel=1e-4)


def test_without_weights_conditional_norm_is_batch_norm() -> None:
    norm, maps = ConditionalNorm(3, 4), torch.randn(5, 3, 2, 2)
    nn.init.zeros_(norm.scale_and_shift.weight)
    torch.testing.assert_close(norm(maps, torch.randn(5, 4)), nn.BatchNorm2d(3)(maps))


def test_unknown_ways_are_refused() -> None:
    with pytest.raises(ValueError, match=r"model\.text_in_discriminator=none: one of join, projection"):
        check_ways("join", "none", "any")  # type: ignore[arg-type]
