"""How good enlarged images are, in numbers, and in details that people can see side by side."""

import logging
import math
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from leyden.data.batches.gan.crops import shrink, whole_multiple
from leyden.gan.base import AdversarialTask
from leyden.metrics.generated.super_resolution import Lpips, psnr, ssim, texture_distance
from leyden.nets.weights import find_weights
from leyden.nets.zoo import backbone
from leyden.visualization.labelled import draw_sheet
from leyden.visualization.logging import log_image

log = logging.getLogger(__name__)

WINDOW, SHOWN = 64, 6
"""Side of the details that are shown, in pixels of the large image, and of how many images."""

Methods = Callable[[Tensor], dict[str, Tensor]]
"""uint8 images (N, C, H, W) enlarged by all methods to compare, by title; the technique's own comes last."""


class EnlargementEvaluation:
    """Scores methods of enlarging on whole images, and shows a detail of the first few.

    Scores of other methods than the technique's own end in the method's title: ``val/psnr_y_bicubic``.

    Args:
        methods: enlarges by all methods.
        scale: of the enlargement; by custom so many pixels at each edge do not count.
        choose_by: score of a validation whose best value marks ``best.ckpt``.
        lpips_weights: SqueezeNet 1.1's, "imagenet" or a file: scores by LPIPS too.
    """

    main_image = "comparison"

    def __init__(
        self, methods: Methods, scale: int, choose_by: Literal["psnr_y", "swd"], lpips_weights: str | None = None
    ) -> None:
        self.methods = methods
        self.scale = scale
        self.monitor = f"val/{choose_by}"
        self.mode: Literal["min", "max"] = "max" if choose_by == "psnr_y" else "min"
        self.lpips_weights = lpips_weights
        self.lpips: Lpips | None = None
        self.tiles: list[tuple[Tensor, str]] = []

    def stepped(self, task: AdversarialTask) -> None:
        """Nothing: whole validations are looked at."""

    def batch(self, task: AdversarialTask, stage: Literal["val", "test"], batch: Any, number: int) -> None:
        """Shrinks a whole image (1, C, H, W), enlarges it by all methods and logs their scores."""
        target = whole_multiple(batch.images, self.scale)
        small = shrink(target, self.scale)
        large = self.methods(small)
        own = list(large)[-1]
        for title, images in large.items():
            scores = self.score(images, target)
            if stage == "test":
                log.info("test image %d by %s: %s", number, title, {k: round(v, 3) for k, v in scores.items()})
            suffix = "" if title == own else f"_{title.lower()}"
            named = {f"{stage}/{key}{suffix}": value for key, value in scores.items()}
            task.log_dict(named, batch_size=1, on_epoch=True, sync_dist=True)
        self.keep(small, large, target)

    def end(self, task: AdversarialTask, stage: Literal["val", "test"]) -> None:
        """Logs the kept details side by side."""
        sheet = self.draw()
        if sheet is not None:
            log_image(task, "comparison", sheet)

    def end_training(self, task: AdversarialTask) -> None:
        """Nothing: the scores say it all."""

    def score(self, images: Tensor, target: Tensor) -> dict[str, float]:
        """How far uint8 images (1, C, H, W) are from ``target``, their true high resolution.

        Returns:
            ``psnr_y`` in dB and ``ssim_y``, of the luma inside the border; ``swd``, the distance of texture on the
            levels that shrinking took away; with weights ``lpips``. See ``leyden.metrics.generated.super_resolution``.
        """
        with torch.autocast(images.device.type, enabled=False):
            scores = {
                "psnr_y": psnr(images, target, self.scale).item(),
                "ssim_y": ssim(images, target, self.scale).item(),
                "swd": texture_distance(images, target, levels=int(math.log2(self.scale))),
            }
            if self.lpips_weights:
                if self.lpips is None:
                    network = backbone("squeezenet1_1", 3, 64)
                    self.lpips = Lpips(find_weights(self.lpips_weights, network, "model.lpips_weights"))
                scores["lpips"] = self.lpips(images, target).item()
        return scores

    def keep(self, small: Tensor, large: dict[str, Tensor], target: Tensor) -> None:
        """Keeps the detail of an image where it has most contrast from pixel to pixel, by all methods.

        Args:
            small: uint8 (1, C, H, W).
            large: by the methods' titles, uint8 (1, C, scale H, scale W) each.
            target: the true high resolution, of that shape.
        """
        if len(self.tiles) >= SHOWN * (len(large) + 2):
            return
        side = min(WINDOW, *target.shape[-2:]) // self.scale
        grey = target.float().mean(1, keepdim=True)
        contrast = F.avg_pool2d((grey - F.avg_pool2d(grey, 3, 1, 1)).abs(), side * self.scale, self.scale)
        top, left = divmod(int(contrast.argmax()), contrast.shape[-1])

        def cut(images: Tensor, scale: int) -> Tensor:
            rows, columns = (slice(start * scale, (start + side) * scale) for start in (top, left))
            return images[..., rows, columns].cpu()

        true = cut(target, self.scale)
        self.tiles.append((cut(small, 1)[0], "low resolution"))
        for title, images in large.items():
            detail = cut(images, self.scale)
            self.tiles.append((detail[0], f"{title}\n{psnr(detail, true).item():.2f} dB"))
        self.tiles.append((true[0], "original"))

    def draw(self) -> Tensor | None:
        """What was kept, an image a row, PSNR below each method's; (3, H, W) uint8. None if there is nothing."""
        tiles, self.tiles = self.tiles, []
        if not tiles:
            return None
        images, captions = zip(*tiles, strict=True)
        return draw_sheet(images, captions, "", columns=captions.index("original") + 1, side=3 * WINDOW)
