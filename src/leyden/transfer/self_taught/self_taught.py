"""Self-taught learning: what unlabelled images of other classes have in common helps to learn from few labels.

Raina, Battle, Lee, Packer and Ng 2007, "Self-taught Learning: Transfer Learning from Unlabeled Data" (algorithm in
section 3.1): bases b_j are learnt from the unlabelled images,

    min_{b, a}  sum_i  ||x_i - sum_j a_ij b_j||^2 + beta ||a_i||_1,   ||b_j||^2 <= 1         (1)

then each labelled image is represented by its sparse code a for these bases (2), and a classifier learns from these
codes. scikit-learn's dictionary learning is the engine of (1). What is coded is the whole image (``patch: null``), or
each of its patches, whose codes are pooled over regions of the image (``CodedFeatures``).

The same classifier learns from the same labels with other features, and these rows stand in every run: ``pixels``;
``pca``, as many principal components of the unlabelled images as there are features, or as there can be; ``random``,
codes for a dictionary of images or patches drawn at random, for which nothing was learnt.

Departures: the paper's kernel for codes (section 4) is left out; a linear classifier, whose penalty cross-validation
chooses on the labelled examples alone, for codes and rows alike.
"""

from typing import Any

import torch
from sklearn.decomposition import PCA
from torch import Tensor, nn
from torchmetrics.classification import MulticlassAccuracy

from leyden.core.estimator import EstimatorTask, register_estimates
from leyden.core.seeding import mix
from leyden.data.columns import LabelledImages
from leyden.data.splits import InMemory, decode
from leyden.transfer.classifier import ClassifierTask
from leyden.transfer.self_taught import figures
from leyden.transfer.self_taught.data import SelfTaughtImages
from leyden.transfer.self_taught.features import CodedFeatures
from leyden.transfer.self_taught.linear import Classifier, fit_linear
from leyden.visualization.logging import log_image

ROWS = ("pixels", "pca", "random")


class LinearHead(nn.Module):
    """Features (B, F) to logits (B, classes); what is fitted lies in buffers."""

    weight: Tensor
    bias: Tensor

    def __init__(self) -> None:
        super().__init__()
        register_estimates(self, "weight", "bias")

    def forward(self, features: Tensor) -> Tensor:
        """Features to logits."""
        return features @ self.weight.T + self.bias


class CodedClassifier(nn.Module):
    """uint8 images (B, C, S, S) to logits (B, classes) by way of their codes.

    Args:
        features: of images.
    """

    def __init__(self, features: CodedFeatures) -> None:
        super().__init__()
        self.features, self.head = features, LinearHead()

    def forward(self, images: Tensor) -> Tensor:
        """uint8 images to logits."""
        return self.head(self.features(images))


