"""CLIP's encoders: lengths, what padding and later tokens change."""

import pytest
import torch

from leyden.multimodal.clip.encoders import ImageEncoder, TextEncoder

TOKENS = torch.tensor([[2, 5, 6, 3, 0, 0], [2, 7, 3, 0, 0, 0]])
LENGTHS = torch.tensor([4, 3])


def text_encoder(causal: bool) -> TextEncoder:
    torch.manual_seed(0)
    return TextEncoder(10, 6, layers=2, heads=2, width=8, dropout=0.0, causal=causal, embedding=4).eval()


@pytest.mark.parametrize("causal", [True, False])
def test_texts_have_length_one_and_see_no_padding(causal: bool) -> None:
    encoder = text_encoder(causal)
    found = encoder(TOKENS, LENGTHS)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(2))
    other = TOKENS.clone()
    other[0, 4:], other[1, 3:] = 9, 8
    torch.testing.assert_close(encoder(other, LENGTHS), found)
    torch.testing.assert_close(encoder(TOKENS[1:, :3], LENGTHS[1:]), found[1:])


@pytest.mark.parametrize("causal", [True, False])
def test_each_word_and_its_place_count(causal: bool) -> None:
    encoder = text_encoder(causal)
    found = encoder(TOKENS, LENGTHS)
    changed, swapped = TOKENS.clone(), TOKENS.clone()
    changed[0, 1], swapped[0, 1:3] = 8, TOKENS[0, 1:3].flip(0)
    for other in (changed, swapped):
        assert (encoder(other, LENGTHS)[0] - found[0]).abs().max() > 1e-4


def test_images_have_length_one() -> None:
    torch.manual_seed(0)
    encoder = ImageEncoder("resnet", 3, 16, [8, 16], [2, 2], 1, 4)
    found = encoder(torch.randint(256, (5, 3, 16, 16), dtype=torch.uint8))
    torch.testing.assert_close(found.norm(dim=1), torch.ones(5))
    assert found.dtype == torch.float32
