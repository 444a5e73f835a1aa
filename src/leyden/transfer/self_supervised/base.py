"""What all techniques of self-supervised learning share: a backbone that learns without labels, and who looks at it."""

import logging
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
from lightning import LightningModule
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor

from leyden.core.attached import attached_data
from leyden.core.optim import parameter_groups, scheduled, warmup_cosine
from leyden.core.technique import NO_OPTIONS, Exportable, Predictions, PredictOptions
from leyden.data.batches.views import TwoViews, ViewImages
from leyden.data.columns import Images
from leyden.data.splits import fit_image
from leyden.nets.backbone import Backbone
from leyden.nets.weights import find_weights, load_pretrained
from leyden.nets.zoo import backbone as new_backbone
from leyden.transfer.self_supervised.evaluation import log_evaluation
from leyden.transfer.self_supervised.monitor import COLLAPSED, effective_rank, log_monitor, spread
from leyden.transfer.self_supervised.neighbours import Bank, fill_bank, predict_neighbours
from leyden.transfer.self_supervised.options import SelfSupervisedOptions
from leyden.visualization.logging import logs_now

MONITORED = 1000
"""Embeddings of a validation that rank and spread are computed of, at most."""
log = logging.getLogger(__name__)


class SelfSupervisedTask(LightningModule):
    """Base: AdamW on ``loss``, validation with a monitor of collapse, and a test of what the features are worth.

    A child says in ``loss`` what is learnt from views, and, where it has a projection, in ``embeddings`` what must not
    collapse. No label reaches training or validation. The backbone's name in a checkpoint is ``backbone``, so that
    ``model.weights=RECORD`` of other techniques finds it.

    Args:
        channels: of the images.
        image_size: side of the square images in pixels.
        options: the fields of ``options_type``.

    Raises:
        ValueError: an unknown backbone, images that it cannot take, or an option out of its range.
    """

    monitor: str = "val/loss"
    mode: Literal["min", "max"] = "min"
    input_type: str = "images"
    main_image: str = "embedding"
    options_type: ClassVar[type[SelfSupervisedOptions]] = SelfSupervisedOptions
    """The dataclass that keeps ``**options``, and has their defaults."""
    can_collapse: ClassVar[bool] = False
    """Whether one embedding for all images is a failure of the technique: a mean of patches is alike for all anyway."""

    def __init__(self, channels: int, image_size: int, **options: Any) -> None:
        super().__init__()
        self.channels, self.image_size = channels, image_size
        self.options = self.options_type(**options)
        self.backbone = self.new_backbone()
        self.bank = Bank(torch.empty(0, dtype=torch.uint8), [])
        self.history: list[dict[str, float]] = []
        self._embedded: list[Tensor] = []
        if self.options.weights != "none":
            self.inherited: Tensor
            self.register_buffer("inherited", torch.zeros((), dtype=torch.bool))

    def new_backbone(self) -> Backbone:
        """The backbone with random weights."""
        o = self.options
        return new_backbone(o.backbone, self.channels, self.image_size, o.widths, o.strides, o.blocks)

    def before(self) -> Backbone:
        """The backbone as training found it: with the weights that it started from, else with random ones of seed 0."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            body = self.new_backbone()
        if self.options.weights != "none":
            load_pretrained(body, find_weights(self.options.weights, body), body.stage_names)
        return body.to(self.device).eval()

    def forward(self, images: Tensor) -> Tensor:
        """uint8 images (B, C, S, S) to features (B, F), what other tasks use."""
        return self.backbone(images)

    def embeddings(self, images: Tensor) -> Tensor:
        """uint8 images (B, C, S, S) to what the loss compares (B, D): the features, unless a child projects them."""
        return self(images)

    def loss(self, batch: Any) -> Tensor:
        """The () loss of a batch of views.

        Args:
            batch: ``TwoViews``, or ``Images`` with a view of each.
        """
        raise NotImplementedError(f"{type(self).__name__} has no loss")

    def uninformed_loss(self, images: Tensor) -> float | None:
        """The loss of a network that knows nothing of a batch's uint8 images (B, C, S, S); None: there is no such."""
        return None

    def on_fit_start(self) -> None:
        """Gives the backbone its weights, and keeps images for ``predict``, before the first training."""
        if self.options.weights != "none" and not self.inherited:
            load_pretrained(self.backbone, find_weights(self.options.weights, self.backbone), self.backbone.stage_names)
            self.inherited.fill_(True)
        data = attached_data(self.trainer, ViewImages)
        if data is not None and not self.bank.names and self.options.bank:
            self.bank = fill_bank(data, self.options.bank)

    def training_step(self, batch: Any, batch_index: int) -> Tensor:
        """The loss of a batch of views."""
        loss = self.loss(batch)
        if logs_now(self):
            self.log("train/loss", loss.detach(), prog_bar=True)
        return loss

    def validation_step(self, batch: Any, batch_index: int) -> None:
        """Updates ``val/loss`` by a batch of views, the same ones in each validation, and keeps some embeddings."""
        images = first_view(batch)
        self.log("val/loss", self.loss(batch), batch_size=len(images), on_epoch=True, sync_dist=True, prog_bar=True)
        if (uninformed := self.uninformed_loss(images)) is not None:
            self.log("val/loss_uninformed", uninformed, batch_size=len(images), on_epoch=True, sync_dist=True)
        if sum(map(len, self._embedded)) < MONITORED:
            self._embedded.append(self.embeddings(images))

    def on_validation_epoch_end(self) -> None:
        """Logs effective rank and spread of the embeddings, and warns where they have collapsed."""
        embedded, self._embedded = torch.cat(self._embedded)[:MONITORED], []
        if self.trainer.sanity_checking:
            return
        rank, even = effective_rank(embedded), spread(embedded)
        self.log_dict({"val/rank": rank, "val/spread": even}, sync_dist=True)  # batch norms differ by rank
        found = {"loss": float(self.trainer.callback_metrics["val/loss"]), "rank": float(rank), "spread": float(even)}
        if "val/loss_uninformed" in self.trainer.callback_metrics:
            found["uninformed"] = float(self.trainer.callback_metrics["val/loss_uninformed"])
        if self.trainer.state.fn == TrainerFn.FITTING:
            self.history.append({"step": self.global_step, **found})
        if even < COLLAPSED and self.can_collapse:
            log.warning(
                "the embeddings have collapsed: %d images have one direction but for %.3f (1: spread evenly); lower "
                "model.lr, make views differ more, or enlarge data.batch_size", len(embedded), even,
            )  # fmt: skip

    def on_train_end(self) -> None:
        """Draws loss, rank and spread over the training."""
        log_monitor(self, self.history)

    def test_step(self, batch: Any, batch_index: int) -> None:
        """Updates ``test/loss`` by a batch of views."""
        images = first_view(batch)
        self.log("test/loss", self.loss(batch), batch_size=len(images), on_epoch=True, sync_dist=True)

    def on_test_epoch_end(self) -> None:
        """Logs what the features are worth by labels, beside those before training, and draws them."""
        data = attached_data(self.trainer, ViewImages)
        if data is not None:
            log_evaluation(self, self.backbone, self.before(), data, self.options)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW, whose rate warms up and falls along a cosine."""
        o = self.options
        groups = parameter_groups(self.parameters(), o.lr, o.weight_decay)
        optimizer = torch.optim.AdamW(groups, lr=o.lr, fused=True)
        steps = self.trainer.estimated_stepping_batches
        schedule = scheduled(optimizer, lambda t: warmup_cosine(t, o.warmup), steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keeps the validations so far and the images that ``predict`` compares with."""
        checkpoint["history"], checkpoint["bank"] = self.history, list(self.bank)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes them back."""
        self.history, self.bank = list(checkpoint["history"]), Bank(*checkpoint["bank"])

    @torch.no_grad()
    def predict(self, inputs: Sequence[Tensor], options: PredictOptions = NO_OPTIONS) -> Predictions:
        """The nearest of the kept training images by the features, for each image.

        Args:
            inputs: uint8 (C, H, W) of any size.
            options: none has a meaning here.

        Raises:
            ValueError: a threshold is given, or no images were kept.
        """
        options.only(self)
        self.eval()
        images = torch.stack([fit_image(image, self.image_size, self.channels) for image in inputs])
        return predict_neighbours(self, self.bank, images, self.device)

    def export_network(self) -> Exportable:
        """Features (N, F) of uint8 images that ``fit_image`` has brought to the network's size."""
        return Exportable(self.backbone, self.channels, self.image_size, ("features",), {})


def first_view(batch: TwoViews | Images) -> Tensor:
    """The first or only view (B, C, S, S) of each image of a batch."""
    return batch[0]


def two_views(batch: Any, technique: str) -> TwoViews:
    """A batch of two views of each of two images or more.

    Args:
        batch: of the loader.
        technique: that needs it, for messages.

    Raises:
        ValueError: it has one view of each, or is a single image.
    """
    if not isinstance(batch, TwoViews):
        raise ValueError(f"{technique} compares two views of each image: data=transfer/views data.views=2")
    return batch


def one_view(batch: Any, technique: str) -> Tensor:
    """The images (B, C, S, S) of a batch with one view of each.

    Args:
        batch: of the loader.
        technique: that needs it, for messages.

    Raises:
        ValueError: it has two views of each.
    """
    if isinstance(batch, TwoViews):
        raise ValueError(f"{technique} takes one view of each image: set data.views=1")
    return batch.images
