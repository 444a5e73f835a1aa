"""Self-taught learning: what unlabelled images of other classes have in common helps to learn from few labels.

Raina, Battle, Lee, Packer and Ng 2007, "Self-taught Learning: Transfer Learning from Unlabeled Data" (algorithm in
section 3.1): bases b_j are learnt from the unlabelled images,

    min_{b, a}  sum_i  ||x_i - sum_j a_ij b_j||^2 + beta ||a_i||_1,   ||b_j||^2 <= 1         (1)

then each labelled image is represented by its sparse code a for these bases (2), and a classifier learns from these
codes. Images are centred by the mean of the unlabelled ones. scikit-learn's dictionary learning is the engine of (1).

The same classifier learns from the same labels with other features, and these rows stand in every run: ``pixels``;
``pca``, as many principal components of the unlabelled images as there are atoms, or as there can be; ``images``, codes
for a dictionary of so many unlabelled images drawn at random, for which nothing was learnt.

Departures: whole images are coded, not patches, so they should be small or alike; the paper reduces large ones by PCA
first. Its kernel for codes (section 4) is left out: a linear classifier, whose penalty cross-validation chooses on the
labelled examples alone, for codes and rows alike.
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
from leyden.transfer.self_taught.coding import learn_dictionary, objective, sparse_codes
from leyden.transfer.self_taught.data import SelfTaughtImages
from leyden.transfer.self_taught.linear import Classifier, fit_linear
from leyden.visualization.logging import log_image

ROWS = ("pixels", "pca", "images")


class CodedClassifier(nn.Module):
    """uint8 images (B, C, S, S) to logits (B, classes) by way of their sparse codes; what is fitted lies in buffers.

    Args:
        beta: weight of the codes' absolute values.
    """

    mean: Tensor
    dictionary: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, beta: float) -> None:
        super().__init__()
        self.beta = beta
        register_estimates(self, "mean", "dictionary", "weight", "bias")

    def centred(self, images: Tensor) -> Tensor:
        """uint8 images to pixels (B, D) in [0, 1], less the mean of the unlabelled ones."""
        return images.flatten(1).float() / 255 - self.mean

    def codes(self, images: Tensor) -> Tensor:
        """uint8 images to sparse codes (B, atoms)."""
        return sparse_codes(self.centred(images), self.dictionary, self.beta)

    def forward(self, images: Tensor) -> Tensor:
        """uint8 images to logits."""
        return self.codes(images) @ self.weight.T + self.bias


class SelfTaught(EstimatorTask, ClassifierTask):
    """Sparse codes learnt from unlabelled images, and a linear classifier on those of the labelled ones.

    Args:
        class_names: to be learnt; given by the data.
        channels: of the images; given by the data.
        image_size: side of the square images in pixels; given by the data.
        atoms: bases of the dictionary.
        beta: weight of the codes' absolute values, for pixels in [0, 1].
        epochs: passes over the unlabelled images.
        classifier: "logistic" regression or a linear "svm".
        c: inverse weight of its penalty; None: chosen by cross-validation on the labelled examples.

    Raises:
        ValueError: a number that is not above 0, or another classifier.
    """

    main_image: str = "dictionary"
    net: CodedClassifier

    def __init__(
        self,
        class_names: list[str],
        channels: int,
        image_size: int,
        atoms: int = 64,
        beta: float = 0.06,
        epochs: int = 20,
        classifier: Classifier = "logistic",
        c: float | None = None,
    ) -> None:
        if min(atoms, epochs) < 1 or min(beta, c or 1.0) <= 0:
            raise ValueError(f"model.atoms={atoms}, beta={beta}, epochs={epochs}, c={c}: each should be above 0")
        if classifier not in ("logistic", "svm"):
            raise ValueError(f"model.classifier={classifier!r}: there are logistic, svm")
        super().__init__(class_names, channels, image_size, CodedClassifier(beta))
        self.save_hyperparameters(logger=False)
        self.atoms, self.beta, self.epochs, self.classifier, self.c = atoms, beta, epochs, classifier, c
        for row in ROWS:
            register_estimates(self, f"{row}_map", f"{row}_weight", f"{row}_bias")
        self.accuracies = nn.ModuleDict({row: MulticlassAccuracy(len(class_names), average="micro") for row in ROWS})
        self.shown: LabelledImages | None = None

    def estimate(self, data: Any) -> dict[str, float]:
        """Learns the dictionary from the unlabelled images, then the classifiers from the labelled ones.

        Raises:
            ValueError: data of another kind.
        """
        if not isinstance(data, SelfTaughtImages):
            raise ValueError("SelfTaught learns from data=transfer/self_taught")
        seed = mix(data.seed, 13)
        pool = data.unlabelled().to(self.device).flatten(1).double() / 255
        self.net.mean = pool.mean(0).float()
        pool = pool - pool.mean(0)
        dictionary = learn_dictionary(pool, self.atoms, self.beta, self.epochs, seed % 2**32)
        self.net.dictionary = dictionary.float()
        split = data.split("train")
        images, labels = split.columns if isinstance(split, InMemory) else decode(split).columns
        x = images.to(self.device).flatten(1).double() / 255 - self.net.mean
        self.net.weight, self.net.bias, chosen = self._fit(sparse_codes(x, dictionary, self.beta), labels)
        for row in ROWS:
            to_features = self._map(row, pool, seed)
            setattr(self, f"{row}_map", to_features.float())
            weight, bias, _ = self._fit(self.features(row, x), labels)
            setattr(self, f"{row}_weight", weight)
            setattr(self, f"{row}_bias", bias)
        codes = sparse_codes(pool[:1000], dictionary, self.beta)
        return {
            "train/objective": float(objective(pool[:1000], dictionary, codes, self.beta)),
            "train/nonzero": float((codes != 0).double().mean()),
            "train/c": chosen,
        }

    def _fit(self, features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, float]:
        return fit_linear(features, labels, len(self.class_names), self.classifier, self.c)

    def _map(self, row: str, pool: Tensor, seed: int) -> Tensor:
        """What makes the features of a row: nothing of pixels, components (k, D), or images (atoms, D) of norm 1."""
        if row == "pixels":
            return pool[:0]
        count = min(self.atoms, *pool.shape)
        if row == "pca":
            return torch.from_numpy(PCA(count, random_state=0).fit(pool.cpu().numpy()).components_).to(pool)
        drawn = torch.randperm(len(pool), generator=torch.Generator().manual_seed(seed))[: self.atoms].to(pool.device)
        return nn.functional.normalize(pool[drawn], dim=1)

    def features(self, row: str, centred: Tensor) -> Tensor:
        """Features (N, k) of a row for centred pixels (N, D)."""
        to_features = self.get_buffer(f"{row}_map").to(centred)
        if row == "pixels":
            return centred
        return centred @ to_features.T if row == "pca" else sparse_codes(centred, to_features, self.beta)

    def validation_step(self, batch: LabelledImages, batch_index: int) -> None:
        """Updates ``val/accuracy``; before the fit, in a sanity check, nothing."""
        if self.fitted:
            super().validation_step(batch, batch_index)

    def test_step(self, batch: LabelledImages, batch_index: int) -> None:
        """Updates ``test/accuracy``, and the rows: ``test/pixels_accuracy``, ``test/pca_accuracy`` and so on."""
        self.check_fitted()
        super().test_step(batch, batch_index)
        centred = self.net.centred(batch.images)
        for row in ROWS:
            logits = self.features(row, centred) @ self.get_buffer(f"{row}_weight").T + self.get_buffer(f"{row}_bias")
            metric: Any = self.accuracies[row]
            metric.update(logits, batch.labels)
            self.log(f"test/{row}_accuracy", metric, on_epoch=True, batch_size=len(batch.labels))
        if batch_index == 0:
            self.shown = batch

    def on_test_epoch_end(self) -> None:
        """Draws the dictionary, how images are made of atoms, how sparse codes are, and what of a classifier is."""
        super().on_test_epoch_end()
        if self.shown is None or not self.trainer.is_global_zero:
            return
        images = self.shown.images[: figures.CODED]
        for tag, image in figures.drawn(self.net, images, self.channels, self.image_size).items():
            log_image(self, tag, image)
