import torch

from leyden.data.source.styled.faces import StyledFaces
from leyden.gan.content_style.likeness import coarse_tones, found_again


def test_tones_ignore_brightness_contrast_and_texture() -> None:
    torch.manual_seed(0)
    image = torch.randint(60, 160, (1, 1, 16, 16)).repeat_interleave(3, 2).repeat_interleave(3, 3)
    board = (torch.arange(48) + torch.arange(48)[:, None]) % 3 - 1  # its mean is 0 in each 3x3 square
    changed = (2 * (image - 60) + 20 + 15 * board).clamp(0, 255)
    both = coarse_tones(torch.cat([image, changed]).byte())
    assert (both[0] @ both[1]).item() > 0.99
    assert torch.allclose(both.norm(dim=1), torch.ones(2))


def test_negatives_are_opposites() -> None:
    image = torch.randint(0, 256, (1, 3, 16, 16), dtype=torch.uint8)
    both = coarse_tones(torch.cat([image, 255 - image]))
    assert (both[0] @ both[1]).item() < -0.999


def test_drawn_faces_are_found_again() -> None:
    """By the filters themselves: what a perfect change of style would score."""
    faces = StyledFaces(["photograph"]).split("test").columns.images
    for drawn in StyledFaces().drawn("test"):
        assert found_again(drawn, torch.arange(30), faces).float().mean() > 0.95
        assert not found_again(drawn.roll(1, 0), torch.arange(30), faces).any()
