"""Fine-tuning: a network that has learnt one task becomes the starting point for another with few labels.

The lecture's four ways to treat the network of the source task (its decision table, small or large target data,
similar to or different from the source):

- ``head``: new classifier, everything else frozen. Small and similar.
- ``full``: new classifier, everything is trained, inherited layers at their own rate. Large, or small with care.
- ``truncate``: cut after an early stage; the low-level stages are kept frozen, later ones are new. Small, different.
- ``scratch``: nothing is inherited: what the other three must beat.

Yosinski et al. 2014, "How transferable are features in deep neural networks?", name the first three frozen, fine-tuned
and cut layers. The classifier is the one of Qi et al. 2018, "Low-Shot Learning with Imprinted Weights", and Chen et al.
2019, "A Closer Look at Few-shot Classification": the cosine between feature and class weight, times a scale s,

    p(c | x) = softmax_c( s * cos(w_c, f(x)) ),   w_c initialised to the mean direction of f over class c's examples.

It also starts where it should with one example per class. Departure: s is fixed, not learnt.

Frozen means frozen: no gradient, no weight decay, batch norm in evaluation mode with untouched statistics.
"""

import logging
from functools import partial
from typing import Any, Literal

import torch
from lightning import LightningModule
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics.classification import MulticlassAccuracy, MulticlassConfusionMatrix

from leyden.data.examples import fit_image
from leyden.nets.residual import ResidualNet
from leyden.pictures.confusion import draw_confusion
from leyden.pictures.labelled import draw_labelled, draw_sheet
from leyden.pictures.record import Predictions, log_picture
from leyden.transfer.data import TransferImages
from leyden.transfer.pretraining import cosine_fall, normalise, pretrain, read_weights

log = logging.getLogger(__name__)

Strategy = Literal["head", "full", "truncate", "scratch"]


class CosineHead(nn.Module):
    """A linear classifier that looks at directions only.

    Args:
        features: length of a feature vector.
        classes: how many.
        scale: s; logits lie in [-s, s].
    """

    def __init__(self, features: int, classes: int, scale: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(classes, features))
        self.scale = scale

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, F) to logits (B, classes)."""
        return self.scale * F.normalize(features) @ F.normalize(self.weight).T

    @torch.no_grad()
    def imprint(self, features: Tensor, labels: Tensor) -> None:
        """Sets each class's weight to the mean direction of its features (N, F) under ``labels`` (N,)."""
        for label in range(len(self.weight)):
            self.weight[label] = F.normalize(features[labels == label]).mean(0)


