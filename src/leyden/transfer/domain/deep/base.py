"""What techniques of domain adaptation by gradient descent share: a step on a source and a target batch."""

from typing import Any, ClassVar

import torch
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD

from leyden.core.attached import attached_data
from leyden.core.optim import scheduled
from leyden.data.batches.domains import DomainImages, Domains
from leyden.data.columns import Images, LabelledImages
from leyden.nets.weights import find_weights, load_pretrained
from leyden.nets.zoo import backbone as new_backbone
from leyden.transfer.classifier import Classifier, ClassifierTask
from leyden.transfer.domain.deep.monitor import log_criteria, log_domains, log_history
from leyden.transfer.domain.deep.options import DomainOptions
from leyden.transfer.domain.deep.selection import MONITORS
from leyden.transfer.domain.unlabelled import UnlabelledTest
from leyden.transfer.finetune.heads import HiddenHead, LinearHead
from leyden.visualization.logging import logs_now


def annealed(progress: float) -> float:
    """The factor (1 + 10 p)^-0.75 on the learning rate (Ganin et al. 2016, mu_p).

    Args:
        progress: p of the run, 0 to 1.
    """
    return (1 + 10 * progress) ** -0.75


def new_head(features: int, classes: int, options: DomainOptions) -> nn.Module:
    """Features (B, F) to logits (B, classes): linear, or behind hidden layers."""
    if options.head:
        return HiddenHead(features, classes, options.head, options.dropout)
    return LinearHead(features, classes, options.dropout)


class DomainTask(ClassifierTask):
    """Base: cross-entropy on the source plus ``domain_loss`` between the features of both domains; a child adds that.

    One forward pass takes both batches, so batch norms see both domains. The target's labels do not reach this class:
    training batches have none, ``val/accuracy`` is that of the source, and the other criteria that may choose the
    checkpoint (``leyden.transfer.domain.deep.selection``) take target images without labels. Only the test counts the
    target's labels: ``test/accuracy`` is what an oracle would know of the checkpoint that was chosen.

    Args:
        class_names: of both domains.
        channels: of the images.
        image_size: side of the square images in pixels.
        options: the fields of ``options_type``.

    Raises:
        ValueError: an unknown backbone, images that it cannot take, or an option out of its range.
    """

    main_image: str = "embedding"
    options_type: ClassVar[type[DomainOptions]] = DomainOptions
    """The dataclass that keeps ``**options``, and has their defaults."""
    net: Classifier
    """What predicts the target."""

    def __init__(self, class_names: list[str], channels: int, image_size: int, **options: Any) -> None:
        given = self.options_type(**options)
        body = new_backbone(given.backbone, channels, image_size, given.widths, given.strides, given.blocks)
        head = new_head(body.num_features, len(class_names), given)
        super().__init__(class_names, channels, image_size, Classifier(body, head))
        self.options = given
        self.monitor, self.mode = MONITORS[given.selection]
        self.history: list[dict[str, float]] = []
        self.unlabelled = UnlabelledTest(class_names)
        if given.weights != "none":
            self.inherited: Tensor
            self.register_buffer("inherited", torch.zeros((), dtype=torch.bool))

    @property
    def source_net(self) -> Classifier:
        """What predicts the source: the same network, unless a technique has one for each domain."""
        return self.net

    def domain_loss(self, source: Tensor, target: Tensor) -> Tensor:
        """What is added to the loss so that the domains' features become alike.

        Args:
            source: (Bs, F) features of the source's images.
            target: (Bt, F) features of the target's images.

        Returns:
            () loss.
        """
        raise NotImplementedError(f"{type(self).__name__} has no domain loss")

    def on_fit_start(self) -> None:
        """Gives the backbone its weights before the first training; what is resumed has them."""
        if self.options.weights == "none" or self.inherited:
            return
        body = self.source_net.backbone
        load_pretrained(body, find_weights(self.options.weights, body), body.stage_names)
        self.inherited.fill_(True)

    @property
    def progress(self) -> float:
        """The part of the run's optimizer steps that is done, 0 to 1."""
        return min(1.0, self.global_step / self.trainer.estimated_stepping_batches)

    def training_step(self, batch: Domains, batch_index: int) -> Tensor:
        """Cross-entropy of the source's batch plus ``domain_weight`` times the domain loss."""
        images, labels = batch.source
        if not self.options.domain_weight:
            loss = F.cross_entropy(self.source_net(images), labels)
        else:
            features = self.net.features(torch.cat([images, batch.target.images]))
            source, target = features.split([len(images), len(batch.target.images)])
            domain = self.domain_loss(source, target)
            loss = F.cross_entropy(self.net.head(source), labels) + self.options.domain_weight * domain
            if logs_now(self):
                self.log("train/domain_loss", domain.detach())
        self.log_loss(loss)
        return loss

    def log_loss(self, loss: Tensor) -> None:
        """Logs a step's () loss, where this step logs."""
        if logs_now(self):
            self.log("train/loss", loss.detach(), prog_bar=True)

    def configure_optimizers(self) -> Any:
        """SGD with momentum, its rate annealed over the run."""
        o = self.options
        optimizer = SGD(self.parameters(), lr=o.lr, momentum=o.momentum, weight_decay=o.weight_decay, fused=True)
        schedule = scheduled(optimizer, annealed, self.trainer.estimated_stepping_batches)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def validation_step(self, batch: LabelledImages, batch_index: int) -> None:
        """Updates ``val/accuracy``, of the source, by a batch (images (B, C, S, S), labels (B,))."""
        images, labels = batch
        self.val_accuracy.update(self.source_net(images), labels)
        self.log("val/accuracy", self.val_accuracy, on_epoch=True, batch_size=len(labels), prog_bar=True)

    def on_validation_epoch_end(self) -> None:
        """Logs the criteria that need no label of the target, and how far the domains are apart.

        Raises:
            ValueError: one of them is to choose the checkpoint, and the data have no target.
        """
        if self.trainer.sanity_checking:
            return
        data = attached_data(self.trainer, DomainImages)
        if data is not None:
            found = log_criteria(self, self.source_net, self.net, data, self.options.selection)
            if found and self.trainer.state.fn == TrainerFn.FITTING:
                self.history.append({"step": self.global_step, **found})
        elif self.options.selection != "source":
            raise ValueError(f"model.selection={self.options.selection} looks at target images: data=transfer/domains")

    def on_train_end(self) -> None:
        """Draws the criteria over the training."""
        log_history(self, self.history, len(self.class_names))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keeps the criteria of all validations so far, so that a resumed run draws them all."""
        checkpoint["history"] = self.history

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes them back."""
        self.history = list(checkpoint.get("history", []))

    def on_test_epoch_start(self) -> None:
        """Starts with an empty confusion matrix, and no predictions."""
        super().on_test_epoch_start()
        self.unlabelled = UnlabelledTest(self.class_names)

    def test_step(self, batch: LabelledImages | Images, batch_index: int) -> None:
        """Counts what is right of a batch of the target; of one without labels it keeps the predictions."""
        if isinstance(batch, LabelledImages):
            super().test_step(batch, batch_index)
        else:
            self.unlabelled.update(batch.images, self(batch.images).softmax(1))

    def on_test_epoch_end(self) -> None:
        """Draws the target's confusion matrix, mistakes and saliency; the source's beside it, and features of both."""
        if self.unlabelled.probabilities:
            self.unlabelled.log(self)
        else:
            super().on_test_epoch_end()
        data = attached_data(self.trainer, DomainImages)
        if data is not None:
            log_domains(self, self.source_net, self.net, data, self.options.embedding)
