"""Fine-tuning: a network that has learnt one task becomes the starting point for another.

Which layers take over weights and which are trained is the strategy's business (``strategy.py``, the lecture's decision
table and beyond); which network it is, that of the backbone (``leyden.nets``). Yosinski et al. 2014, "How transferable
are features in deep neural networks?", ask the question that this technique answers.

The classifier is new. ``linear`` is the usual one; ``cosine`` is that of Qi et al. 2018, "Low-Shot Learning with
Imprinted Weights", and Chen et al. 2019, "A Closer Look at Few-shot Classification": the cosine between feature and
class weight, times a scale s,

    p(c | x) = softmax_c( s * cos(w_c, f(x)) ),   w_c initialised to the mean direction of f over class c's examples,

which starts where it should with one example per class. Departure: s is fixed, not learnt.

Frozen means frozen: no gradient, no weight decay, batch norm and dropout in evaluation mode with untouched statistics.
Stages that are frozen for ever take no gradients from the start. Stages that join later are in the optimizer from the
start, and until then their gradients are dropped: so ranks stay equal and a resumed run goes on as it was.
"""

import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from lightning import LightningModule
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics.classification import MulticlassAccuracy

from leyden.core.technique import NO_OPTIONS, Exportable, Predictions, PredictOptions
from leyden.data.splits import fit_image
from leyden.nets.backbone import Backbone
from leyden.nets.googlenet import AUXILIARY_WEIGHT
from leyden.nets.memory_format import MemoryFormat, arrange
from leyden.nets.weights import find_weights, load_pretrained
from leyden.nets.zoo import backbone as new_backbone
from leyden.transfer.advise import advise, report, subset
from leyden.transfer.data import TransferImages
from leyden.transfer.evaluation import Answers
from leyden.transfer.finetune.features import compute, key_of
from leyden.transfer.finetune.heads import CosineHead, LinearHead
from leyden.transfer.finetune.network import TransferNet
from leyden.transfer.finetune.pretraining import Recipe, cosine_fall, learnt
from leyden.transfer.finetune.strategy import Strategy, l2_sp, make_plan
from leyden.visualization.labelled import draw_labelled
from leyden.visualization.logging import logs_now

log = logging.getLogger(__name__)


