"""The options of an adaptation, as ``conf/model/gan/adapt.yaml`` lists them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from leyden.gan.options import AdversarialKwargs, AdversarialOptions


class AdaptationKwargs(AdversarialKwargs, total=False):
    """The keyword arguments that are passed on to ``AdaptationOptions``, whose fields explain them."""

    source_steps: int
    source_batch_size: int
    source_options: dict[str, Any]
    source_cache: str | None
    source_seed: int
    frozen_layers: int
    ewc_weight: float
    fisher_samples: int
    correspondence_weight: float
    correspondence_images: int
    patch_share: float
    anchors: int
    anchor_noise: float
    eval_samples: int
    eval_cache: str | None


@dataclass(frozen=True)
class AdaptationOptions(AdversarialOptions):
    """How a generator is adapted, and how it is evaluated.

    Raises:
        ValueError: a number is outside its range, or as in ``AdversarialOptions``.
    """

    source_steps: int = 2000
    """Batches on which a source is trained in the same run, where ``source`` is "train"."""
    source_batch_size: int = 64
    """Images in each of them."""
    source_options: Mapping[str, Any] = field(default_factory=dict)
    """Its further arguments, see ``leyden.gan.noise_to_image.dcgan.DCGAN``."""
    source_cache: str | None = None
    """Folder where it is kept for other runs; None: nowhere."""
    source_seed: int = 0
    """Of its weights, order and noise."""
    frozen_layers: int = 2
    """Of freeze_d: D's convolutions that are fixed, from the image on."""
    ewc_weight: float = 1.0
    """Of ewc: lambda, of the moved weights, F having the mean 1."""
    fisher_samples: int = 256
    """Of ewc: images over which F is the mean."""
    correspondence_weight: float = 300.0
    """Of cdc: lambda of the correspondence."""
    correspondence_images: int = 8
    """Of cdc: images of a batch whose similarities are compared."""
    patch_share: float = 0.0
    """Of cdc: share of a batch that D looks at patch by patch; 0: none, 1: all."""
    anchors: int = 10
    """Of cdc with patches: noise vectors around which images are looked at whole; 0: any noise."""
    anchor_noise: float = 0.05
    """Standard deviation of the noise around them."""
    eval_samples: int = 1000
    """At most so many samples and images of each domain are compared."""
    eval_cache: str | None = None
    """Folder where the evaluation's classifier is kept for other runs on the same data; None: nowhere."""

    def __post_init__(self) -> None:
        super().__post_init__()
        least = {
            "source_steps": 1, "source_batch_size": 2, "fisher_samples": 1, "correspondence_images": 3, "anchors": 0,
            "ewc_weight": 0, "correspondence_weight": 0, "anchor_noise": 0, "eval_samples": 6,
        }  # fmt: skip
        for name, value in least.items():
            if vars(self)[name] < value:
                raise ValueError(f"model.{name}={vars(self)[name]}: {value} or more")
        if not 0 <= self.patch_share <= 1:
            raise ValueError(f"model.patch_share={self.patch_share}: a share of a batch, from 0 to 1")
