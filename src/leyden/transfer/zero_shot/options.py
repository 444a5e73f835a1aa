"""What every technique of zero-shot learning takes beside its own options."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict


class ZeroShotKwargs(TypedDict, total=False):
    """The fields of ``ZeroShotOptions``, for signatures."""

    backbone: str
    weights: str
    widths: Sequence[int]
    strides: Sequence[int]
    blocks: int
    source_epochs: int
    source_lr: float
    source_batch_size: int
    source_weight_decay: float
    cache: str | None


@dataclass(frozen=True)
class ZeroShotOptions:
    """What an example's features are."""

    backbone: str = "resnet"
    """ "none": pixels in [0, 1], or rows as they are; else a network of the zoo, see ``leyden.nets.zoo.backbone``."""
    weights: str = "seen"
    """Of the backbone: "seen": it first learns, in the same run, to tell apart the classes that are trained on; else
    "imagenet", a name of torchvision's, a file, the folder of an earlier run; "none": random."""
    widths: Sequence[int] = (32, 64, 128)
    """Of the backbone "resnet": channels of each stage."""
    strides: Sequence[int] = (2, 2, 2)
    """Of "resnet": of each stage."""
    blocks: int = 1
    """Of "resnet": residual blocks per stage."""
    source_epochs: int = 10
    """Of "seen": passes over the training images."""
    source_lr: float = 3e-3
    """Of "seen": AdamW's rate at the start; it falls to zero along a cosine."""
    source_batch_size: int = 64
    """Of "seen": images per step."""
    source_weight_decay: float = 0.05
    """Of "seen": AdamW's."""
    cache: str | None = None
    """Of "seen": a folder in which the network is kept, where other runs on the same images find it; None: none."""
