"""Prototypical networks (Snell, Swersky, Zemel 2017): a class is the mean of its few examples' embeddings.

Each step is an episode: N classes with K support examples and Q queries each. A query is of the class whose prototype
is nearest; training moves the embedding, so that this is right for classes that change with each episode, and so also
for classes that training never sees.

Departures from the paper: the rate falls along half a cosine, not by halves each 2000 episodes, as labs are short; the
width is an option (the paper has 64 channels).
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

import torch
from lightning import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics import MeanMetric

from leyden.core.attached import attached_data
from leyden.core.optim import SCHEDULES, Schedule, scheduled
from leyden.core.technique import NO_OPTIONS, Exportable, Predictions, PredictOptions
from leyden.data.batches.episodes import Episode, EpisodeImages
from leyden.data.columns import LabelledImages
from leyden.data.splits import fit_image
from leyden.transfer.classifier import predicted_classes
from leyden.visualization.labelled import draw_sheet
from leyden.visualization.logging import log_image, logs_now

CONFIDENCE = 1.96
"""Standard errors to either side that hold 95 % of a normal distribution."""


def prototypes(features: Tensor, labels: Tensor) -> Tensor:
    """The mean feature of each class (Snell et al. 2017, eq. 1).

    Args:
        features: (S, D) of support examples.
        labels: (S,) int64, 0 .. N - 1; each class has an example at least.

    Returns:
        (N, D).
    """
    members = F.one_hot(labels).to(features.dtype)  # (S, N)
    return members.T @ features / members.sum(0)[:, None]


def prototype_logits(queries: Tensor, centres: Tensor) -> Tensor:
    """Logits (Q, N) of queries (Q, D): minus the squared Euclidean distances to prototypes (N, D) (eq. 2).

    Squared, because then they are linear in the query but for a term that all classes share (sec. 2.4); plain
    distances choose the same class, but make another, flatter loss.
    """
    return -(queries[:, None] - centres[None]).square().sum(2)


class Conv4(nn.Sequential):
    """Four blocks of convolution, batch norm, ReLU and pooling (Vinyals et al. 2016): uint8 images to embeddings.

    Args:
        channels: of the images.
        image_size: side in pixels, 16 at least.
        width: channels of each block.

    Raises:
        ValueError: the images are smaller.
    """

    def __init__(self, channels: int, image_size: int, width: int) -> None:
        if image_size < 16:
            raise ValueError(
                f"four poolings need images of 16 pixels or more, got {image_size}: set data.image_size=16"
            )
        widths = [channels, *[width] * 4]
        super().__init__(*(self._block(*pair) for pair in pairwise(widths)), nn.Flatten())
        self.features = width * (image_size // 16) ** 2

    @staticmethod
    def _block(channels_in: int, channels: int) -> nn.Sequential:
        conv = nn.Conv2d(channels_in, channels, 3, padding=1, bias=False)
        return nn.Sequential(conv, nn.BatchNorm2d(channels), nn.ReLU(), nn.MaxPool2d(2))

    def forward(self, images: Tensor) -> Tensor:
        """uint8 images (B, C, S, S) to embeddings (B, D)."""
        return super().forward(images.float() / 127.5 - 1)


class ProtoNet(LightningModule):
    """A prototypical network on Conv4.

    ``predict`` classifies new images by the prototypes of a support set: K images of each of the test's classes, which
    the data draw and checkpoints carry, or whatever ``set_support`` is given.

    Logged are the accuracy over all validation or test episodes, and in the test its 95 % confidence interval and the
    accuracy of the same rule on plain pixels, which is what learning has to beat.

    Args:
        channels: of the images; given by the data.
        image_size: side of the square images in pixels, 16 or more; given by the data.
        width: channels of each of the four blocks.
        lr: Adam's rate at the start.
        schedule: how it falls: "constant", "linear", "cosine" or "step".
    """

    monitor: str = "val/accuracy"
    mode: Literal["min", "max"] = "max"
    input_type: str = "images"
    main_image: str = "episode"

    def __init__(
        self, channels: int, image_size: int, width: int = 64, lr: float = 1e-3, schedule: Schedule = "cosine"
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.channels, self.image_size = channels, image_size
        self.lr, self.schedule = lr, schedule
        self.embedding = Conv4(channels, image_size, width)
        self.support = LabelledImages(torch.empty(0), torch.empty(0))
        self.class_names: list[str] = []
        """Of the support set's labels; empty where there is none yet."""
        self.val_accuracy = MeanMetric()
        self.test_accuracy, self.test_square, self.test_pixels = MeanMetric(), MeanMetric(), MeanMetric()

    def forward(self, images: Tensor) -> Tensor:
        """uint8 images (B, C, S, S) to embeddings (B, D)."""
        return self.embedding(images)

    def logits(self, episode: Episode) -> Tensor:
        """(N Q, N) logits of an episode's queries; support and queries go through the network as one batch."""
        features = self(torch.cat([episode.support_images, episode.query_images]))
        support, queries = features.split([len(episode.support_images), len(episode.query_images)])
        return prototype_logits(queries, prototypes(support, episode.support_labels))

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
        logits = self.logits(batch)
        found = accuracy(logits, batch.query_labels)
        self.test_accuracy.update(found)
        self.test_square.update(found.square())
        pixels = [images.flatten(1).float() / 255 for images in (batch.query_images, batch.support_images)]
        floor = prototype_logits(pixels[0], prototypes(pixels[1], batch.support_labels))
        self.test_pixels.update(accuracy(floor, batch.query_labels))
        if batch_index == 0:
            log_image(self, "episode", draw_episode(batch, logits.argmax(1)))

    def on_test_epoch_end(self) -> None:
        """Logs the means over all episodes and the half width of the 95 % confidence interval."""
        mean, square = self.test_accuracy.compute(), self.test_square.compute()
        count = self.test_accuracy.weight
        interval = CONFIDENCE * ((square - mean**2).clamp(min=0) / count).sqrt()
        scores = {"accuracy": mean, "accuracy_ci95": interval, "accuracy_pixels": self.test_pixels.compute()}
        self.log_dict({f"test/{name}": value for name, value in scores.items()})
        for metric in (self.test_accuracy, self.test_square, self.test_pixels):
            metric.reset()

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Adam, whose rate falls by ``schedule``."""
        optimizer = torch.optim.Adam(self.parameters(), self.lr)
        steps = self.trainer.estimated_stepping_batches
        schedule = scheduled(optimizer, SCHEDULES[self.schedule], steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    @torch.no_grad()
    def predict(self, inputs: Sequence[Tensor], options: PredictOptions = NO_OPTIONS) -> Predictions:
        """The class of the support set that each image is nearest to.

        Args:
            inputs: uint8 (C, H, W) of any size.
            options: none has a meaning here.

        Raises:
            ValueError: a threshold is given, or there is no support set.
        """
        if options.threshold is not None:
            raise ValueError(f"{type(self).__name__} finds no boxes: leave --threshold out")
        if not self.class_names:
            raise ValueError(
                "there are no classes to choose among: train on data=transfer/episodes, or set_support(...)"
            )
        self.eval()
        centres = prototypes(self(self.support.images.to(self.device)), self.support.labels.to(self.device))
        fitted = (fit_image(image, self.image_size, self.channels).to(self.device) for image in inputs)
        logits = (prototype_logits(self(image[None]), centres)[0] for image in fitted)
        return predicted_classes(inputs, logits, self.class_names)

    def export_network(self) -> Exportable:
        """Embeddings (N, D) of uint8 images that ``fit_image`` has brought to the network's size."""
        return Exportable(self.embedding, self.channels, self.image_size, ("embedding",), {})


def accuracy(logits: Tensor, labels: Tensor) -> Tensor:
    """() float32: the fraction of rows whose greatest logit is that of the label."""
    return (logits.argmax(1) == labels).float().mean()


def draw_episode(episode: Episode, predicted: Tensor, limit: int = 30) -> Tensor:
    """An image of an episode, uint8 (3, H, W): its support, then its queries with what they were taken for.

    Args:
        episode: on any device.
        predicted: (N Q,) int64 class of each query.
        limit: queries that are drawn at most.
    """
    support = [f"class {label}" for label in episode.support_labels.tolist()]
    told = zip(predicted.tolist(), episode.query_labels.tolist(), strict=True)
    queries = [f"? {found}" if found == label else f"? {found}, is {label}" for found, label in told][:limit]
    images = [*episode.support_images.cpu(), *episode.query_images[:limit].cpu()]
    return draw_sheet(images, [*support, *queries], "there is no example", columns=10)