class Finetune(LightningModule):
    """A backbone that inherits weights and learns the target classes.

    Args:
        class_names: of the target task; given by the data.
        channels: of the images; given by the data.
        image_size: side of the square images in pixels; given by the data.
        crop: how ``predict`` brings pictures to that size (``fit_image``); taken from the data when training starts.
        strategy: which layers inherit and which learn, see ``make_plan``.
        backbone: the network, see ``leyden.nets.zoo.backbone``.
        weights: where the inherited network comes from: "source_task" trains it first, in the same run, on the data's
            source classes; "imagenet", a name of torchvision's, a file or the folder of an earlier run as in
            ``find_weights``; "none" inherits random weights (a control experiment). "scratch" never inherits.
        widths: of the backbone "resnet": channels of each stage.
        strides: of "resnet": of each stage.
        blocks: of "resnet": residual blocks per stage.
        cut_after: for "truncate": the last stage that is kept.
        rebuild: for "truncate": stages behind the cut are built anew; otherwise the head sits on the cut.
        freeze_kept: for "truncate": what is kept is frozen.
        last_k: for "last_k": so many stages are trained.
        unfreeze_every: for "gradual": epochs until the next stage joins.
        decay: for "discriminative": factor on the rate from one stage to the one below it.
        pull: for "l2_sp": alpha of alpha / 2 ||w - w0||^2; the head gets ``weight_decay`` / 2 ||w||^2.
        reduction: for "adapter": by which a bottleneck is narrower than the map.
        fixed_statistics: batch norms of inherited stages keep their statistics although the stages are trained; right
            for small batches.
        head: "linear" or "cosine".
        scale: s of cosine classifiers, here and of the source task.
        dropout: before a linear head: share of the features that a step blanks.
        lr: AdamW's learning rate at the start, for what is new; it falls to zero along a cosine.
        backbone_lr: factor on ``lr`` for inherited stages that are trained.
        weight_decay: AdamW's, on everything that is trained.
        source_epochs: passes over the source task.
        source_lr: learning rate at the start of the source task, falling likewise.
        source_batch_size: examples per step of the source task.
        source_views: makes the source task richer: so many classes of each source class, one for each view of the
            image: 1, 4 (turned by quarters) or 8 (also mirrored).
        cache: what the leading frozen stages make of the images is computed once and kept in "memory", or,
            memory-mapped, in the folder that is named, where other runs find it, and the network of the source task
            too; null computes it in every step. With augmentation, ``data.views`` must be set.
        embedding: so many validation images are drawn by their features before and after training; 0: none.
        memory_format: "contiguous" or "channels_last".

    Raises:
        ValueError: an unknown word or stage, images that the backbone cannot take, or nothing to train.
    """

    monitor = "val/accuracy"
    mode: Literal["min", "max"] = "max"
    input_type = "images"

    def __init__(
        self,
        class_names: list[str],
        channels: int,
        image_size: int,
        crop: float | None = None,
        strategy: Strategy = "full",
        backbone: str = "resnet",
        weights: str | None = "source_task",
        widths: list[int] | None = None,
        strides: list[int] | None = None,
        blocks: int = 1,
        cut_after: str | None = None,
        rebuild: bool = True,
        freeze_kept: bool = True,
        last_k: int = 1,
        unfreeze_every: int = 1,
        decay: float = 0.4,
        pull: float = 0.01,
        reduction: int = 8,
        fixed_statistics: bool = False,
        head: Literal["linear", "cosine"] = "cosine",
        scale: float = 10.0,
        dropout: float = 0.0,
        lr: float = 1e-3,
        backbone_lr: float = 1.0,
        weight_decay: float = 0.1,
        source_epochs: int = 150,
        source_lr: float = 3e-3,
        source_batch_size: int = 64,
        source_views: int = 8,
        cache: str | None = "memory",
        embedding: int = 200,
        memory_format: MemoryFormat = "contiguous",
    ) -> None:
        super().__init__()
        self.save_hyperparameters(logger=False)
        if len(class_names) < 2:
            raise ValueError(f"a classifier needs two classes or more, got {class_names}")
        self.class_names = class_names
        self.channels, self.image_size, self.crop = channels, image_size, crop
        whole = self.new_backbone()
        plan = make_plan(
            strategy, whole.stage_names, backbone_lr, cut_after, rebuild, freeze_kept, last_k, unfreeze_every, decay
        )
        whole.truncate(list(plan))
        classes = len(class_names)
        new_head: nn.Module = (
            CosineHead(whole.num_features, classes, scale)
            if head == "cosine"
            else LinearHead(whole.num_features, classes, dropout)
        )
        self.net = TransferNet(
            whole,
            plan,
            new_head,
            classes,
            only_norms=strategy == "bn_only",
            reduction=reduction if strategy == "adapter" else None,
            fixed_statistics=fixed_statistics,
        )
        anchored = self.net.inherited() if strategy == "l2_sp" else []
        self.anchors = nn.ParameterList(nn.Parameter(p.detach().clone(), requires_grad=False) for p in anchored)
        """For l2_sp: the inherited weights w0."""
        self.prepared: Tensor
        self.register_buffer("prepared", torch.zeros((), dtype=torch.uint8))
        self.before = torch.empty(0)
        """Features (embedding, F) of validation images before training; travels in checkpoints."""
        self.val_accuracy = MulticlassAccuracy(classes, average="micro")
        self.test_accuracy = MulticlassAccuracy(classes, average="micro")
        self.answers = Answers(class_names)
        arrange(self, memory_format)

    @property
    def _given(self) -> Any:
        """The constructor's arguments, by name."""
        return self.hparams

    def new_backbone(self) -> Backbone:
        """The whole backbone with random weights."""
        h = self._given
        shape = (h.widths or [32, 64, 128], h.strides or [1, 2, 2], h.blocks)
        return new_backbone(h.backbone, self.channels, self.image_size, *shape)

    def forward(self, images: Tensor) -> Tensor:
        """uint8 images (B, C, S, S), or what the frozen stages made of them (float), to logits (B, classes)."""
        return self.net(images)

    def on_fit_start(self) -> None:
        """Inherits, computes what is frozen and imprints before the first training; what is resumed has inherited."""
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        if not isinstance(data, TransferImages):
            raise ValueError("transfer/finetune learns from data=transfer/images")
        self.crop = self._given["crop"] = data.crop  # and so into checkpoints
        fresh = not self.prepared
        # One rank works, all start from its weights: on GPUs two trainings of the source task may differ in rounding.
        if fresh and self.trainer.is_global_zero:
            self._inherit(data)
        if fresh:
            self._share()
        log.info("%s", self.net.drawing())
        self._cache(data)
        if fresh and isinstance(self.net.head, CosineHead):
            if self.trainer.is_global_zero:
                self.net.head.imprint(*self._labelled(data))
            self._share()
        self.prepared.fill_(1)
        if fresh and self._given.embedding:
            self.before = self._embedded(data)

    def on_train_start(self) -> None:
        """A run that is resumed in the middle of an epoch does not start that epoch again."""
        self.on_train_epoch_start()

    def on_fit_end(self) -> None:
        """Whoever uses the data next, perhaps another network, sees images."""
        self.trainer.datamodule.forget()  # type: ignore[attr-defined]

    def on_train_epoch_start(self) -> None:
        """Stages whose epoch has come begin to learn."""
        self.net.epoch = self.current_epoch
        self.train()

    def training_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> Tensor:
        """One batch (images (B, C, S, S), labels (B,)) to its cross-entropy and what the strategy adds."""
        images, labels = batch
        loss = F.cross_entropy(self(images), labels)
        loss = loss + AUXILIARY_WEIGHT * sum(F.cross_entropy(logits, labels) for logits in self.net.auxiliary_logits)
        if self.anchors:
            h, head = self._given, self.net.head.parameters()
            loss = loss + l2_sp(self.net.inherited(), self.anchors, h.pull, head, h.weight_decay)
        if logs_now(self):
            self.log("train/loss", loss.detach(), prog_bar=True)
        return loss

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Stages that have not joined yet stay as they are."""
        self.net.drop_frozen_gradients()

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> None:
        """Counts right answers."""
        images, labels = batch
        self.val_accuracy.update(self(images), labels)
        self.log("val/accuracy", self.val_accuracy, on_epoch=True, batch_size=len(labels), prog_bar=True)

    def on_test_epoch_start(self) -> None:
        """Forgets the answers of an earlier test."""
        self.answers = Answers(self.class_names)

    def test_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> None:
        """Counts right answers and who is taken for whom."""
        images, labels = batch
        probabilities = self(images).softmax(1)
        self.test_accuracy.update(probabilities, labels)
        self.log("test/accuracy", self.test_accuracy, on_epoch=True, batch_size=len(labels))
        self.answers.add(images, probabilities, labels)

    def on_test_epoch_end(self) -> None:
        """Draws the answers of the test split, what they look at, and the features before and after."""
        self.answers.show(self)
        data = getattr(self.trainer, "datamodule", None)
        if len(self.before) and isinstance(data, TransferImages):
            labels = torch.tensor([data.split("val")[i][1] for i in range(len(self.before))])
            self.answers.show_embedding(self, self.before, self._embedded(data), labels)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keeps the features before training."""
        checkpoint["before"] = self.before

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes them back."""
        self.before = checkpoint["before"]

    @torch.no_grad()
    def predict(self, inputs: Sequence[Tensor], options: PredictOptions = NO_OPTIONS) -> Predictions:
        """The class of each image.

        Args:
            inputs: uint8 (C, H, W) of any size.
            options: none has a meaning for a classifier.

        Raises:
            ValueError: a threshold is given.
        """
        if options.threshold is not None:
            raise ValueError(f"{type(self).__name__} finds no boxes: leave --threshold out")
        self.eval()
        rows, pictures = [], []
        for image in inputs:
            fitted = fit_image(image, self.image_size, self.channels, self.crop).to(self.device)
            probabilities = self(fitted[None])[0].softmax(0)
            probability, answer = probabilities.max(0)
            label = self.class_names[int(answer)]
            by_class = dict(zip(self.class_names, probabilities.tolist(), strict=True))
            rows.append({"label": label, "probability": round(float(probability), 4), "probabilities": by_class})
            pictures.append(draw_labelled(image, f"{label}, {float(probability):.0%}"))
        return Predictions(rows, pictures)

    def export_network(self) -> Exportable:
        """Logits (N, classes) of uint8 images that ``fit_image`` has brought to the network's size and ``crop``."""
        metadata = {"class_names": json.dumps(self.class_names), "crop": json.dumps(self.crop)}
        return Exportable(self, self.channels, self.image_size, ("logits",), metadata)

    def advise(self, data: TransferImages, overrides: list[str]) -> str:
        """Which of the lecture's four cases this target set is for the inherited network, and what to do about it.

        Args:
            data: prepared; its training images are looked at.
            overrides: those of the command, for the one that is advised.

        Raises:
            ValueError: nothing is inherited, so there is nothing to compare with.
        """
        if self._given.weights in (None, "none"):
            raise ValueError("advise compares with a network that knows something: set model.weights")
        self._inherit(data)
        split, chosen = data.split("train"), subset(len(data.split("train")), data.seed)
        pairs = [split[i] for i in chosen.tolist()]
        images, labels = torch.stack([image for image, _ in pairs]), torch.tensor([label for _, label in pairs])
        with torch.no_grad():
            features = torch.cat([self._evaluating(self.net.features, part) for part in images.split(64)])
        pixels = F.adaptive_avg_pool2d(images.float(), min(32, self.image_size)).flatten(1)
        per_class = len(split) / len(self.class_names)
        return report(advise(features, pixels, labels, per_class), overrides)

    def configure_optimizers(self) -> Any:
        """AdamW on what is trained, each inherited stage at its own rate, and a cosine from there to zero."""
        h = self._given
        optimizer = torch.optim.AdamW(
            [{"params": parameters, "lr": h.lr * rate} for rate, parameters in self.net.rates().items()],
            weight_decay=0.0 if h.strategy == "l2_sp" else h.weight_decay,  # there the loss has it
            fused=True,
        )
        total = self.trainer.estimated_stepping_batches
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: cosine_fall(step / total))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _inherit(self, data: TransferImages) -> None:
        stages = [name for name, stage in self.net.plan.items() if stage.inherited]
        if stages and self._given.weights not in (None, "none"):
            load_pretrained(self.net.backbone, self._source_weights(data), stages)
        for anchor, parameter in zip(self.anchors, self.net.inherited(), strict=False):  # none but for l2_sp
            anchor.data.copy_(parameter.data)

    def _source_weights(self, data: TransferImages) -> dict[str, Tensor]:
        h = self._given
        if h.weights != "source_task":
            return find_weights(h.weights, self.net.backbone)
        classes = len(data.source_names) * h.source_views
        net = self.new_backbone().to(self.device)
        head = CosineHead(net.num_features, classes, h.scale).to(self.device)
        batches = data.source_task(h.source_batch_size, h.source_views)
        folder = None if h.cache in (None, "memory") else Path(h.cache)
        return learnt(net, head, batches, Recipe(h.source_epochs, h.source_lr, h.weight_decay), folder)

    def _share(self) -> None:
        """Gives all ranks the weights of the first."""
        state = {key: value.cpu() for key, value in self.state_dict().items()}
        self.load_state_dict(self.trainer.strategy.broadcast(state))

    def _cache(self, data: TransferImages) -> None:
        """Lets the data hold what the leading frozen stages make of it."""
        data.forget()
        kept, stages = self._given.cache, self.net.frozen_stages
        if kept is None or stages == 0:
            return
        if data.augment is not None and data.views is None:
            log.info("%d frozen stages run in every step: set data.views=K to compute K augmentations once", stages)
            return
        spec = {"data": data.signature, "stages": stages, "precision": self.trainer.precision}

        def network(images: Tensor) -> Tensor:
            with self.trainer.precision_plugin.forward_context():
                return self.net.frozen_part(images.to(self.device))

        def through(batches: Iterator[Tensor], count: int, what: str) -> Tensor:
            file = None if kept == "memory" else Path(kept) / f"{key_of(self.net.backbone, what=what, **spec)}.npy"
            return compute(network, batches, count, file)

        self._evaluating(data.cache, through)
        log.info("%d frozen stages are computed once, for %d views", stages, len(data.cached["train"]))

    @torch.no_grad()
    def _labelled(self, data: TransferImages) -> tuple[Tensor, Tensor]:
        """Features (N, F) and labels (N,) of the training examples."""
        batches = [
            (self._evaluating(self.net.features, images.to(self.device)), labels.to(self.device))
            for images, labels in data.once()
        ]
        features, labels = (torch.cat(part) for part in zip(*batches, strict=True))
        return features, labels

    @torch.no_grad()
    def _embedded(self, data: TransferImages) -> Tensor:
        """Features (N, F) of the first validation images."""
        split = data.split("val")
        count = min(self._given.embedding, len(split))
        parts = torch.arange(count).split(data.eval_batch_size)
        images = (torch.stack([split[i][0] for i in part.tolist()]).to(self.device) for part in parts)
        return torch.cat([self._evaluating(self.net.features, part).float().cpu() for part in images])

    def _evaluating(self, function: Any, *arguments: Any) -> Any:
        """Calls a function with the network in evaluation mode."""
        training = self.training
        self.eval()
        try:
            return function(*arguments)
        finally:
            self.train(training)
