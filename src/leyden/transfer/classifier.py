"""What all classifiers of images share: a backbone with a head, accuracy, evaluation, prediction, export."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import torch
from lightning import LightningModule
from torch import Tensor, nn
from torchmetrics.classification import MulticlassAccuracy

from leyden.core.technique import NO_OPTIONS, Exportable, Predictions, PredictOptions
from leyden.data.columns import LabelledImages
from leyden.data.splits import fit_image
from leyden.nets.backbone import Backbone, pool
from leyden.transfer.evaluation import ClassifierEvaluator
from leyden.visualization.labelled import draw_labelled


class Classifier(nn.Module):
    """A backbone with a head: uint8 images (B, C, S, S) to logits (B, classes).

    Args:
        backbone: images to features (B, F).
        head: features to logits.
    """

    def __init__(self, backbone: Backbone, head: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def run(self, x: Tensor) -> Tensor:
        """Normalised images (B, C, S, S) to features (B, F)."""
        return pool(self.backbone.run(x))

    def features(self, images: Tensor) -> Tensor:
        """uint8 images (B, C, S, S) to features (B, F)."""
        return self.run(self.backbone.normalise(images))

    def forward(self, images: Tensor) -> Tensor:
        """uint8 images (B, C, S, S) to logits (B, classes)."""
        return self.head(self.features(images))


def predicted_classes(inputs: Sequence[Tensor], logits: Iterable[Tensor], class_names: Sequence[str]) -> Predictions:
    """A row for each image, label, probability and those of all classes, and the image with its label.

    Args:
        inputs: uint8 (C, H, W) of any size.
        logits: (classes,) for each.
        class_names: in the order of the logits.
    """
    rows, drawn = [], []
    for image, own in zip(inputs, logits, strict=True):
        probabilities = own.softmax(0)
        probability, predicted = probabilities.max(0)
        label = class_names[int(predicted)]
        by_class = dict(zip(class_names, probabilities.tolist(), strict=True))
        rows.append({"label": label, "probability": round(float(probability), 4), "probabilities": by_class})
        drawn.append(draw_labelled(image, f"{label}, {float(probability):.0%}"))
    return Predictions(rows, drawn)


class ClassifierTask(LightningModule):
    """Base of techniques that classify images; a child adds ``training_step`` and ``configure_optimizers``.

    Args:
        class_names: in the order of the labels; given by the data.
        channels: of the images; given by the data.
        image_size: side of the square images in pixels; given by the data.
        net: uint8 images (B, C, S, S) to logits (B, classes); saliency is drawn of a ``Classifier``.
        crop: how ``predict`` brings images to that size, see ``leyden.data.splits.fit_image``.

    Raises:
        ValueError: fewer than two classes.
    """

    monitor: str = "val/accuracy"
    mode: Literal["min", "max"] = "max"
    input_type: str = "images"
    main_image: str = "confusion"
    net: nn.Module

    def __init__(
        self, class_names: list[str], channels: int, image_size: int, net: nn.Module, crop: float | None = None
    ) -> None:
        super().__init__()
        if len(class_names) < 2:
            raise ValueError(f"a classifier needs two classes or more, got {class_names}")
        self.class_names = class_names
        self.channels, self.image_size, self.crop = channels, image_size, crop
        self.net = net
        self.val_accuracy = MulticlassAccuracy(len(class_names), average="micro")
        self.test_accuracy = MulticlassAccuracy(len(class_names), average="micro")
        self.evaluator = ClassifierEvaluator(class_names)

    def forward(self, images: Tensor) -> Tensor:
        """uint8 images (B, C, S, S) to logits (B, classes)."""
        return self.net(images)

    def validation_step(self, batch: LabelledImages, batch_index: int) -> None:
        """Updates ``val/accuracy`` by a batch (images (B, C, S, S), labels (B,))."""
        images, labels = batch
        self.val_accuracy.update(self(images), labels)
        self.log("val/accuracy", self.val_accuracy, on_epoch=True, batch_size=len(labels), prog_bar=True)

    def on_test_epoch_start(self) -> None:
        """Starts with an empty confusion matrix."""
        self.evaluator = ClassifierEvaluator(self.class_names)

    def test_step(self, batch: LabelledImages, batch_index: int) -> None:
        """Updates ``test/accuracy`` and the confusion matrix by a batch (images (B, C, S, S), labels (B,))."""
        images, labels = batch
        probabilities = self(images).softmax(1)
        self.test_accuracy.update(probabilities, labels)
        self.log("test/accuracy", self.test_accuracy, on_epoch=True, batch_size=len(labels))
        self.evaluator.update(images, probabilities, labels)

    def on_test_epoch_end(self) -> None:
        """Draws the confusion matrix, the mistakes and what predictions rest on."""
        self.evaluator.log_images(self, self.net if isinstance(self.net, Classifier) else None)

    @torch.no_grad()
    def predict(self, inputs: Sequence[Tensor], options: PredictOptions = NO_OPTIONS) -> Predictions:
        """The class of each image.

        Args:
            inputs: uint8 (C, H, W) of any size.
            options: none has a meaning for a classifier.

        Raises:
            ValueError: a threshold is given.
        """
        options.only(self)
        self.eval()
        fitted = (fit_image(image, self.image_size, self.channels, self.crop).to(self.device) for image in inputs)
        return predicted_classes(inputs, (self(image[None])[0] for image in fitted), self.class_names)

    def export_network(self) -> Exportable:
        """Logits (N, classes) of uint8 images that ``fit_image`` has brought to the network's size and ``crop``."""
        metadata = {"class_names": json.dumps(self.class_names), "crop": json.dumps(self.crop)}
        return Exportable(self, self.channels, self.image_size, ("logits",), metadata)


@contextmanager
def evaluation_mode(network: nn.Module) -> Iterator[None]:
    """Keeps a network in evaluation mode within a ``with`` block, and gives it its own mode back."""
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)
