"""Masked autoencoder (He et al. 2022, "Masked Autoencoders Are Scalable Vision Learners").

An image is cut into patches; a random part of them (75 %) is removed. A vision transformer sees the patches that are
left; a smaller one, which gets a learnt token in the place of each missing patch, paints the whole image:

    loss = mean over removed patches of |painted - patch|^2 / pixels,  patches normalised to mean 0, variance 1 (sec. 3)

Only the encoder is kept. It sees a quarter of the patches in training, so that a step costs little, and all of them
when it is used. Departures from the paper: no class token, the features are the mean over the patches (the paper finds
both equal, appendix A.1); small patches and widths for small images.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from leyden.core.attached import attached_data
from leyden.core.technique import NO_OPTIONS, Predictions, PredictOptions
from leyden.data.batches.views import ViewImages
from leyden.data.splits import fit_image
from leyden.nets.vit import PatchBlock, Patches, positions
from leyden.transfer.domain.deep.monitor import evenly
from leyden.transfer.self_supervised.base import SelfSupervisedTask, one_view
from leyden.transfer.self_supervised.options import SelfSupervisedOptions
from leyden.visualization.labelled import draw_sheet
from leyden.visualization.logging import log_image

SHOWN = 8
"""Test images that are painted."""


@dataclass(frozen=True)
class MAEOptions(SelfSupervisedOptions):
    """Those of all techniques, for a small vision transformer."""

    backbone: str = "vit"
    """A vision transformer, see ``leyden.nets.vit``; nothing else can leave patches out."""
    widths: Sequence[int] = (96,)
    """The last is the encoder's width."""
    strides: Sequence[int] = (4,)
    """Their product is the side of a patch in pixels."""
    blocks: int = 4
    """Of the encoder."""


class Mask(NamedTuple):
    """Which patches of L an encoder sees."""

    kept: Tensor
    """(B, K) int64 places of the patches that are left, in the order of the draw."""
    restore: Tensor
    """(B, L) int64: patch l is entry restore[l] of the kept ones followed by the removed ones."""
    removed: Tensor
    """(B, L) float32: 1 where a patch is removed."""


def random_mask(noise: Tensor, ratio: float) -> Mask:
    """Keeps the int(L (1 - ratio)) patches of each image with the least noise (appendix A.1 and the authors' code).

    Args:
        noise: (B, L), uniform.
        ratio: fraction of the patches that is removed, in (0, 1).
    """
    order = noise.argsort(1)
    restore = order.argsort(1)
    count = int(noise.shape[1] * (1 - ratio))
    return Mask(order[:, :count], restore, (restore >= count).to(noise.dtype))


def patchify(images: Tensor, patch: int) -> Tensor:
    """Images (B, C, S, S) to their patches (B, (S / patch)^2, C patch^2), row by row."""
    cut = images.unflatten(2, (-1, patch)).unflatten(4, (-1, patch))  # (B, C, h, p, w, p)
    return cut.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)


def unpatchify(patches: Tensor, patch: int) -> Tensor:
    """The images (B, C, S, S) of patches (B, L, C patch^2), L a square number."""
    side = round(patches.shape[1] ** 0.5)
    cut = patches.unflatten(1, (side, side)).unflatten(3, (-1, patch, patch))  # (B, h, w, C, p, p)
    return cut.permute(0, 3, 1, 4, 2, 5).flatten(4).flatten(2, 3)


