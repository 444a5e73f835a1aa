"""What is drawn of a test: attributes predicted and true, unseen examples, U, S and H over the constant."""

from collections.abc import Sequence

import torch
from lightning import LightningModule
from sklearn.metrics import roc_auc_score
from torch import Tensor

from leyden.metrics.generalised import Curve
from leyden.transfer.zero_shot.heatmap import draw_heat, in_units
from leyden.visualization.charts import draw_bars, draw_curves
from leyden.visualization.labelled import draw_sheet
from leyden.visualization.logging import log_image

SHOWN = 24
"""Images on the sheet."""
POINTS = 200
"""Of the curve that are drawn."""


class ZeroShotFigures:
    """Collects a test, batch by batch.

    Args:
        class_names: of all classes.
        attribute_names: of the attributes.
    """

    def __init__(self, class_names: Sequence[str], attribute_names: Sequence[str]) -> None:
        self.class_names, self.attribute_names = list(class_names), list(attribute_names)
        self.sums = torch.zeros(len(class_names), len(attribute_names), dtype=torch.float64)
        self.counts, self.right = torch.zeros(2, len(class_names), dtype=torch.float64)
        self.scores: list[Tensor] = []
        self.labels: list[Tensor] = []
        self.images: list[Tensor] = []
        self.captions: list[str] = []

    def update(self, inputs: Tensor, scores: Tensor, labels: Tensor, taken: Tensor, unseen: Tensor) -> None:
        """Adds a batch.

        Args:
            inputs: images uint8 (B, C, S, S) or rows (B, D).
            scores: (B, A) of the attributes.
            labels: (B,) true classes.
            taken: (B,) what they were taken for, among all candidates.
            unseen: (C,) bool, classes without training examples.
        """
        scores, labels, taken, unseen = scores.double().cpu(), labels.cpu(), taken.cpu(), unseen.cpu()
        self.sums.index_add_(0, labels, scores)
        self.counts += labels.bincount(minlength=len(self.class_names))
        self.right += labels[taken == labels].bincount(minlength=len(self.class_names))
        new = unseen[labels]
        self.scores.append(scores[new])
        self.labels.append(labels[new])
        if inputs.ndim == 4:
            each = max(1, -(-SHOWN // int(unseen.sum())))
            for image, label, found in zip(inputs[new].cpu(), labels[new].tolist(), taken[new].tolist(), strict=True):
                name = self.class_names[label]
                before = sum(caption.startswith(f"{name}\n") for caption in self.captions)
                if before < each:
                    verdict = "right" if found == label else f"taken for\n{self.class_names[found]}"
                    self.images.append(image)
                    self.captions.append(f"{name}\n{verdict}")

    def log(
        self, task: LightningModule, true: Tensor, seen: Tensor, unseen: Tensor, curve: Curve, constant: float
    ) -> None:
        """Hands the drawings to the task's loggers.

        Args:
            task: its loggers get them.
            true: (C, A) attributes.
            seen: (C,) bool.
            unseen: (C,) bool.
            curve: U and S at every constant.
            constant: the one that was chosen.
        """
        log_image(task, "attributes", self.draw_attributes(true, seen, unseen))
        log_image(task, "calibration", draw_calibration(curve, constant))
        by_attribute = self.areas(true)
        if by_attribute:
            title = "How well each attribute is seen on classes that were not: area below the ROC, 0.5 is chance"
            log_image(task, "attribute_auc", draw_bars(by_attribute, "area", title, mean=True))
        names = [name for name, new in zip(self.class_names, unseen.tolist(), strict=True) if new]
        shares = (self.right / self.counts)[unseen].tolist()
        title = "Accuracy of the unseen classes, seen ones being candidates, too"
        log_image(
            task, "class_accuracy", draw_bars(dict(zip(names, shares, strict=True)), "accuracy", title, mean=True)
        )
        if self.images:
            places = torch.linspace(0, len(self.images) - 1, min(SHOWN, len(self.images))).round().int().tolist()
            shown, captions = [self.images[i] for i in places], [self.captions[i] for i in places]
            title = "Classes that were never seen: what they are, and what they were taken for"
            log_image(task, "unseen", draw_sheet(shown, captions, "", title=title))

    def draw_attributes(self, true: Tensor, seen: Tensor, unseen: Tensor) -> Tensor:
        """The attributes of the unseen classes beside what was seen of them: uint8 (3, H, W)."""
        means = self.sums / self.counts[:, None]
        table = true.double()
        span = (table.amax(0) - table.amin(0)).clamp(min=1e-12)
        table = (table - table.amin(0)) / span  # each attribute from 0 to 1
        predicted = in_units(means, table, seen & (self.counts > 0))
        names = [name for name, new in zip(self.class_names, unseen.tolist(), strict=True) if new]
        panels = {"described as": table[unseen], "seen on its images": predicted[unseen]}
        return draw_heat(panels, names, self.attribute_names, "Attributes of classes of which no example was seen")

    def areas(self, true: Tensor) -> dict[str, float]:
        """Of each attribute that differs among the unseen examples: how well its score tells high from low."""
        scores, labels = torch.cat(self.scores), torch.cat(self.labels)
        if not len(labels):
            return {}
        values = true[labels]
        high = values > (values.amax(0) + values.amin(0)) / 2
        found = [place for place in range(len(self.attribute_names)) if 0 < high[:, place].sum() < len(labels)]
        return {
            self.attribute_names[place]: float(roc_auc_score(high[:, place].numpy(), scores[:, place].numpy()))
            for place in found
        }


def draw_calibration(curve: Curve, constant: float) -> Tensor:
    """U, S and H over the constant that is taken off the scores of seen classes: uint8 (3, 600, 900)."""
    places = torch.linspace(0, len(curve.constants) - 1, min(POINTS, len(curve.constants))).round().long()
    inner = curve.starts[1:]  # beyond the margins nothing changes any more
    edge = 0.05 * max(float(inner[-1] - inner[0]), 1e-6)
    x = curve.constants.clamp(float(inner[0]) - edge, float(inner[-1]) + edge)[places].tolist()
    lines = {"unseen classes, U": curve.unseen, "seen classes, S": curve.seen, "harmonic mean, H": curve.harmonic}
    curves = {name: (x, values[places].tolist(), None) for name, values in lines.items()}
    title = "Generalised zero-shot learning; dashed: the constant that validation chose"
    return draw_curves(
        curves, "constant that is taken off the scores of seen classes", "accuracy", title, mark=constant
    )
