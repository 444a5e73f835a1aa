"""The options of StyleGAN: those of all that sample, with its papers' values."""

from dataclasses import dataclass

from leyden.gan.noise_to_image.options import SamplingOptions


@dataclass(frozen=True)
class StyleGANOptions(SamplingOptions):
    """How the two networks are trained, with the defaults of "ADA" for CIFAR-10.

    Raises:
        ValueError: as in ``SamplingOptions``.
    """

    r1: float = 0.01
    """Gamma of R1; the authors' rule of thumb is 0.0002 image_size^2 / batch_size."""
    color_jitter: float = 1.0
    """Of the augmentation: changed brightness, saturation and contrast; 0 leaves it out."""
    translation: float = 0.125
    """Of the augmentation: shifts by up to this fraction of the side; 0 leaves it out."""
    lr_generator: float = 2.5e-3
    """Adam's rate."""
    lr_discriminator: float = 2.5e-3
    """Adam's rate."""
    beta1: float = 0.0
    """Adam's decay of the gradients' mean."""
    beta2: float = 0.99
    """Adam's decay of the gradients' square."""
    ema_decay: float = 0.999
    """Of the averaged generator that is sampled and evaluated."""