def normalised(patches: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Patches (B, L, P) with mean 0 and variance 1 each, their means and deviations (B, L, 1).

    The variance is unbiased, plus 1e-6, as in the authors' code.
    """
    mean, deviation = patches.mean(2, keepdim=True), (patches.var(2, keepdim=True) + 1e-6).sqrt()
    return (patches - mean) / deviation, mean, deviation


def reconstruction_loss(painted: Tensor, patches: Tensor, removed: Tensor) -> Tensor:
    """Mean squared error on the removed patches (sec. 3, "Reconstruction target").

    Args:
        painted: (B, L, P).
        patches: (B, L, P), normalised where that is wanted.
        removed: (B, L) 1 where a patch was removed.

    Returns:
        () loss; what is painted over kept patches does not change it.
    """
    return ((painted - patches).square().mean(2) * removed).sum() / removed.sum()


class Decoder(nn.Module):
    """Kept patches' features to all patches' pixels.

    Args:
        features: of the encoder.
        width: of the decoder, a multiple of 4.
        depth: blocks.
        side: patches along a side of the image.
        pixels: numbers of a patch.
    """

    def __init__(self, features: int, width: int, depth: int, side: int, pixels: int) -> None:
        super().__init__()
        self.side = side
        self.embed = nn.Linear(features, width)
        self.missing = nn.Parameter(0.02 * torch.randn(width))
        self.blocks = nn.ModuleList(PatchBlock(width, last=i == depth - 1) for i in range(depth))
        self.paint = nn.Linear(width, pixels)

    def forward(self, tokens: Tensor, mask: Mask) -> Tensor:
        """Features (B, K, F) of the kept patches to pixels (B, L, P) of all."""
        x = self.embed(tokens)
        absent = mask.restore.shape[1] - x.shape[1]
        x = torch.cat([x, self.missing.to(x.dtype).expand(len(x), absent, -1)], 1)
        x = x.gather(1, mask.restore[:, :, None].expand(-1, -1, x.shape[2]))
        x = x + positions(self.side, self.side, x.shape[2], x.device).to(x)
        for block in self.blocks:
            x = cast(PatchBlock, block).tokens(x)
        return self.paint(x)


class MAE(SelfSupervisedTask):
    """A vision transformer that learns to complete images of which it sees a quarter.

    Args:
        channels: of the images; given by the data.
        image_size: side of the square images in pixels, a multiple of the patch's; given by the data.
        mask_ratio: fraction of the patches that is removed.
        decoder_width: of the decoder, a multiple of 4.
        decoder_depth: blocks of the decoder.
        norm_pix: each patch is painted with mean 0 and variance 1, which the paper finds better.
        options: the fields of ``MAEOptions``.

    Raises:
        ValueError: another backbone than "vit", patches that do not divide the image, a ratio that leaves no patch or
            removes none, or an option out of its range.
    """

    main_image = "reconstructions"
    options_type = MAEOptions

    def __init__(
        self,
        channels: int,
        image_size: int,
        mask_ratio: float = 0.75,
        decoder_width: int = 64,
        decoder_depth: int = 2,
        norm_pix: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(channels, image_size, **options)
        stem = next(iter(self.backbone.stages.values()))
        if not isinstance(stem, Patches):
            raise ValueError(
                f"model.backbone={self.options.backbone}: a masked autoencoder leaves patches out, which only vit can: "
                "set model.backbone=vit model.widths=[96] model.strides=[4] model.blocks=4"
            )
        self.patch, side = stem.patch, image_size // stem.patch
        if image_size % self.patch:
            raise ValueError(
                f"patches of {self.patch} pixels do not divide images of {image_size}: set data.image_size="
                f"{self.patch * max(side, 2)}, or model.strides"
            )
        if not 0 < int(side**2 * (1 - mask_ratio)) < side**2:
            raise ValueError(f"model.mask_ratio={mask_ratio} of {side**2} patches: some must be kept and some removed")
        self.save_hyperparameters(logger=False)
        self.mask_ratio, self.norm_pix = mask_ratio, norm_pix
        self.decoder = Decoder(self.backbone.num_features, decoder_width, decoder_depth, side, channels * self.patch**2)

    def draw_mask(self, count: int) -> Mask:
        """Masks for ``count`` images: in training at random, else always the same ones."""
        generator = None if self.training else torch.Generator().manual_seed(0)
        return Mask(*(part.to(self.device) for part in random_mask(
            torch.rand(count, self.decoder.side**2, generator=generator), self.mask_ratio
        )))  # fmt: skip

    def encode(self, images: Tensor, mask: Mask) -> Tensor:
        """uint8 images (B, C, S, S) to features (B, K, F) of the patches that the mask keeps."""
        stem, *blocks = self.backbone.stages.values()
        tokens = stem(self.backbone.normalise(images)).flatten(2).transpose(1, 2)  # (B, L, D)
        tokens = tokens.gather(1, mask.kept[:, :, None].expand(-1, -1, tokens.shape[2]))
        for block in blocks:
            tokens = cast(PatchBlock, block).tokens(tokens)
        return tokens

    def loss(self, batch: Any) -> Tensor:
        """The error on removed patches."""
        images = one_view(batch, "a masked autoencoder")
        mask = self.draw_mask(len(images))
        patches = patchify(self.backbone.normalise(images), self.patch)
        wanted = normalised(patches)[0] if self.norm_pix else patches
        return reconstruction_loss(self.decoder(self.encode(images, mask), mask).float(), wanted, mask.removed)

    def uninformed_loss(self, images: Tensor) -> float:
        """The error where each patch is painted in its mean."""
        patches = patchify(self.backbone.normalise(images), self.patch)
        wanted = normalised(patches)[0] if self.norm_pix else patches - patches.mean(2, keepdim=True)
        return float(reconstruction_loss(torch.zeros_like(wanted), wanted, self.draw_mask(len(images)).removed))

    @torch.no_grad()
    def painted(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """What the network sees of images, and what it makes of that: uint8 (B, C, S, S) both.

        Removed patches are grey in the first. In the second kept patches are the image's own; painted ones are given
        its mean and deviation where patches are normalised, as in the paper's figures.
        """
        mask = self.draw_mask(len(images))
        patches = patchify(self.backbone.normalise(images), self.patch)
        found = self.decoder(self.encode(images, mask), mask).float()
        if self.norm_pix:
            _, mean, deviation = normalised(patches)
            found = found * deviation + mean
        removed = mask.removed[:, :, None]
        mean, std = (part[: self.channels, None, None] for part in (self.backbone.mean, self.backbone.std))
        seen, whole = (
            (unpatchify(part, self.patch) * std + mean).mul(255).round().clamp(0, 255).to(torch.uint8)
            for part in (patches * (1 - removed), found * removed + patches * (1 - removed))
        )
        return seen, whole

    def on_test_epoch_end(self) -> None:
        """Draws reconstructions, besides what all techniques draw."""
        super().on_test_epoch_end()
        data = attached_data(self.trainer, ViewImages)
        if data is not None and self.trainer.is_global_zero:
            images = evenly(data.split("test"), SHOWN).images.to(self.device)
            shown = [image for three in zip(images, *self.painted(images), strict=True) for image in three]
            captions = ["image", "seen", "completed"] * len(images)
            log_image(
                self, "reconstructions", draw_sheet(shown, captions, "there is no image", 6, title="A quarter is seen")
            )

    @torch.no_grad()
    def predict(self, inputs: Sequence[Tensor], options: PredictOptions = NO_OPTIONS) -> Predictions:
        """Each image, what the network sees of it and what it makes of that, with the error on the removed patches.

        Args:
            inputs: uint8 (C, H, W) of any size.
            options: none has a meaning here.

        Raises:
            ValueError: a threshold is given.
        """
        options.only(self)
        self.eval()
        rows, drawn = [], []
        for image in inputs:
            fitted = fit_image(image, self.image_size, self.channels).to(self.device)[None]
            seen, whole = self.painted(fitted)
            error = (whole.float() - fitted.float()).abs().mean()
            rows.append({"mean_error": round(float(error), 3)})
            drawn.append(draw_sheet([fitted[0], seen[0], whole[0]], ["image", "seen", "completed"], "", 3))
        return Predictions(rows, drawn)
