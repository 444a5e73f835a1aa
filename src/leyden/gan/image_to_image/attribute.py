"""Whether translations change an attribute, such as sunglasses, and leave the rest of the image alone."""

import logging
import math
from collections.abc import Callable

import torch
from torch import Tensor

from leyden.data.source.pairs_of_images.pair_source import OfAttribute
from leyden.data.splits import fit_image
from leyden.metrics.generated.learned_features import learn_features

log = logging.getLogger(__name__)

Translate = Callable[[Tensor, str], Tensor]
"""uint8 images (N, C, S, S) and "ab" or "ba" to uint8 images of that shape."""
ENOUGH = 0.95
"""Accuracy on test images below which a classifier should not tell anything."""


class AttributeEvaluator:
    """Scores translations of the test images of a source that knows which part of an image its attribute is in.

    A classifier of the two domains, trained on the training images of both, says of which domain a translation is. It
    depends on the data alone, so that all techniques on the same data are scored by the same one, on the same images.

    Args:
        source: of domain A, or of pairs.
        image_size: side that the model's images have.
        channels: of them.
        device: where to compute.
    """

    def __init__(self, source: OfAttribute, image_size: int, channels: int, device: torch.device) -> None:
        (train, test) = (
            [fit_image(images, image_size, channels).to(device) for images in source.both_domains(stage)]
            for stage in ("train", "test")
        )
        labels, true = (torch.arange(2, device=device).repeat_interleave(len(each[0])) for each in (train, test))
        self.classifier = learn_features(torch.cat(train), labels, 2, device)
        self.accuracy = self.classifier.accuracy(torch.cat(test), true) or 0.0
        if self.accuracy < ENOUGH:
            right = 100 * self.accuracy
            log.warning(
                "the classifier of the attribute is right in %.0f %% of the test images: it tells little", right
            )
        self.images = dict(zip("ab", test, strict=True))
        self.outside = outside_rows(*source.edited_rows, image_size).to(device)

    def scores(self, translate: Translate, ways: tuple[str, ...] = ("ab", "ba")) -> dict[str, float]:
        """Scores of translations of the test images, each way by itself.

        Args:
            translate: makes the translations.
            ways: "ab", "ba", or both.

        Returns:
            ``attribute_accuracy``: of the classifier, on the test images as they are. By way, ``changed_ab``: fraction
            of translations that it takes for domain B; ``l1_outside_ab``: their mean absolute difference from what
            was translated, in -1..1, outside the rows that the attribute may change. With both ways also
            ``restored_a``: fraction of the translations there and back that it takes for domain A again;
            ``cycle_outside_a``, ``cycle_inside_a``: their mean absolute difference from the images of A.
        """
        scores, there = {"attribute_accuracy": self.accuracy}, {}
        for way in ways:
            images = self.images[way[0]]
            there[way] = translate(images, way)
            scores[f"changed_{way}"] = self.fraction(there[way], way[1])
            scores[f"l1_outside_{way}"] = self.difference(there[way], images, self.outside)
        for way in ways if len(ways) == 2 else ():
            images, back = self.images[way[0]], translate(there[way], way[::-1])
            scores[f"restored_{way[0]}"] = self.fraction(back, way[0])
            scores[f"cycle_outside_{way[0]}"] = self.difference(back, images, self.outside)
            scores[f"cycle_inside_{way[0]}"] = self.difference(back, images, ~self.outside)
        return scores

    def fraction(self, images: Tensor, domain: str) -> float:
        """Fraction of images (N, C, S, S) that the classifier takes for domain "a" or "b"."""
        named = self.classifier.classify(images)
        assert named is not None
        return (named == "ab".index(domain)).float().mean().item()

    def difference(self, images: Tensor, others: Tensor, rows: Tensor) -> float:
        """Mean absolute difference in -1..1 of uint8 images (N, C, S, S), in some rows, (S,) bool."""
        return (images[:, :, rows].float() - others[:, :, rows].float()).abs().mean().item() / 127.5


def outside_rows(first: float, last: float, height: int) -> Tensor:
    """Rows (height,) bool that lie wholly outside of ``first`` to ``last``, fractions of the height.

    One more on either side is left out, into which resizing may have smeared what is inside.
    """
    rows = torch.arange(height)
    return (rows < math.floor(first * height) - 1) | (rows > math.ceil(last * height))