class Finetune(LightningModule):
    """A residual net that inherits from a source task and learns the target classes.

    Args:
        class_names: of the target task; given by the data.
        channels: of the images; given by the data.
        image_size: side of the square images in pixels; given by the data.
        strategy: what is inherited and what is trained: "head", "full", "truncate" or "scratch".
        weights: where the inherited network comes from: "source_task" trains it first, in the same run, on the data's
            source classes; a path names a file of backbone weights or a checkpoint of this technique; null inherits
            random weights (a control experiment). "scratch" never inherits.
        widths: channels of each stage.
        strides: of each stage.
        blocks: residual blocks per stage.
        kept_stages: for "truncate": how many stages, besides the stem, are kept.
        scale: s of the cosine classifiers of both tasks.
        lr: AdamW's learning rate at the start; it falls to zero along a cosine.
        backbone_lr: factor on ``lr`` for inherited layers that are trained.
        weight_decay: AdamW's, on everything that is trained.
        source_epochs: passes over the source task.
        source_lr: learning rate at the start of the source task, falling likewise.
        source_batch_size: examples per step of the source task.
        source_views: makes the source task richer: so many classes of each source class, one for each view of the
            image: 1, 4 (turned by quarters) or 8 (also mirrored).

    Raises:
        ValueError: an unknown strategy, or more stages to keep than there are.
    """

    monitor = "val/accuracy"
    mode: Literal["min", "max"] = "max"
    takes_images = True

    def __init__(
        self,
        class_names: list[str],
        channels: int,
        image_size: int,
        strategy: Strategy = "full",
        weights: str | None = "source_task",
        widths: list[int] | None = None,
        strides: list[int] | None = None,
        blocks: int = 1,
        kept_stages: int = 2,
        scale: float = 10.0,
        lr: float = 1e-3,
        backbone_lr: float = 1.0,
        weight_decay: float = 0.1,
        source_epochs: int = 150,
        source_lr: float = 3e-3,
        source_batch_size: int = 64,
        source_views: int = 8,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(logger=False)
        widths, strides = widths or [32, 64, 128], strides or [1, 2, 2]
        if strategy not in ("head", "full", "truncate", "scratch"):
            raise ValueError(f"model.strategy={strategy!r}: choose head, full, truncate or scratch")
        if not 0 <= kept_stages <= len(widths):
            raise ValueError(f"model.kept_stages={kept_stages}, but the network has {len(widths)} stages")
        self.class_names = class_names
        self.channels = channels
        self.image_size = image_size
        self.weights = weights
        self.scale = scale
        self.lr = lr
        self.backbone_lr = backbone_lr
        self.weight_decay = weight_decay
        self.source_epochs = source_epochs
        self.source_lr = source_lr
        self.source_batch_size = source_batch_size
        self.source_views = source_views
        self.new_net = partial(ResidualNet, channels, widths, strides, blocks)
        self.backbone = self.new_net()
        self.head = CosineHead(self.backbone.features, len(class_names), scale)
        parts: list[nn.Module] = [self.backbone.stem, *self.backbone.stages]
        self.inherited = {"head": parts, "full": parts, "truncate": parts[: 1 + kept_stages], "scratch": []}[strategy]
        """The parts of the backbone that take over weights, from the input upwards."""
        self.frozen = [] if strategy == "full" else self.inherited
        """The parts that stay as they are."""
        for part in self.frozen:
            part.requires_grad_(False)
        self.prepared: Tensor
        self.register_buffer("prepared", torch.zeros((), dtype=torch.uint8))
        self.val_accuracy = MulticlassAccuracy(len(class_names), average="micro")
        self.test_accuracy = MulticlassAccuracy(len(class_names), average="micro")
        self.test_confusion = MulticlassConfusionMatrix(len(class_names))
        self.wrong: list[tuple[float, Tensor, int, int]] = []

    def forward(self, images: Tensor) -> Tensor:
        """uint8 images (B, C, S, S) to logits (B, classes)."""
        return self.head(self.backbone(normalise(images)))

    def train(self, mode: bool = True) -> "Finetune":
        """As always, but what is frozen stays in evaluation mode: its batch norms must not adapt."""
        super().train(mode)
        for part in self.frozen:
            part.eval()
        return self

    def on_fit_start(self) -> None:
        """Inherits and imprints before the first training; a checkpoint that is resumed already holds the result."""
        if self.prepared:
            return
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        if not isinstance(data, TransferImages):
            raise ValueError("transfer/finetune learns from data=transfer/images")
        # One rank works, all start from its weights: on GPUs two trainings of the source task may differ in rounding.
        if self.trainer.is_global_zero:
            if self.inherited and self.weights is not None:
                self.inherit(self._source_weights(data))
            self.imprint(data)
        state = {key: value.cpu() for key, value in self.state_dict().items()}
        self.load_state_dict(self.trainer.strategy.broadcast(state))
        self.prepared.fill_(1)

    def _source_weights(self, data: TransferImages) -> dict[str, Tensor]:
        if self.weights != "source_task":
            return read_weights(str(self.weights), self.backbone)
        batches = data.source_task(self.source_batch_size, self.source_views)
        classes = len(data.source_names) * self.source_views
        log.info("source task: %d classes of %s, %d epochs", classes, data.source_names, self.source_epochs)
        net = self.new_net().to(self.device)
        head = CosineHead(net.features, classes, self.scale).to(self.device)
        accuracy = pretrain(net, head, batches, self.source_epochs, self.source_lr, self.weight_decay)
        log.info("source task: accuracy %.3f on the augmented images of the last epoch", accuracy)
        return net.state_dict()

    def inherit(self, weights: dict[str, Tensor]) -> None:
        """Takes over the inherited parts from a whole backbone's ``weights``."""
        own = self.backbone.state_dict()
        names = {id(part): name for name, part in self.backbone.named_modules()}
        prefixes = tuple(f"{names[id(part)]}." for part in self.inherited)
        self.backbone.load_state_dict(own | {k: v for k, v in weights.items() if k.startswith(prefixes)})

    @torch.no_grad()
    def imprint(self, data: TransferImages) -> None:
        """Starts the classifier at the mean features of the training examples."""
        training = self.training
        self.eval()
        batches = [(self.backbone(normalise(images.to(self.device))), labels) for images, labels in data.once()]
        features, labels = (torch.cat(part) for part in zip(*batches, strict=True))
        self.head.imprint(features, labels.to(self.device))
        self.train(training)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> Tensor:
        """One batch (images (B, C, S, S), labels (B,)) to its cross-entropy."""
        images, labels = batch
        loss = F.cross_entropy(self(images), labels)
        every: int = self.trainer.log_every_n_steps  # type: ignore[attr-defined]  # a connector sets it
        if (self.global_step + 1) % every == 0:
            self.log("train/loss", loss.detach(), prog_bar=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> None:
        """Counts right answers."""
        images, labels = batch
        self.val_accuracy.update(self(images), labels)
        self.log("val/accuracy", self.val_accuracy, on_epoch=True, batch_size=len(labels), prog_bar=True)

    def on_test_epoch_start(self) -> None:
        """Forgets the wrong answers of an earlier test."""
        self.wrong = []

    def test_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> None:
        """Counts right answers and who is taken for whom, and keeps the wrong ones."""
        images, labels = batch
        confidence, answers = self(images).softmax(1).max(1)
        self.test_accuracy.update(answers, labels)
        self.test_confusion.update(answers, labels)
        self.log("test/accuracy", self.test_accuracy, on_epoch=True, batch_size=len(labels))
        for i in (answers != labels).nonzero().flatten().tolist():
            self.wrong.append((float(confidence[i]), images[i].cpu(), int(labels[i]), int(answers[i])))

    def on_test_epoch_end(self) -> None:
        """Draws the confusion matrix of the test split and the most confident wrong answers."""
        log_picture(self, "confusion", draw_confusion(self.test_confusion.compute(), self.class_names))
        self.test_confusion.reset()
        worst = sorted(self.wrong, key=lambda wrong: -wrong[0])[:24]
        captions = [
            f"{self.class_names[truth]} taken for\n{self.class_names[answer]}, {confidence:.0%}"
            for confidence, _, truth, answer in worst
        ]
        log_picture(self, "wrong", draw_sheet([image for _, image, _, _ in worst], captions, "No wrong answers."))

    @torch.no_grad()
    def predict(self, images: list[Tensor] | None, count: int = 16) -> Predictions:
        """The class of each image.

        Args:
            images: uint8 (C, H, W) of any size.
            count: has no meaning for a classifier.

        Raises:
            ValueError: there are no images.
        """
        if not images:
            raise ValueError("a classifier predicts what pictures show: give it pictures (--input FOLDER)")
        self.eval()
        rows, pictures = [], []
        for image in images:
            fitted = fit_image(image, self.image_size, self.channels).to(self.device)
            probabilities = self(fitted[None])[0].softmax(0)
            confidence, answer = probabilities.max(0)
            name = self.class_names[int(answer)]
            rows.append(
                {
                    "class": name,
                    "confidence": round(float(confidence), 4),
                    "probabilities": dict(zip(self.class_names, probabilities.tolist(), strict=True)),
                }
            )
            pictures.append(draw_labelled(image, f"{name}, {float(confidence):.0%}"))
        return Predictions(rows, pictures)

    def configure_optimizers(self) -> Any:
        """AdamW on what is trained, inherited layers at their own rate, and a cosine from there to zero."""
        inherited = {id(p) for part in self.inherited for p in part.parameters()}
        trained = [p for p in self.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in trained if id(p) not in inherited], "lr": self.lr},
            {"params": [p for p in trained if id(p) in inherited], "lr": self.lr * self.backbone_lr},
        ]
        optimizer = torch.optim.AdamW([group for group in groups if group["params"]], weight_decay=self.weight_decay)
        total = self.trainer.estimated_stepping_batches
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: cosine_fall(step / total))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
