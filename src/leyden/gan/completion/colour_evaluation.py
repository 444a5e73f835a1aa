"""How good colours are, in numbers beside two floors, and side by side with the true ones."""

import math
from collections.abc import Callable
from typing import Literal

import torch
from matplotlib import colormaps
from torch import Tensor

from leyden.core.attached import attached_data
from leyden.data.batches.gan.completion.colour import Colours
from leyden.data.colour_space import AB_RANGE, to_rgb
from leyden.data.columns import ColourImages
from leyden.gan.base import AdversarialTask
from leyden.gan.completion.scores import Errors, Sheet, batches_of, decibels
from leyden.metrics.generated.colourfulness import colourfulness
from leyden.visualization.logging import log_image

WHITE_ERROR = 60.0
"""Distance of colours from which on the map of errors shows its last colour."""

Colouring = Callable[[Tensor, Tensor, Tensor], Tensor]
"""L (N, 1, H, W), ab (N, 2, H, W) and where it is given (N, 1, H, W) to a and b (N, 2, H, W)."""


class ColourEvaluation:
    """Scores found colours on validation and test images.

    - ``psnr_rgb``: of red, green and blue, in dB, of the mean squared error over all pixels of the split;
    - ``psnr_ab``: of a and b, whose range is -110 to 110;
    - ``hue_right``: fraction of the images whose mean a and b point to within 18 degrees of where the true ones do;
    - ``colourfulness_ratio``: mean colourfulness of the images (Hasler and Suesstrunk) over that of the true ones; 1 is
      right, below: too grey.

    PSNRs also as ``psnr_rgb_grey``, ... with a = b = 0, and ``psnr_rgb_mean``, ... with the training images'
    mean a and b everywhere, where the trainer has their DataModule.

    Args:
        colours: finds them.
    """

    monitor = "val/psnr_rgb"
    mode: Literal["min", "max"] = "max"
    main_image = "colours"

    def __init__(self, colours: Colouring) -> None:
        self.colours = colours
        self.errors = Errors()
        self.sheet = Sheet()
        self.mean_ab: Tensor | None = None

    def stepped(self, task: AdversarialTask) -> None:
        """Nothing: whole validations are looked at."""

    def batch(self, task: AdversarialTask, stage: Literal["val", "test"], batch: ColourImages, number: int) -> None:
        """Colours a batch and takes its errors, those of the floors as well."""
        found = self.colours(*batch)
        true = to_rgb(batch.lightness, batch.ab)
        methods = {"": found, "_grey": torch.zeros_like(found)}
        if (mean := self._mean(task)) is not None:
            methods["_mean"] = mean.to(found)[:, None, None].expand_as(found)
        for suffix, ab in methods.items():
            rgb = to_rgb(batch.lightness, ab)
            self.errors.add(f"rgb{suffix}", (rgb.float() - true.float()).square())
            self.errors.add(f"ab{suffix}", (ab - batch.ab).square())
            if not suffix:
                self.errors.add("colourfulness", colourfulness(rgb))
                self.errors.add("true_colourfulness", colourfulness(true))
                self.errors.add("hue_right", hue_right(found, batch.ab))
                if places := self.sheet.places(batches_of(task.trainer, stage), len(rgb)):
                    self.sheet.add(blocks(*(values[places] for values in (*batch, found, rgb, true))))

    def end(self, task: AdversarialTask, stage: Literal["val", "test"]) -> None:
        """Logs the scores and the sheet."""
        means = self.errors.take()
        scores = {"hue_right": means.pop("hue_right")}
        scores |= {"colourfulness_ratio": means.pop("colourfulness") / max(means.pop("true_colourfulness"), 1e-9)}
        for name, error in means.items():
            scores[f"psnr_{name}"] = decibels(error, 255 if name.startswith("rgb") else 2 * AB_RANGE)
        task.log_dict({f"{stage}/{name}": value for name, value in scores.items()}, sync_dist=True)
        if (drawn := self.sheet.draw()) is not None:
            log_image(task, "colours", drawn)

    def end_training(self, task: AdversarialTask) -> None:
        """Nothing: the scores say it all."""

    def _mean(self, task: AdversarialTask) -> Tensor | None:
        if self.mean_ab is None and (data := attached_data(task.trainer, Colours)) is not None:
            self.mean_ab = data.mean_ab()
        return self.mean_ab


def blocks(
    lightness: Tensor, ab: Tensor, hinted: Tensor, found: Tensor, rgb: Tensor, true: Tensor
) -> dict[str, Tensor]:
    """What a sheet shows, uint8 (n, 3, H, W) by title, of a batch's columns, the colours found, and both in RGB."""
    return {
        "seen": to_rgb(lightness, ab * hinted),
        "coloured": rgb,
        "true": true,
        f"error, 0 to {WHITE_ERROR:g}": heat((found - ab).norm(dim=1) / WHITE_ERROR),
    }


def hue_right(found: Tensor, true: Tensor) -> Tensor:
    """Whether the mean colours (N, 2, H, W) of images point in the same direction, within 18 degrees: float (N,)."""
    cosine = torch.cosine_similarity(found.mean((2, 3)), true.mean((2, 3)))
    return (cosine > math.cos(math.tau / 20)).float()


def heat(values: Tensor) -> Tensor:
    """Values (N, H, W) from 0, black, to 1, white, as uint8 colours (N, 3, H, W)."""
    drawn = torch.from_numpy(colormaps["inferno"](values.cpu().clamp(0, 1).numpy())[..., :3])
    return (drawn.permute(0, 3, 1, 2) * 255).round().to(torch.uint8)
