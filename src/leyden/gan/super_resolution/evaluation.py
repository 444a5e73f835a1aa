"""Enlarged pictures beside the truth: in numbers, and in details that people can see."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from leyden.metrics.super_resolution import Lpips, psnr, ssim, texture_distance
from leyden.nets.weights import find_weights
from leyden.nets.zoo import backbone
from leyden.visualization.labelled import draw_sheet

WINDOW, SHOWN = 64, 6
"""Side of the details that are shown, in pixels of the large picture, and of how many pictures."""


class Comparison:
    """Scores methods of enlarging, and keeps a detail of the first pictures until it is drawn.

    Args:
        scale: of the enlargement; by custom so many pixels at each edge do not count.
        lpips_weights: SqueezeNet 1.1's, "imagenet" or a file: scores by LPIPS too.
    """

    def __init__(self, scale: int, lpips_weights: str | None = None) -> None:
        self.scale = scale
        self.lpips_weights = lpips_weights
        self.lpips: Lpips | None = None
        self.tiles: list[tuple[Tensor, str]] = []

    def score(self, images: Tensor, truth: Tensor) -> dict[str, float]:
        """How far uint8 images (1, C, H, W) are from the true ones.

        Returns:
            ``psnr_y`` in dB and ``ssim_y``, of the luma inside the border; ``swd``, the distance of texture on the
            levels that shrinking took away; with weights ``lpips``. See ``leyden.metrics.super_resolution``.
        """
        with torch.autocast(images.device.type, enabled=False):
            scores = {
                "psnr_y": psnr(images, truth, self.scale).item(),
                "ssim_y": ssim(images, truth, self.scale).item(),
                "swd": texture_distance(images, truth, levels=int(math.log2(self.scale))),
            }
            if self.lpips_weights:
                self.lpips = self.lpips or Lpips(find_weights(self.lpips_weights, backbone("squeezenet1_1", 3, 64)))
                scores["lpips"] = self.lpips(images, truth).item()
        return scores

    def keep(self, small: Tensor, large: dict[str, Tensor], truth: Tensor) -> None:
        """Keeps the detail of a picture where it has most contrast from pixel to pixel, by all methods.

        Args:
            small: uint8 (1, C, H, W).
            large: by the methods' titles, uint8 (1, C, scale H, scale W) each.
            truth: likewise.
        """
        if len(self.tiles) >= SHOWN * (len(large) + 2):
            return
        side = min(WINDOW, *truth.shape[-2:]) // self.scale
        grey = truth.float().mean(1, keepdim=True)
        contrast = F.avg_pool2d((grey - F.avg_pool2d(grey, 3, 1, 1)).abs(), side * self.scale, self.scale)
        top, left = divmod(int(contrast.argmax()), contrast.shape[-1])

        def cut(images: Tensor, scale: int) -> Tensor:
            rows, columns = (slice(start * scale, (start + side) * scale) for start in (top, left))
            return images[..., rows, columns].cpu()

        true = cut(truth, self.scale)
        self.tiles.append((cut(small, 1)[0], "low resolution"))
        for title, images in large.items():
            detail = cut(images, self.scale)
            self.tiles.append((detail[0], f"{title}\n{psnr(detail, true).item():.2f} dB"))
        self.tiles.append((true[0], "truth"))

    def draw(self) -> Tensor | None:
        """What was kept, a picture a row, PSNR below each method's; (3, H, W) uint8. None if there is nothing."""
        tiles, self.tiles = self.tiles, []
        if not tiles:
            return None
        images, captions = zip(*tiles, strict=True)
        return draw_sheet(images, captions, "", columns=captions.index("truth") + 1, side=3 * WINDOW)
