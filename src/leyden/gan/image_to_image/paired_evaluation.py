"""How far translations are from the true images: for techniques that learn from pairs."""

from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F
from torchmetrics.functional.image import peak_signal_noise_ratio

from leyden.core.attached import attached_data
from leyden.data.batches.gan.paired_images import PairedImages
from leyden.data.columns import ImagePairs
from leyden.data.source.pairs_of_images.pair_source import OfAttribute
from leyden.gan.base import AdversarialTask
from leyden.gan.image_to_image.attribute import AttributeEvaluator, Translate
from leyden.metrics.generated.super_resolution import SSIM_WINDOW, ssim
from leyden.visualization.grid import grid, side_by_side, upscale
from leyden.visualization.logging import log_image

SHOWN = 8
"""Pairs that are shown."""
AVERAGED = 1024
"""Training pairs of which the mean image is taken, at most, evenly spread: those of large sets have to be decoded."""
Score = Literal["l1", "psnr", "ssim"]


class PairedEvaluation:
    """Compares translations with the images that they should be; names of scores end in the way.

    ``l1_ab`` is the mean absolute difference in -1..1, ``psnr_ab`` the peak signal-to-noise ratio of each image in dB
    (over all channels), ``ssim_ab`` the structural similarity of its luma, where images are large enough for its
    window of 11 pixels. Beside them stand two baselines: scores of the input itself (``l1_ab_input``, where both
    domains have as many channels), and of the mean training image (``l1_ab_mean``). Where the source knows which part
    an attribute may change, the test has the scores of ``AttributeEvaluator`` too.

    Args:
        translate: makes the translations.
        ways: "ab", "ba", or both.
        choose_by: score of a validation whose best value marks ``best.ckpt``: the mean over the ways.
    """

    main_image = "translations"

    def __init__(self, translate: Translate, ways: tuple[str, ...], choose_by: Score) -> None:
        self.translate = translate
        self.ways = ways
        self.monitor = f"val/{choose_by}"
        self.mode: Literal["min", "max"] = "min" if choose_by == "l1" else "max"
        self._means: dict[str, Tensor] = {}
        self._shown: ImagePairs | None = None

    def stepped(self, task: AdversarialTask) -> None:
        """Nothing: whole validations are looked at."""

    def batch(self, task: AdversarialTask, stage: Literal["val", "test"], batch: Any, number: int) -> None:
        """Translates a batch of pairs and logs how far it is from the true images."""
        means = self.means(task)
        logged: dict[str, Any] = {}
        for way in self.ways:
            given, true = (batch.a, batch.b) if way == "ab" else (batch.b, batch.a)
            compared = {"": self.translate(given, way)}
            if given.shape == true.shape:
                compared["_input"] = given
            if means:
                compared["_mean"] = means[way[1]].expand(true.shape)
            for name, images in compared.items():
                scores = distances(images, true)
                logged |= {f"{stage}/{score}_{way}{name}": value for score, value in scores.items()}
        for score in ("l1", "psnr", "ssim"):
            known = [logged[name] for way in self.ways if (name := f"{stage}/{score}_{way}") in logged]
            if known:
                logged[f"{stage}/{score}"] = sum(known) / len(known)
        task.log_dict(logged, batch_size=len(batch.a), on_step=False, on_epoch=True, sync_dist=True)
        if number == 0:
            self._shown = ImagePairs(*(images[:SHOWN] for images in batch))

    def end(self, task: AdversarialTask, stage: Literal["val", "test"]) -> None:
        """Logs some pairs with their translations and, in the test, the scores of an attribute."""
        data = attached_data(task.trainer, PairedImages)
        if stage == "test" and data is not None and isinstance(data.source, OfAttribute):
            evaluator = AttributeEvaluator(data.source, data.image_size, data.source.channels_a, task.device)
            scores = evaluator.scores(self.translate, self.ways)
            task.log_dict({f"{stage}/{name}": value for name, value in scores.items()}, sync_dist=True)
        if self._shown is not None:
            log_image(task, "translations", self.sheet(self._shown))

    def end_training(self, task: AdversarialTask) -> None:
        """Nothing: the scores say it all."""

    def means(self, task: AdversarialTask) -> dict[str, Tensor]:
        """The mean training image (1, C, S, S) uint8 of either domain; none where the trainer has plain loaders."""
        data = attached_data(task.trainer, PairedImages)
        if data is not None and not self._means:
            split = data.split("train")
            count = min(len(split), AVERAGED)
            sums = [torch.zeros(image.shape, dtype=torch.float64) for image in split[0]]
            for i in range(count):
                for total, image in zip(sums, split[i * len(split) // count], strict=True):
                    total += image.cpu()
            means = ((total / count).round().to(torch.uint8)[None].to(task.device) for total in sums)
            self._means = dict(zip("ab", means, strict=True))
        return self._means

    def sheet(self, pairs: ImagePairs) -> Tensor:
        """Some pairs: what is given, its translation, the true one, and with both ways back again; (3, H, W) uint8."""
        columns = {}
        for way in self.ways:
            given, true = pairs if way == "ab" else pairs[::-1]
            there = self.translate(given, way)
            rows, title = [given, there, true], f"{way[0].upper()}, translated to {way[1].upper()}, the true image"
            if len(self.ways) == 2:
                rows, title = [*rows, self.translate(there, way[::-1])], f"{title}, and back"
            coloured = torch.cat([row.expand(-1, 3, -1, -1) for row in rows])
            columns[title] = upscale(grid(coloured, len(given)))
        return side_by_side(columns)


def distances(images: Tensor, true: Tensor) -> dict[str, Tensor]:
    """Means over uint8 images (N, C, H, W) of ``l1``, ``psnr`` and, from 11 pixels, ``ssim``; see the class."""
    a, b = images.float(), true.float()
    # Equal images would have infinitely many decibels, and their mean, too: they count as 100.
    ratios = peak_signal_noise_ratio(a, b, data_range=255.0, reduction="none", dim=(1, 2, 3)).clamp(max=100.0)
    scores = {"l1": F.l1_loss(a, b) / 127.5, "psnr": ratios.mean()}
    if min(images.shape[-2:]) >= SSIM_WINDOW:
        scores["ssim"] = ssim(images, true).mean()
    return scores
