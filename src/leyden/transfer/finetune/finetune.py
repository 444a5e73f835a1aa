"""Fine-tuning: a network that has learnt one task becomes the starting point for another.

Which layers take over weights and which are trained is the strategy's business (``leyden.nets.strategies``, the
lecture's decision table and beyond); which network it is, that of the backbone (``leyden.nets``). Yosinski et al. 2014,
"How transferable are features in deep neural networks?", ask the question that this technique answers.

The classifier is new. ``linear`` is the usual one; ``cosine`` is that of Qi et al. 2018, "Low-Shot Learning with
Imprinted Weights", and Chen et al. 2019, "A Closer Look at Few-shot Classification": the cosine between feature and
class weight, times a scale s,

    p(c | x) = softmax_c( s * cos(w_c, f(x)) ),   w_c initialised to the mean direction of f over class c's examples,

which starts where it should with one example per class.

Departures: s is fixed, not learnt; ``l2_sp`` pulls all parameters of the inherited stages, scale and shift of batch
norms too, and the head's bias decays (Li et al. 2018 speak of the layers' weights); ``xception`` pads evenly and has
PyTorch's epsilon in its batch norms, where the author's TensorFlow code pads to the right and below and has 1e-3.

Frozen means frozen: no gradient, no weight decay, batch norm and dropout in evaluation mode with untouched statistics.
Stages that are frozen for ever take no gradients from the start. Stages that join later are in the optimizer from the
start, and until then their gradients are dropped: so ranks stay equal and a resumed run goes on as it was.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leyden.core.attached import attached_data
from leyden.core.optim import cosine, scheduled
from leyden.data.columns import LabelledImages
from leyden.nets.backbone import Backbone
from leyden.nets.memory_format import MemoryFormat, arrange
from leyden.nets.published.googlenet import AUXILIARY_WEIGHT
from leyden.nets.strategies.plan import l2_sp_penalty
from leyden.nets.strategies.strategies import DEFAULTS, L2SP, Adapters, Options, StrategyName, new_strategy
from leyden.nets.weights import find_weights, load_pretrained
from leyden.nets.zoo import backbone as new_backbone
from leyden.transfer.advise import advice_for, format_advice
from leyden.transfer.classifier import ClassifierTask
from leyden.transfer.data import TransferImages
from leyden.transfer.finetune.features import cache_frozen, first_features, labelled_features
from leyden.transfer.finetune.heads import CosineHead, LinearHead
from leyden.transfer.finetune.network import TransferNet
from leyden.transfer.finetune.pretraining import Recipe, pretrained_state
from leyden.visualization.logging import logs_now

log = logging.getLogger(__name__)


class Finetune(ClassifierTask):
    """A backbone that inherits weights and learns the target classes.

    Args:
        class_names: of the target task; given by the data.
        channels: of the images; given by the data.
        image_size: side of the square images in pixels; given by the data.
        crop: how ``predict`` brings images to that size (``fit_image``); taken from the data when training starts.
        strategy: which layers inherit and which learn, see ``leyden.nets.strategies.strategies``.
        truncate: options of that strategy: at, rebuild, freeze.
        last_k: options of that strategy: k.
        gradual: options of that strategy: unfreeze_every.
        discriminative: options of that strategy: decay.
        l2_sp: options of that strategy: alpha.
        adapter: options of that strategy: reduction.
        backbone: the network, see ``leyden.nets.zoo.backbone``.
        weights: where the inherited network comes from: "source_task" trains it first, in the same run, on the data's
            source classes; "imagenet", a name of torchvision's, a file or the folder of an earlier run as in
            ``find_weights``; "none" inherits random weights (a control experiment). "scratch" never inherits.
        widths: of the backbone "resnet": channels of each stage.
        strides: of "resnet": of each stage.
        blocks: of "resnet": residual blocks per stage.
        fixed_statistics: batch norms of inherited stages keep their statistics although the stages are trained; right
            for small batches.
        head: "linear" or "cosine".
        scale: s of cosine classifiers, here and of the source task.
        dropout: before a linear head: fraction of the features that a step blanks.
        lr: AdamW's learning rate at the start, for what is new; it falls to zero along a cosine.
        backbone_lr_factor: factor on ``lr`` for inherited stages that are trained.
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
        ValueError: an unknown strategy, option, backbone or stage, images that the backbone cannot take, or nothing to
            train.
    """

    net: TransferNet

    def __init__(
        self,
        class_names: list[str],
        channels: int,
        image_size: int,
        crop: float | None = None,
        strategy: StrategyName = "full",
        truncate: Options = DEFAULTS["truncate"],
        last_k: Options = DEFAULTS["last_k"],
        gradual: Options = DEFAULTS["gradual"],
        discriminative: Options = DEFAULTS["discriminative"],
        l2_sp: Options = DEFAULTS["l2_sp"],
        adapter: Options = DEFAULTS["adapter"],
        backbone: str = "resnet",
        weights: str | None = "source_task",
        widths: Sequence[int] = (32, 64, 128),
        strides: Sequence[int] = (1, 2, 2),
        blocks: int = 1,
        fixed_statistics: bool = False,
        head: Literal["linear", "cosine"] = "cosine",
        scale: float = 10.0,
        dropout: float = 0.0,
        lr: float = 1e-3,
        backbone_lr_factor: float = 1.0,
        weight_decay: float = 0.1,
        source_epochs: int = 150,
        source_lr: float = 3e-3,
        source_batch_size: int = 64,
        source_views: int = 8,
        cache: str | None = "memory",
        embedding: int = 200,
        memory_format: MemoryFormat = "contiguous",
    ) -> None:
        options = {
            "truncate": truncate, "last_k": last_k, "gradual": gradual, "discriminative": discriminative,
            "l2_sp": l2_sp, "adapter": adapter,
        }  # fmt: skip
        chosen = new_strategy(strategy, options)
        whole = new_backbone(backbone, channels, image_size, widths, strides, blocks)
        plan = chosen.plan(whole.stage_names, backbone_lr_factor)
        whole.truncate(list(plan))
        classes = len(class_names)
        new_head = (
            CosineHead(whole.num_features, classes, scale)
            if head == "cosine"
            else LinearHead(whole.num_features, classes, dropout)
        )
        net = TransferNet(
            whole,
            plan,
            new_head,
            classes,
            only_norms=chosen.only_norms,
            adapter_reduction=chosen.reduction if isinstance(chosen, Adapters) else None,
            fixed_statistics=fixed_statistics,
        )
        super().__init__(class_names, channels, image_size, net, crop)
        self.save_hyperparameters(logger=False)
        self.strategy = chosen
        anchored = net.inherited() if isinstance(chosen, L2SP) else []
        self.anchors = nn.ParameterList(nn.Parameter(p.detach().clone(), requires_grad=False) for p in anchored)
        """For l2_sp: the inherited weights w0."""
        self.prepared: Tensor
        self.register_buffer("prepared", torch.zeros((), dtype=torch.uint8))
        self.before = torch.empty(0)
        """Features (embedding, F) of validation images before training; travels in checkpoints."""
        arrange(self, memory_format)

    @property
    def _arguments(self) -> Any:
        """The constructor's arguments, by name."""
        return self.hparams

    def new_backbone(self) -> Backbone:
        """The whole backbone with random weights."""
        h = self._arguments
        return new_backbone(h.backbone, self.channels, self.image_size, h.widths, h.strides, h.blocks)

    def on_fit_start(self) -> None:
        """Inherits, computes what is frozen and imprints before the first training; what is resumed has inherited."""
        data = attached_data(self.trainer, TransferImages)
        if data is None:
            raise ValueError("transfer/finetune learns from data=transfer/images")
        self.crop = self._arguments["crop"] = data.crop  # and so into checkpoints
        fresh, first = not self.prepared, self.trainer.is_global_zero
        # One rank works, all start from its weights: on GPUs two trainings of the source task may differ in rounding.
        if fresh and first:
            self._inherit(data)
        if fresh:
            self._broadcast()
        log.info("%s", self.net.drawing())
        cache_frozen(self.net, data, self._arguments.cache, self.trainer)
        if fresh and isinstance(self.net.head, CosineHead):
            if first:
                self.net.head.imprint(*labelled_features(self.net, data, self.device))
            self._broadcast()
        self.prepared.fill_(1)
        if fresh and self._arguments.embedding:
            self.before = first_features(self.net, data, self._arguments.embedding, self.device)

    def on_train_start(self) -> None:
        """Stages are as the epoch wants them also where a run is resumed in the middle of it."""
        self.on_train_epoch_start()

    def on_fit_end(self) -> None:
        """Whoever uses the data next, perhaps another network, sees images."""
        if (data := attached_data(self.trainer, TransferImages)) is not None:
            data.forget()

    def on_train_epoch_start(self) -> None:
        """Stages whose epoch has come begin to learn."""
        self.net.epoch = self.current_epoch
        self.train()

    def training_step(self, batch: LabelledImages, batch_index: int) -> Tensor:
        """One batch (images (B, C, S, S), labels (B,)) to its cross-entropy and what the strategy adds."""
        images, labels = batch
        loss = F.cross_entropy(self(images), labels)
        loss = loss + AUXILIARY_WEIGHT * sum(F.cross_entropy(logits, labels) for logits in self.net.auxiliary_logits)
        if isinstance(self.strategy, L2SP):
            new, decay = self.net.head.parameters(), self._arguments.weight_decay
            loss = loss + l2_sp_penalty(self.net.inherited(), self.anchors, self.strategy.alpha, new, decay)
        if logs_now(self):
            self.log("train/loss", loss.detach(), prog_bar=True)
        return loss

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Stages that have not joined yet stay as they are."""
        self.net.drop_frozen_gradients()

    def on_test_epoch_end(self) -> None:
        """Draws the predictions of the test split, what they look at, and the features before and after."""
        super().on_test_epoch_end()
        data = attached_data(self.trainer, TransferImages)
        if len(self.before) and data is not None:
            labels = torch.tensor([data.split("val")[i].labels for i in range(len(self.before))])
            after = first_features(self.net, data, len(self.before), self.device)
            self.evaluator.log_features(self, self.before, after, labels)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keeps the features before training."""
        checkpoint["before"] = self.before

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restores the features before training."""
        self.before = checkpoint["before"]

    def advise(self, data: TransferImages, overrides: list[str]) -> str:
        """Which of the lecture's four cases this target set is for the inherited network, and what to do about it.

        Args:
            data: prepared; its training images are looked at.
            overrides: those of the command, for the one that is advised.

        Raises:
            ValueError: nothing is inherited, so there is nothing to compare with.
        """
        if self._arguments.weights in (None, "none"):
            raise ValueError("advise compares with a network that knows something: set model.weights")
        self._inherit(data)
        return format_advice(advice_for(self.net, data), overrides)

    def configure_optimizers(self) -> Any:
        """AdamW on what is trained, each inherited stage at its own rate, and a cosine from there to zero."""
        h = self._arguments
        optimizer = torch.optim.AdamW(
            [{"params": parameters, "lr": h.lr * rate} for rate, parameters in self.net.rates().items()],
            weight_decay=0.0 if isinstance(self.strategy, L2SP) else h.weight_decay,  # there the loss has it
            fused=True,
        )
        schedule = scheduled(optimizer, cosine, self.trainer.estimated_stepping_batches)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _inherit(self, data: TransferImages) -> None:
        """Loads the weights of the inherited stages, trained on the source task or found elsewhere."""
        stages = [name for name, stage in self.net.plan.items() if stage.inherited]
        if stages and self._arguments.weights not in (None, "none"):
            load_pretrained(self.net.backbone, self._source_weights(data), stages)
        for anchor, parameter in zip(self.anchors, self.net.inherited(), strict=False):  # none but for l2_sp
            anchor.data.copy_(parameter.data)

    def _source_weights(self, data: TransferImages) -> dict[str, Tensor]:
        h = self._arguments
        if h.weights != "source_task":
            return find_weights(h.weights, self.net.backbone)
        net = self.new_backbone().to(self.device)
        head = CosineHead(net.num_features, len(data.source_names) * h.source_views, h.scale).to(self.device)
        batches = data.source_task(h.source_batch_size, h.source_views)
        folder = None if h.cache in (None, "memory") else Path(h.cache)
        return pretrained_state(net, head, batches, Recipe(h.source_epochs, h.source_lr, h.weight_decay), folder)

    def _broadcast(self) -> None:
        """Gives all ranks the weights of the first."""
        state = {key: value.cpu() for key, value in self.state_dict().items()}
        self.load_state_dict(self.trainer.strategy.broadcast(state))
