"""The options that all techniques of self-supervised learning share."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class SelfSupervisedOptions:
    """Backbone, optimizer, and what the test reports of the features.

    Raises:
        ValueError: a number is out of its range.
    """

    backbone: str = "resnet"
    """The network, see ``leyden.nets.zoo.backbone``."""
    weights: str = "none"
    """That the backbone starts from: "imagenet", a name of torchvision's, a file or the folder of an earlier run, as in
    ``leyden.nets.weights.find_weights``; "none": random ones."""
    widths: Sequence[int] = (32, 64, 128)
    """Of the backbone "resnet": channels of each stage; of "vit": the last is its width."""
    strides: Sequence[int] = (1, 2, 2)
    """Of "resnet": of each stage; of "vit": their product is the side of a patch."""
    blocks: int = 1
    """Of "resnet": residual blocks per stage; of "vit": all of its blocks."""
    lr: float = 1e-3
    """AdamW's rate behind the warm-up; it falls to zero along a cosine."""
    warmup: float = 0.1
    """Fraction of the run in which the rate grows from nearly zero."""
    weight_decay: float = 1e-4
    """AdamW's, of weights; norms and biases have none."""
    labels: Sequence[int] = (1, 5)
    """Labels per class that the test's linear probes get, besides all."""
    draws: int = 5
    """So many draws of these few labels; accuracies are their means."""
    knn: int = 20
    """Neighbours that vote in the nearest-neighbour classifier."""
    supervised_steps: int = 0
    """Steps of the same network trained on the few labels from scratch, with the same views: the row that probes must
    be held against; 0: it is left out."""
    embedding: int = 300
    """Test images that are drawn by their features before and after training; 0: none."""
    bank: int = 200
    """Training images that travel with checkpoints, among which ``predict`` finds the nearest; 0: none."""

    def __post_init__(self) -> None:
        if not 0 <= self.warmup < 1:
            raise ValueError(f"model.warmup={self.warmup}: a fraction of the run, 0 to below 1")
        if min(self.draws, self.knn, *self.labels) < 1:
            raise ValueError("model.draws, model.knn and model.labels: 1 or more")
