"""Random changes of whole batches of images, driven by the numbers that the loader gives each example."""

import math
from typing import Literal, TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F

from leyden.data.columns import Images, LabelledImages

AnyImages = TypeVar("AnyImages", Images, LabelledImages)


class Shake:
    """Turns, zooms, shifts and mirrors each image at random.

    Args:
        degrees: greatest rotation to either side.
        zoom: greatest relative change of size; 0.2 means between 1/1.2 and 1.2 times.
        shift: greatest shift in each direction, as a fraction of the side.
        flip: half of the images are mirrored: right for photographs, wrong for digits and letters.
        border: what comes in at the border: "zeros" (black) or "reflection" (the image itself, mirrored there).
    """

    def __init__(
        self,
        degrees: float,
        zoom: float,
        shift: float,
        flip: bool = False,
        border: Literal["zeros", "reflection"] = "zeros",
    ) -> None:
        self.degrees = degrees
        self.zoom = zoom
        self.shift = shift
        self.flip = flip
        self.border = border
        self.draws = 5 if flip else 4

    def __call__(self, batch: AnyImages, u: Tensor) -> AnyImages:
        """Changes images uint8 (B, C, H, W) by u (B, draws) in [0, 1): angle, zoom, shift across and down, mirror."""
        images = batch.images
        if self.flip:
            images = torch.where((u[:, 4] < 0.5)[:, None, None, None], images.flip(3), images)
        if not (self.degrees or self.zoom or self.shift):
            return batch._replace(images=images)
        v = 2 * u[:, :4] - 1
        angle = v[:, 0] * math.radians(self.degrees)
        scale = (1 + self.zoom) ** -v[:, 1]  # the grid looks up source places, so its scale is the inverse of the zoom
        move = 2 * self.shift * v[:, 2:]  # the grid's side has length 2
        cos, sin = scale * angle.cos(), scale * angle.sin()
        theta = torch.stack([torch.stack([cos, -sin, move[:, 0]], 1), torch.stack([sin, cos, move[:, 1]], 1)], 1)
        grid = F.affine_grid(theta, list(images.shape), align_corners=False)
        moved = F.grid_sample(images.float(), grid, padding_mode=self.border, align_corners=False)
        return batch._replace(images=moved.round().to(torch.uint8))


class Views:
    """Makes several classes of each: one of the square's symmetries is applied, and which one is part of the label.

    A richer source task from the same images, after Lee et al. 2020, "Self-supervised Label Augmentation via Input
    Transformations".

    Args:
        count: 1 (the image itself), 4 (its turns by a quarter) or 8 (those and their mirror images).
        then: a further change of the view.

    Raises:
        ValueError: another count.
    """

    def __init__(self, count: int, then: Shake) -> None:
        if count not in (1, 4, 8):
            raise ValueError(f"a square image has 1, 4 or 8 views, not {count}")
        self.count = count
        self.then = then
        self.draws = 1 + then.draws

    def __call__(self, batch: LabelledImages, u: Tensor) -> LabelledImages:
        """View k of square uint8 images (B, C, S, S) of class c is an example of class ``count * c + k``."""
        images, labels = batch
        view = (self.count * u[:, 0]).long()
        turned = [images.rot90(k, (2, 3)) for k in range(4)]
        views = torch.stack([*turned, *(image.flip(3) for image in turned)])
        chosen = views[view, torch.arange(len(images), device=images.device)]
        return self.then(LabelledImages(chosen, self.count * labels + view), u[:, 1:])
