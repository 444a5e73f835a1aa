"""How well samples show what their descriptions say, and how real and how different they are."""

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from leyden.gan.text_to_image.factors import FactorClassifier, factor_table, learn_factors, what_is_new
from leyden.metrics.generated.fidelity import NEIGHBOURS, frechet_distance, manifolds, nearest_ratio
from leyden.metrics.generated.learned_features import PixelComponents

CAPTIONS = 10
"""Among which a sample's own must be the one that fits best, for the R-precision of Xu et al. 2018."""
ENOUGH = 2000
"""Images whose principal components are taken."""


class Described(NamedTuple):
    """Images, and which description each belongs to."""

    images: Tensor
    """(N, C, S, S) uint8."""
    labels: Tensor
    """(N,) int64, places among the descriptions."""


class DescriptionScores:
    """Scores samples of descriptions by the training and the test images of the same descriptions.

    A classifier, trained on the training images, finds each factor of a description in an image; its share of the real
    test images is printed as ``real_...``, the highest that samples should be expected to reach. Where the data do not
    say what descriptions are made of, these scores are left out, and distances are of pixels' principal components.

    Args:
        train: the training images.
        test: the test images.
        class_names: the descriptions.
        unseen: places of those that no training image has.
        factors: words by factor; empty where these are not known.
        device: where to compute.
        cache: folder where the classifier is kept; None trains it in any case.

    Raises:
        ValueError: either has fewer images than the distances need, or descriptions are not made of ``factors``.
    """

    def __init__(
        self,
        train: Described,
        test: Described,
        class_names: list[str],
        unseen: list[int],
        factors: dict[str, list[str]],
        device: torch.device,
        cache: Path | None = None,
    ) -> None:
        if min(len(train.images), len(test.images)) <= NEIGHBOURS:
            raise ValueError(
                f"samples are evaluated by {NEIGHBOURS + 1} or more training and test images, the data have "
                f"{len(train.images)} and {len(test.images)}: take a larger data/source"
            )
        self.train, self.test, self.names = train, test, list(factors)
        self.table = factor_table(class_names, factors).to(device)
        self.unseen = torch.zeros(len(class_names), dtype=torch.bool, device=device)
        self.unseen[unseen] = True
        self.new = what_is_new(self.table.cpu(), unseen) if factors else ()
        self.classifier: FactorClassifier | None = None
        if factors:
            self.classifier = learn_factors(train.images, self.table[train.labels], factors, device, cache)
        else:
            self._components = PixelComponents(_signed(train.images[:ENOUGH]))
        known = self._features(train.images)
        self._mean, self._deviation = known.mean(0), known.std(0).clamp(min=1e-6)
        self._train, self._test = self.features(train.images), self.features(test.images)

    def features(self, images: Tensor) -> Tensor:
        """Standardised features (N, d) in which distances are measured."""
        return (self._features(images) - self._mean) / self._deviation

    def validation(self, samples: Described, unseen: Described) -> dict[str, float]:
        """Scores against training images, by which settings and the best checkpoint are chosen.

        Args:
            samples: of training captions.
            unseen: of descriptions that no training image has; may be none.

        Returns:
            ``fid``, ``precision``, ``recall``, ``density``, ``coverage`` against as many training images; ``diversity``
            as in ``testing``, of training images; and where factors are known ``right_<factor>`` and ``right``, as in
            ``of_factors``, and the same of ``unseen_...``, for which no image is needed.
        """
        real, features = self._train[: len(samples.images)], self.features(samples.images)
        scores = {"fid": frechet_distance(real, features).item()}
        scores |= {name: value.item() for name, value in manifolds(real, features)._asdict().items()}
        scores["diversity"] = spread(features, samples.labels) / spread(self._train, self.train.labels)
        return scores | self.of_factors(samples) | self.of_factors(unseen, "unseen_")

    def testing(self, samples: Described) -> dict[str, float]:
        """Scores against the test images.

        Args:
            samples: of as many descriptions as there are test images, of the same labels.

        Returns:
            ``fid`` with ``fid_floor``, that of as many training images; ``neighbour_ratio``: distance to the nearest
            training image over that of test images (far below 1: copies); ``diversity``: mean distance of samples of
            one description over that of its real images (0: always the same image). Where factors are known, all of
            ``of_factors`` for descriptions that were seen, for those that were not (``unseen_...``), for real test
            images (``real_...``, ``real_unseen_...``), and for samples that are held against the descriptions of
            others (``blind_...``, what a generator that does not read would reach); and ``r_precision``.
        """
        features = self.features(samples.images)
        few = self._train[: len(self._test)]
        scores = {
            "fid": frechet_distance(self._test, features).item(),
            "fid_floor": frechet_distance(self._test[: len(few)], few).item(),
            "neighbour_ratio": nearest_ratio(features, self._test, self._train).item(),
            "diversity": spread(features, samples.labels) / spread(self._test, self.test.labels),
        }
        order = torch.randperm(len(samples.labels), generator=torch.Generator().manual_seed(0))
        others = samples._replace(labels=samples.labels[order.to(samples.labels.device)])
        for prefix, examples in {"": samples, "real_": self.test, "blind_": others}.items():
            fresh = self.unseen[examples.labels]
            scores |= self.of_factors(_some(examples, ~fresh), prefix)
            if fresh.any() and prefix != "blind_":
                scores |= self.of_factors(_some(examples, fresh), f"{prefix}unseen_")
        return scores | self._ranked(samples)

    def of_factors(self, examples: Described, prefix: str = "") -> dict[str, float]:
        """Shares of images in which the classifier finds what their descriptions say.

        Returns:
            ``right_<factor>``, ``right_mean``: the mean of these, ``right``: all factors at once; where descriptions
            are unseen also ``right_<a>_and_<b>`` of the factors whose combination is new in these. Each begins with
            ``prefix``.
        """
        if self.classifier is None or not len(examples.labels):
            return {}
        found = torch.stack([each.argmax(1) for each in self.classifier.log_probabilities(examples.images)], 1)
        right = found == self.table[examples.labels].to(found.device)
        scores = {name: column.float().mean().item() for name, column in zip(self.names, right.T, strict=True)}
        scores |= {"mean": right.float().mean().item()}
        if 1 < len(self.new) < len(self.names):
            together = "_and_".join(self.names[k] for k in self.new)
            scores[together] = right[:, list(self.new)].all(1).float().mean().item()
        named = {f"{prefix}right_{name}": value for name, value in scores.items()}
        return named | {f"{prefix}right": right.all(1).float().mean().item()}

    def _ranked(self, samples: Described) -> dict[str, float]:
        """``r_precision``: how often the own description is the likeliest of ten, nine of which are drawn."""
        if self.classifier is None or len(self.table) < CAPTIONS:
            return {}
        found = self.classifier.log_probabilities(samples.images)
        table = self.table.to(found[0].device)
        fit = torch.stack([each[:, table[:, k]] for k, each in enumerate(found)]).sum(0)  # (N, descriptions)
        chances = torch.rand(fit.shape, generator=torch.Generator().manual_seed(0)).to(fit.device)
        own = samples.labels.to(fit.device)[:, None]
        chances.scatter_(1, own, -1)  # never among the others
        others = fit.gather(1, chances.topk(CAPTIONS - 1).indices)
        return {"r_precision": (fit.gather(1, own) > others.amax(1, keepdim=True)).float().mean().item()}

    def _features(self, images: Tensor) -> Tensor:
        if self.classifier is not None:
            return self.classifier.features(images)
        return self._components(_signed(images))


def spread(features: Tensor, labels: Tensor) -> float:
    """Mean distance of examples (N, d) of one description, over the descriptions that have two or more; else NaN."""
    groups = [features[labels == label] for label in labels.unique()]
    distances = [torch.pdist(group).mean() for group in groups if len(group) > 1]
    return torch.stack(distances).mean().item() if distances else float("nan")


def _some(examples: Described, which: Tensor) -> Described:
    return Described(examples.images[which], examples.labels[which])


def _signed(images: Tensor) -> Tensor:
    return images.float() / 127.5 - 1
