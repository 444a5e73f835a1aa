import torch
from torchvision.models.detection._utils import BoxCoder

from leyden.detection.boxes.box_coder import decode, encode


def random_boxes(count: int, seed: int = 0, side: float = 100.0) -> torch.Tensor:
    low, size = torch.rand(2, count, 2, generator=torch.Generator().manual_seed(seed)) * side / 2
    return torch.cat([low, low + size + 1], 1)


def test_encode_gives_the_published_values():
    prior = torch.tensor([0.5, 0.5, 0.2, 0.4])
    offsets = encode(torch.tensor([0.4, 0.3, 0.6, 0.8]), prior)
    torch.testing.assert_close(offsets, torch.tensor([0.0, 1.25, 0.0, 1.115718]))


def test_coder_agrees_with_torchvision_and_inverts_itself():
    boxes, priors = random_boxes(50, 1), random_boxes(50, 2)
    centred = torch.cat([(priors[:, :2] + priors[:, 2:]) / 2, priors[:, 2:] - priors[:, :2]], 1)
    offsets = encode(boxes, centred)
    torch.testing.assert_close(offsets, BoxCoder((10.0, 10.0, 5.0, 5.0)).encode_single(boxes, priors))
    torch.testing.assert_close(decode(offsets, centred), boxes)


def test_decoded_boxes_of_wild_offsets_are_finite():
    assert decode(torch.full((1, 4), 1e4), torch.ones(1, 4)).isfinite().all()
