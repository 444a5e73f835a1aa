"""What all techniques of few-shot learning share: episodes, their accuracy, the support set of ``predict``."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from lightning import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.nn import functional as F
from torchmetrics import MeanMetric

from leyden.core.attached import attached_data
from leyden.core.optim import SCHEDULES, Schedule, scheduled
from leyden.core.technique import NO_OPTIONS, Exportable, Predictions, PredictOptions
from leyden.data.batches.episodes import Episode
from leyden.data.columns import LabelledImages
from leyden.data.splits import fit_image
from leyden.transfer.classifier import predicted_classes
from leyden.transfer.few_shot.conv4 import Conv4
from leyden.transfer.few_shot.episode_images import EpisodeImages
from leyden.transfer.few_shot.figures import Embedded, draw_embedded, draw_episode
from leyden.transfer.few_shot.prototypes import prototype_logits, prototypes
from leyden.transfer.few_shot.scores import EpisodeScores, accuracy
from leyden.visualization.logging import log_image, logs_now


class FewShotTask(LightningModule):
    """Base: a network on images, trained by one episode a step; a child adds ``logits`` and ``classifier``.

    ``predict`` classifies new images by a support set: K images of each of the test's classes, which the data draw and
    checkpoints carry, or whatever ``set_support`` is given.

    Logged are the accuracy over all validation or test episodes, and in the test its 95 % confidence interval and the
    accuracy of nearest class means on plain pixels, which is what learning has to beat; where the data have further
    examples (``data.test_shots``), all three once more with these, as ``test/accuracy_5shot``.

    Args:
        channels: of the images.
        image_size: side of the square images in pixels, 16 or more.
        width: channels of each of Conv4's four blocks.
        lr: Adam's rate at the start.
        schedule: how it falls: "constant", "linear", "cosine" or "step".
    """

    monitor: str = "val/accuracy"
    mode: Literal["min", "max"] = "max"
    input_type: str = "images"
    main_image: str = "episode"

    def __init__(self, channels: int, image_size: int, width: int, lr: float, schedule: Schedule) -> None:
        super().__init__()
        self.channels, self.image_size = channels, image_size
        self.lr, self.schedule = lr, schedule
        self.embedding = Conv4(channels, image_size, width)
        self.support = LabelledImages(torch.empty(0), torch.empty(0))
        self.class_names: list[str] = []
        """Of the support set's labels; empty where there is none yet."""
        self.second = ""
        """How the test's second accuracy, with further examples, is called."""
        self.val_accuracy = MeanMetric()
        self.scores, self.more_scores = EpisodeScores(), EpisodeScores()

    def logits(self, episode: Episode) -> Tensor:
        """(N Q, N) logits of an episode's queries."""
        raise NotImplementedError(f"{type(self).__name__} does not classify queries")

    def classifier(self, support: LabelledImages) -> Callable[[Tensor], Tensor]:
        """What classifies images by a support set, in evaluation mode.

        Args:
            support: S examples of N classes, each of them once at least.

        Returns:
            from uint8 images (B, C, S, S) to logits (B, N).
        """
        raise NotImplementedError(f"{type(self).__name__} does not classify images")

    def embedded(self, episode: Episode) -> Embedded | None:
        """Where an episode's images lie in the space in which they are compared; None: there is no such space."""
        return None

    def forward(self, images: Tensor) -> Tensor:
        """uint8 images (B, C, S, S) to embeddings (B, D)."""
        return self.embedding(images)

    def set_support(self, images: Sequence[Tensor], labels: Tensor, class_names: list[str]) -> None:
        """The examples whose classes ``predict`` knows from now on.

        Args:
            images: S of uint8 (C, H, W), of any sizes.
            labels: (S,) int64, places in ``class_names``; each class has an example at least.
            class_names: of N classes.

        Raises:
            ValueError: a class without an example, or a label without a class.
        """
        if sorted(set(labels.tolist())) != list(range(len(class_names))) or len(images) != len(labels):
            raise ValueError(
                f"{len(images)} examples with the labels {labels.tolist()} are not of each of {class_names}"
            )
        fitted = [fit_image(image.cpu(), self.image_size, self.channels) for image in images]
        self.support, self.class_names = LabelledImages(torch.stack(fitted), labels.cpu()), class_names

    def on_fit_start(self) -> None:
        """Takes the support set of the data, if they are episodes."""
        data = attached_data(self.trainer, EpisodeImages)
        if data is not None:
            (images, labels), names = data.support()
            self.set_support(list(images), labels, names)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keeps the support set."""
        checkpoint["support"] = [*self.support, self.class_names]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restores the support set."""
        images, labels, self.class_names = checkpoint["support"]
        self.support = LabelledImages(images, labels)

    def training_step(self, batch: Episode, batch_index: int) -> Tensor:
        """The cross-entropy of an episode's queries."""
        loss = F.cross_entropy(self.logits(batch), batch.query_labels)
        if logs_now(self):
            self.log("train/loss", loss.detach(), prog_bar=True, batch_size=1)
        return loss

    def validation_step(self, batch: Episode, batch_index: int) -> None:
        """Updates ``val/accuracy`` by an episode."""
        self.val_accuracy.update(accuracy(self.logits(batch), batch.query_labels))
        self.log("val/accuracy", self.val_accuracy, on_epoch=True, prog_bar=True, batch_size=1)

    def test_step(self, batch: Episode, batch_index: int) -> None:
        """Updates the test's means by an episode, and draws the first one."""
        logits = self._score(batch, self.scores)
        if batch_index == 0:
            log_image(self, "episode", draw_episode(batch, logits.argmax(1)))
        if len(batch.extra_images):
            batch = batch.with_extra()
            self.second = f"accuracy_{len(batch.support_labels) // int(batch.support_labels[-1] + 1)}shot"
            logits = self._score(batch, self.more_scores)
        if batch_index == 0 and (places := self.embedded(batch)) is not None:
            log_image(self, "embedding", draw_embedded(batch, places, logits.argmax(1)))

    def _score(self, episode: Episode, scores: EpisodeScores) -> Tensor:
        logits = self.logits(episode)
        queries, support = (x.flatten(1).float() / 255 for x in (episode.query_images, episode.support_images))
        floor = prototype_logits(queries, prototypes(support, episode.support_labels))
        scores.update(accuracy(logits, episode.query_labels), accuracy(floor, episode.query_labels))
        return logits

    def on_test_epoch_end(self) -> None:
        """Logs the means over all episodes and the half widths of the 95 % confidence intervals."""
        self.log_dict({f"test/{name}": value for name, value in self.scores.compute().items()})
        if not self.more_scores.empty:
            more = self.more_scores.compute()
            self.log_dict({f"test/{name}".replace("accuracy", self.second): value for name, value in more.items()})

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Adam, whose rate falls by ``schedule``."""
        optimizer = torch.optim.Adam(self.parameters(), self.lr, fused=True)
        steps = self.trainer.estimated_stepping_batches
        schedule = scheduled(optimizer, SCHEDULES[self.schedule], steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    @torch.no_grad()
    def predict(self, inputs: Sequence[Tensor], options: PredictOptions = NO_OPTIONS) -> Predictions:
        """The class of the support set that each image is of.

        Args:
            inputs: uint8 (C, H, W) of any size.
            options: none has a meaning here.

        Raises:
            ValueError: a threshold is given, or there is no support set.
        """
        options.only(self)
        classify = self.classifier(self.kept_support())
        fitted = (fit_image(image, self.image_size, self.channels).to(self.device) for image in inputs)
        return predicted_classes(inputs, (classify(image[None])[0] for image in fitted), self.class_names)

    def kept_support(self) -> LabelledImages:
        """The support set, where the network is.

        Raises:
            ValueError: there is none.
        """
        if not self.class_names:
            raise ValueError(
                "there are no classes to choose among: train on data=transfer/episodes, or give examples, a folder of "
                "images per class (leyden predict --support FOLDER, or set_support(...))"
            )
        return LabelledImages(*(column.to(self.device) for column in self.support))

    def export_network(self) -> Exportable:
        """Embeddings (N, D) of uint8 images that ``fit_image`` has brought to the network's size."""
        return Exportable(self.embedding, self.channels, self.image_size, ("embedding",), {})
