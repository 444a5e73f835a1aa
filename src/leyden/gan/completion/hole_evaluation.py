"""How well holes are filled, in numbers beside three floors, and side by side with what was there."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from leyden.data.columns import HoledImages
from leyden.gan.base import AdversarialTask
from leyden.gan.completion.scores import Errors, Sheet, batches_of, decibels
from leyden.visualization.logging import log_image


class HoleEvaluation:
    """Scores filled holes of validation and test images.

    ``psnr``, in dB, is of the mean squared error over all pixels inside the holes of the split. Beside it are
    ``psnr_mean``, each hole filled with the mean colour of what is known of its image, and in the test
    ``psnr_biharmonic``, continued smoothly from its edge (scikit-image's ``inpaint_biharmonic``).

    Args:
        complete: uint8 images (N, C, S, S) and their holes, bool (N, 1, S, S), to completed images.
    """

    monitor = "val/psnr"
    mode: Literal["min", "max"] = "max"
    main_image = "holes"

    def __init__(self, complete: Callable[[Tensor, Tensor], Tensor]) -> None:
        self.complete = complete
        self.errors = Errors()
        self.sheet = Sheet()

    def stepped(self, task: AdversarialTask) -> None:
        """Nothing: whole validations are looked at."""

    def batch(self, task: AdversarialTask, stage: Literal["val", "test"], batch: HoledImages, number: int) -> None:
        """Fills the holes of a batch and takes the errors inside, those of the floors as well."""
        images, holes = batch
        methods = {"_mean": mean_fill(images, holes), "": self.complete(images, holes)}
        if stage == "test":
            methods["_biharmonic"] = biharmonic_fill(images, holes)
        inside = holes.expand_as(images)
        for suffix, filled in methods.items():
            self.errors.add(suffix, (filled.float() - images.float())[inside].square())
        if places := self.sheet.places(batches_of(task.trainer, stage), len(images)):
            blocks = {"seen": torch.where(holes, 255, images), "mean": methods["_mean"]}
            blocks |= {"biharmonic": methods["_biharmonic"]} if stage == "test" else {}
            blocks |= {"filled": methods[""], "true": images}
            self.sheet.add({title: column[places] for title, column in blocks.items()})

    def end(self, task: AdversarialTask, stage: Literal["val", "test"]) -> None:
        """Logs the scores and the sheet."""
        scores = {f"psnr{suffix}": decibels(error, 255) for suffix, error in self.errors.take().items()}
        task.log_dict({f"{stage}/{name}": value for name, value in scores.items()}, sync_dist=True)
        if (drawn := self.sheet.draw()) is not None:
            log_image(task, "holes", drawn)

    def end_training(self, task: AdversarialTask) -> None:
        """Nothing: the scores say it all."""


def mean_fill(images: Tensor, holes: Tensor) -> Tensor:
    """uint8 images (N, C, H, W) with the mean colour of what is known of each in its hole (N, 1, H, W)."""
    known = ~holes
    mean = (images * known).sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True).clamp_min(1)
    return torch.where(holes, mean.round().to(torch.uint8), images)


def biharmonic_fill(images: Tensor, holes: Tensor) -> Tensor:
    """uint8 images (N, C, H, W) with their holes (N, 1, H, W) continued from the edge (Damelin and Hoang 2018)."""
    from skimage.restoration import inpaint_biharmonic  # here: no start of a program waits for it

    filled = [
        torch.from_numpy(inpaint_biharmonic(image.movedim(0, -1).numpy() / 255, hole[0].numpy(), channel_axis=-1))
        for image, hole in zip(images.cpu(), holes.cpu(), strict=True)
    ]
    whole = (torch.stack(filled).movedim(-1, 1) * 255).round().clamp(0, 255).to(torch.uint8)
    return torch.where(holes, whole.to(images.device), images)
