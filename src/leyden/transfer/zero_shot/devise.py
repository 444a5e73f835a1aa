"""DeViSE: images and classes in one space, where an image lies nearer to its own class than to others.

Frome et al. 2013, "DeViSE: A Deep Visual-Semantic Embedding Model". With the feature v of an image, a linear map M and
the vector t_c of each class, of length 1, here its attributes (the paper's are word vectors), the loss of an image of
class y is the hinge of all other seen classes (eq. 1)

    sum_{c != y} max(0, margin - t_y M v + t_c M v),

and a new image is of the class whose t_c M v is greatest, with or without examples. ``loss=softmax`` is the other usual
choice for such a bilinear compatibility: the cross-entropy of the scores t_c M v.

The similarity is the dot product, as in the paper: M v keeps its length. ``similarity=cosine`` gives it length 1 and
multiplies by ``scale``.

Departures: the paper adds up hinges in random order until the first that is not 0, here all count, and a batch is
averaged; AdamW with a rate along half a cosine, where the paper has Adagrad.
"""

from typing import Any, Literal, Unpack, get_args

import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.nn import functional as F

from leyden.core.optim import cosine, scheduled
from leyden.data.splits import Stage
from leyden.transfer.zero_shot.options import ZeroShotKwargs
from leyden.transfer.zero_shot.task import TRAIN, ZeroShotTask
from leyden.visualization.logging import logs_now

Loss = Literal["ranking", "softmax"]
Similarity = Literal["dot", "cosine"]


def ranking_loss(scores: Tensor, labels: Tensor, margin: float = 0.1) -> Tensor:
    """The hinge loss of all other classes (Frome et al. 2013, eq. 1), added over classes, averaged over images.

    Args:
        scores: (B, C) t_c M v of the seen classes.
        labels: (B,) int64 true classes.
        margin: by which the true class must be ahead.

    Returns:
        () loss.
    """
    own = scores.gather(1, labels[:, None])
    hinges = (margin - own + scores).clamp(min=0)
    return (hinges.sum(1) - margin).mean()  # the true class's own hinge is the margin


class DeViSE(ZeroShotTask):
    """A linear map from features to attributes, trained by gradient descent, and the network below it if asked for.

    Args:
        class_names: of all classes; given by the data.
        attribute_names: given by the data.
        channels: of the images; given by the data, None for rows.
        image_size: side of the square images in pixels; given by the data, None for rows.
        feature_names: of the rows; given by the data, None for images.
        loss: "ranking" or "softmax".
        margin: of the ranking loss.
        similarity: "dot" or "cosine".
        scale: of cosines, for either loss.
        freeze: the network below keeps its weights; False: it learns along.
        lr: AdamW's rate at the start; it falls to zero along a cosine.
        backbone_lr_factor: factor on ``lr`` for the network below.
        weight_decay: AdamW's.
        options: the fields of ``ZeroShotOptions``.

    Raises:
        ValueError: another word for ``loss`` or ``similarity``, or an option that is none.
    """

    def __init__(
        self,
        class_names: list[str],
        attribute_names: list[str],
        channels: int | None = None,
        image_size: int | None = None,
        feature_names: list[str] | None = None,
        loss: Loss = "ranking",
        margin: float = 0.1,
        similarity: Similarity = "dot",
        scale: float = 10.0,
        freeze: bool = True,
        lr: float = 3e-3,
        backbone_lr_factor: float = 1.0,
        weight_decay: float = 0.01,
        **options: Unpack[ZeroShotKwargs],
    ) -> None:
        super().__init__(class_names, attribute_names, channels, image_size, feature_names, False, **options)
        self.save_hyperparameters()
        for key, word, words in (("loss", loss, get_args(Loss)), ("similarity", similarity, get_args(Similarity))):
            if word not in words:
                raise ValueError(f"model.{key}={word!r}: there are {', '.join(words)}")
        self.loss, self.margin, self.similarity, self.scale = loss, margin, similarity, scale
        self.frozen = freeze or self.features.backbone is None
        self.lr, self.backbone_lr_factor, self.weight_decay = lr, backbone_lr_factor, weight_decay
        self.embedding = nn.Linear(self.features.size, len(attribute_names), bias=False)
        self.features.requires_grad_(not self.frozen)

    def attribute_scores(self, features: Tensor) -> Tensor:
        """M v: (B, A) for features (B, D)."""
        embedded = self.embedding(features.float())
        return self.scale * F.normalize(embedded) if self.similarity == "cosine" else embedded

    def class_scores(self, features: Tensor, stage: Stage = "test") -> Tensor:
        """t_c M v: (B, C) for features (B, D)."""
        return self.attribute_scores(features) @ F.normalize(self.attributes).T

    def on_fit_start(self) -> None:
        """Learns of the classes, and trains or loads the network below; what is resumed has both."""
        if self.ready:
            return
        if self.trainer.is_global_zero:
            self.features.load(self.described(), self.device)
        # One rank works, all start from its weights: on GPUs two trainings may differ in rounding.
        state = {key: value.cpu() for key, value in self.state_dict().items()}
        self.load_state_dict(self.trainer.strategy.broadcast(state))

    def train(self, mode: bool = True) -> "DeViSE":
        """Sets the mode of what learns; a network that is frozen stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.features.eval()
        return self

    def training_step(self, batch: Any, batch_index: int) -> Tensor:
        """The loss of a batch, images (B, C, S, S) or rows (B, D) with labels (B,), among the classes trained on."""
        inputs, labels = batch
        trained = self.groups == TRAIN
        scores = self.class_scores(self.features(inputs))[:, trained]
        own = (trained.cumsum(0) - 1)[labels]
        loss = ranking_loss(scores, own, self.margin) if self.loss == "ranking" else F.cross_entropy(scores, own)
        if logs_now(self):
            self.log("train/loss", loss.detach(), prog_bar=True)
        return loss

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW on what learns, and a cosine to zero."""
        groups = [{"params": list(self.embedding.parameters()), "lr": self.lr}]
        if not self.frozen:
            groups.append({"params": list(self.features.parameters()), "lr": self.lr * self.backbone_lr_factor})
        optimizer = torch.optim.AdamW(groups, weight_decay=self.weight_decay, fused=True)
        schedule = scheduled(optimizer, cosine, self.trainer.estimated_stepping_batches)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