class SelfTaught(EstimatorTask, ClassifierTask):
    """Sparse codes learnt from unlabelled images, and a linear classifier on those of the labelled ones.

    Args:
        class_names: to be learnt; given by the data.
        channels: of the images; given by the data.
        image_size: side of the square images in pixels; given by the data.
        atoms: bases of the dictionary.
        beta: weight of the codes' absolute values, for pixels in [0, 1].
        patch: side in pixels of what is coded; None: whole images.
        regions: along each side of the image, over which the codes of patches are pooled.
        epochs: passes over the unlabelled images, or 20,000 of their patches.
        classifier: "logistic" regression or a linear "svm".
        c: inverse weight of its penalty; None: chosen by cross-validation on the labelled examples.

    Raises:
        ValueError: a number that is not above 0, patches that do not fit, or another classifier.
    """

    main_image: str = "dictionary"
    net: CodedClassifier

    def __init__(
        self,
        class_names: list[str],
        channels: int,
        image_size: int,
        atoms: int = 32,
        beta: float = 0.1,
        patch: int | None = 4,
        regions: int = 3,
        epochs: int = 3,
        classifier: Classifier = "logistic",
        c: float | None = None,
    ) -> None:
        if min(atoms, epochs) < 1 or min(beta, c or 1.0) <= 0:
            raise ValueError(f"model.atoms={atoms}, beta={beta}, epochs={epochs}, c={c}: each should be above 0")
        if classifier not in ("logistic", "svm"):
            raise ValueError(f"model.classifier={classifier!r}: there are logistic, svm")
        learnt, random = (CodedFeatures(channels, image_size, beta, patch, regions) for _ in range(2))
        super().__init__(class_names, channels, image_size, CodedClassifier(learnt))
        self.save_hyperparameters(logger=False)
        self.atoms, self.epochs, self.classifier, self.c = atoms, epochs, classifier, c
        self.random = random
        self.heads = nn.ModuleDict({row: LinearHead() for row in ROWS})
        self.components: Tensor
        register_estimates(self, "components")
        self.accuracies = nn.ModuleDict({row: MulticlassAccuracy(len(class_names), average="micro") for row in ROWS})
        self.shown: LabelledImages | None = None

    def estimate(self, data: Any) -> dict[str, float]:
        """Learns the dictionary from the unlabelled images, then the classifiers from the labelled ones.

        Raises:
            ValueError: data of another kind.
        """
        if not isinstance(data, SelfTaughtImages):
            raise ValueError("SelfTaught learns from data=transfer/self_taught")
        seed, pool = mix(data.seed, 13), data.unlabelled().to(self.device)
        found = self.net.features.fit(pool, self.atoms, self.epochs, seed)
        self.random.fit(pool, self.atoms, self.epochs, seed, learnt=False)
        split = data.split("train")
        images, labels = (split.columns if isinstance(split, InMemory) else decode(split).columns)[:2]
        images = images.to(self.device)
        codes = self.net.features(images)
        count = min(codes.shape[1], len(pool), pool[0].numel())
        pixels = pool.flatten(1).double().cpu().numpy() / 255
        self.components = torch.from_numpy(PCA(count, random_state=0).fit(pixels).components_).float().to(self.device)
        found["train/c"] = self._fit(self.net.head, codes, labels)
        for row in ROWS:
            self._fit(self.heads[row], self.row(row, images), labels)
        return found

    def _fit(self, head: Any, features: Tensor, labels: Tensor) -> float:
        head.weight, head.bias, c = fit_linear(features, labels, len(self.class_names), self.classifier, self.c)
        return c

    def row(self, name: str, images: Tensor) -> Tensor:
        """Features (B, F) of uint8 images by "pixels", "pca" or "random"."""
        if name == "random":
            return self.random(images)
        pixels = images.flatten(1).float() / 255 - self.net.features.mean
        return pixels if name == "pixels" else pixels @ self.components.T

    def validation_step(self, batch: LabelledImages, batch_index: int) -> None:
        """Updates ``val/accuracy``; before the fit, in a sanity check, nothing."""
        if self.fitted:
            super().validation_step(batch, batch_index)

    def test_step(self, batch: LabelledImages, batch_index: int) -> None:
        """Updates ``test/accuracy``, and the rows: ``test/pixels_accuracy``, ``test/pca_accuracy`` and so on."""
        self.check_fitted()
        super().test_step(batch, batch_index)
        for row in ROWS:
            metric: Any = self.accuracies[row]
            metric.update(self.heads[row](self.row(row, batch.images)), batch.labels)
            self.log(f"test/{row}_accuracy", metric, on_epoch=True, batch_size=len(batch.labels))
        if batch_index == 0:
            self.shown = batch

    def on_test_epoch_end(self) -> None:
        """Draws the dictionary, how images are made of atoms, how sparse codes are, and what of a classifier is."""
        super().on_test_epoch_end()
        if self.shown is not None and self.trainer.is_global_zero:
            for tag, image in figures.drawn(self.net.features, self.shown.images).items():
                log_image(self, tag, image)
