"""Adaptive discriminator augmentation (Karras et al. 2020, "Training GANs with Limited Data").

Each change of what D sees is made with a probability p that starts at 0. Where D learns few images by heart, it is sure
of the real ones: r = E sign D(x) over real images nears 1. So p grows while r is above a target, and falls below it.
"""

import torch
from lightning import LightningModule
from torch import Tensor, nn

from leyden.gan.augment import color_jitter, cutout, sometimes, translate
from leyden.gan.options import AdversarialOptions
from leyden.gan.stepping import average_over_ranks

EVERY = 4
"""Batches between two adjustments, as in the paper (section 3.2)."""


class AdaptiveAugment(nn.Module):
    """Changes images with an adapted probability.

    The changes are those of ``leyden.gan.augment``: brightness with saturation and contrast, shifts by whole pixels, a
    blank square; each image draws for each whether it is changed. The paper has 18, rotations, scalings, and filters
    among them.

    Args:
        options: their strengths; a change of strength 0 is left out.
        target: of r, in (0, 1); 0.6 in the paper.
        images: p needs so many real images to go from 0 to 1; 500,000 in the paper.
    """

    probability: Tensor
    """() p."""
    signs: Tensor
    """() sum of the logits' signs since the last adjustment."""
    seen: Tensor
    """() of so many real images."""

    def __init__(self, options: AdversarialOptions, target: float, images: int) -> None:
        super().__init__()
        self.options, self.target, self.images = options, target, images
        for name in ("probability", "signs", "seen"):
            self.register_buffer(name, torch.zeros(()))

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) in -1..1, each changed or not, differentiable."""
        options, p = self.options, self.probability
        if options.color_jitter:
            images = sometimes(images, color_jitter(images, options.color_jitter), p)
        if options.translation:
            images = sometimes(images, translate(images, options.translation), p)
        if options.cutout:
            images = sometimes(images, cutout(images, options.cutout), p)
        return images

    @torch.no_grad()
    def see(self, on_real: Tensor) -> None:
        """Counts the signs of logits (N,) of real images."""
        self.signs += on_real.sign().sum()
        self.seen += len(on_real)

    @torch.no_grad()
    def adjust(self, module: LightningModule) -> None:
        """Moves p by the number of images seen over ``images``, up where r is above the target; alike on all ranks."""
        average_over_ranks(module, [self.signs, self.seen])
        r = self.signs / self.seen
        step = torch.sign(r - self.target) * self.seen * module.trainer.world_size / self.images
        self.probability.add_(step).clamp_(0, 1)
        self.signs.zero_()
        self.seen.zero_()
