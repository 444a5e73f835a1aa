"""Random changes of the colours of scenes, driven by given random numbers."""

import math

import torch
from torch import Tensor

from leyden.data.columns import Scenes
from leyden.detection.augment.geometric import mirror

ORDERS = torch.eye(3)[torch.tensor([[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]])]
"""(6, 3, 3): the orders of three colour channels as matrices."""


class Distortion:
    """Random brightness, contrast, saturation, hue and order of channels for each example, and mirroring.

    The photometric distortion of SSD's code (after Howard 2013): brightness, contrast, saturation and hue each change
    with probability 1/2, and the colour channels change places. Here all of it is one affine map of the colours per
    image, x' = a A x + b (hue as a rotation around the grey axis instead of a shift in HSV), so that it costs little.

    Args:
        brightness: greatest shift b to either side, as a fraction of the full range.
        contrast: greatest relative change a - 1.
        saturation: greatest relative change of the distance to grey.
        hue: greatest rotation to either side, degrees.
        swap: probability that the channels change places.
        flip: mirror half of the images; wrong for digits.
    """

    draws = 10

    def __init__(
        self, brightness: float, contrast: float, saturation: float, hue: float, swap: float, flip: bool
    ) -> None:
        self.reach = torch.tensor([brightness, contrast, saturation, math.radians(hue)])
        self.swap = swap
        self.flip = flip

    def __call__(self, batch: Scenes, u: Tensor) -> Scenes:
        """Changes scenes uint8 (B, C, S, S) by ``u`` (B, 10), uniform in [0, 1)."""
        images, targets = batch
        change = (2 * u[:, :4] - 1) * self.reach.to(u.device) * (u[:, 4:8] < 0.5)
        shift, contrast, saturation, angle = change.unbind(1)
        colours = turn_colours(angle, 1 + saturation)
        swapped = torch.where(u[:, 8] < self.swap, u[:, 8] / max(self.swap, 1e-9) * 6, 0).long().clamp(max=5)
        colours = (1 + contrast)[:, None, None] * colours @ ORDERS.to(u.device)[swapped]
        if images.shape[1] == 1:
            colours = (1 + contrast)[:, None, None]
        flat = images.flatten(2).float()
        offset = (255 * shift)[:, None, None].expand(-1, images.shape[1], 1)
        images = torch.baddbmm(offset, colours, flat).clamp_(0, 255).to(torch.uint8).view_as(images)
        changed = Scenes(images, targets)
        return mirror(changed, u[:, 9] < 0.5) if self.flip else changed


def turn_colours(angle: Tensor, saturation: Tensor) -> Tensor:
    """(B,) angles and factors to (B, 3, 3) maps that turn colours around the grey axis and stretch them away from it.

    Rodrigues' formula, R = cos(angle) I + (1 - cos(angle)) n n' + sin(angle) [n]x, with n = (1, 1, 1) / sqrt(3).
    """
    grey = torch.full((3, 3), 1 / 3, device=angle.device)
    cross = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]], device=angle.device) / math.sqrt(3)
    cosine, sine = angle.cos()[:, None, None], angle.sin()[:, None, None]
    coloured = cosine * (torch.eye(3, device=angle.device) - grey) + sine * cross
    return grey + saturation[:, None, None] * coloured
