"""The options of generators of music, as ``conf/model/gan/music.yaml`` lists them."""

from dataclasses import dataclass

from leyden.gan.losses import LossName
from leyden.gan.options import AdversarialOptions


@dataclass(frozen=True)
class MusicOptions(AdversarialOptions):
    """``AdversarialOptions`` with a smooth discriminator, without what changes images.

    Raises:
        ValueError: an option that has no meaning for music.
    """

    loss: LossName = "hinge"
    spectral_norm: bool = True
    lr_generator: float = 5e-4
    lr_discriminator: float = 1e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.color_jitter or self.translation or self.cutout:
            raise ValueError(
                "notes have no colours and cannot be shifted unheard: leave model.color_jitter, translation and cutout "
                "at 0; data.transpose has more music to train on"
            )
        if self.memory_format != "contiguous":
            raise ValueError("model.memory_format=channels_last is for images: set model.memory_format=contiguous")
