"""The options that all deep techniques of domain adaptation share."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from leyden.transfer.domain.deep.selection import Selection


@dataclass(frozen=True)
class DomainOptions:
    """Backbone, weight of the adaptation, how the checkpoint is chosen, optimizer.

    Raises:
        ValueError: a negative weight, an unknown selection, a hidden layer without units.
    """

    backbone: str = "resnet"
    """The network, see ``leyden.nets.zoo.backbone``."""
    weights: str = "none"
    """That the backbone starts from: "imagenet", a name of torchvision's, a file or the folder of an earlier run, as in
    ``leyden.nets.weights.find_weights``; "none": random ones."""
    widths: Sequence[int] = (16, 32, 64)
    """Of the backbone "resnet": channels of each stage."""
    strides: Sequence[int] = (1, 2, 2)
    """Of "resnet": of each stage."""
    blocks: int = 1
    """Of "resnet": residual blocks per stage."""
    head: Sequence[int] = ()
    """Units of the classifier's hidden layers; none: a linear classifier on the features."""
    dropout: float = 0.0
    """Before the classifier's last layer: fraction of its inputs that a step blanks."""
    domain_weight: float = 1.0
    """Of what adapts to the target; 0 trains on the source alone, the floor row."""
    selection: Selection = "source"
    """What chooses best.ckpt: "source", the accuracy on the source's validation images, or, of unlabelled target
    validation images, "entropy", "im", "snd" or "dev", see ``leyden.transfer.domain.deep.selection``."""
    embedding: int = 100
    """So many test images of each domain are drawn by their pixels and by their features; 0: none."""
    lr: float = 0.01
    """The optimizer's rate at the start; it is annealed over the run."""
    momentum: float = 0.9
    """SGD's."""
    weight_decay: float = 0.0
    """The optimizer's."""

    def __post_init__(self) -> None:
        if self.domain_weight < 0:
            raise ValueError(f"model.domain_weight={self.domain_weight}: should be 0 or more")
        if any(width < 1 for width in self.head):
            raise ValueError(f"model.head={list(self.head)}: units of hidden layers should be 1 or more")
        if self.selection not in get_args(Selection):
            raise ValueError(f"model.selection={self.selection!r}: there are {', '.join(get_args(Selection))}")
