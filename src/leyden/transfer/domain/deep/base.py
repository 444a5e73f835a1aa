"""What techniques of domain adaptation by gradient descent share: a step on a source and a target batch."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim import SGD

from leyden.core.optim import scheduled
from leyden.data.batches.domains import Domains
from leyden.nets.zoo import backbone as new_backbone
from leyden.transfer.classifier import Classifier, ClassifierTask
from leyden.transfer.finetune.heads import LinearHead
from leyden.visualization.logging import logs_now


def annealed(progress: float) -> float:
    """The factor (1 + 10 p)^-0.75 on the learning rate (Ganin et al. 2016, mu_p).

    Args:
        progress: p of the run, 0 to 1.
    """
    return (1 + 10 * progress) ** -0.75


class DomainTask(ClassifierTask):
    """Base: cross-entropy on the source plus ``domain_loss`` between the features of both domains; a child adds that.

    One forward pass takes both batches, so batch norms see both domains. The target's labels do not reach this class:
    training batches have none, and ``monitor`` is the accuracy on the source's validation split. Only the test counts
    the target's labels.

    Args:
        class_names: of both domains.
        channels: of the images.
        image_size: side of the square images in pixels.
        backbone: see ``leyden.nets.zoo.backbone``, ``widths``, ``strides`` and ``blocks`` also.
        dropout: before the classifier.
        domain_weight: of the domain loss; 0 trains on the source alone and does not look at the target.
        lr: SGD's rate at the start, see ``annealed``.
        momentum: SGD's.
        weight_decay: SGD's.

    Raises:
        ValueError: images that the backbone cannot take, or a negative weight.
    """

    net: Classifier

    def __init__(
        self,
        class_names: list[str],
        channels: int,
        image_size: int,
        backbone: str,
        widths: Sequence[int],
        strides: Sequence[int],
        blocks: int,
        dropout: float,
        domain_weight: float,
        lr: float,
        momentum: float,
        weight_decay: float,
    ) -> None:
        body = new_backbone(backbone, channels, image_size, widths, strides, blocks)
        head = LinearHead(body.num_features, len(class_names), dropout)
        super().__init__(class_names, channels, image_size, Classifier(body, head))
        if domain_weight < 0:
            raise ValueError(f"model.domain_weight={domain_weight}: should be 0 or more")
        self.domain_weight = domain_weight
        self.lr, self.momentum, self.weight_decay = lr, momentum, weight_decay

    def domain_loss(self, source: Tensor, target: Tensor) -> Tensor:
        """What is added to the loss so that the domains' features become alike.

        Args:
            source: (Bs, F) features of the source's images.
            target: (Bt, F) features of the target's images.

        Returns:
            () loss.
        """
        raise NotImplementedError(f"{type(self).__name__} has no domain loss")

    @property
    def progress(self) -> float:
        """The part of the run's optimizer steps that is done, 0 to 1."""
        return min(1.0, self.global_step / self.trainer.estimated_stepping_batches)

    def training_step(self, batch: Domains, batch_index: int) -> Tensor:
        """Cross-entropy of the source's batch plus ``domain_weight`` times the domain loss."""
        images, labels = batch.source
        if not self.domain_weight:
            loss = F.cross_entropy(self(images), labels)
        else:
            features = self.net.features(torch.cat([images, batch.target.images]))
            source, target = features.split([len(images), len(batch.target.images)])
            domain = self.domain_loss(source, target)
            loss = F.cross_entropy(self.net.head(source), labels) + self.domain_weight * domain
            if logs_now(self):
                self.log("train/domain_loss", domain.detach())
        if logs_now(self):
            self.log("train/loss", loss.detach(), prog_bar=True)
        return loss

    def configure_optimizers(self) -> Any:
        """SGD with momentum, its rate annealed over the run."""
        optimizer = SGD(self.parameters(), lr=self.lr, momentum=self.momentum, weight_decay=self.weight_decay)
        schedule = scheduled(optimizer, annealed, self.trainer.estimated_stepping_batches)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
