"""Dark knowledge: what a teacher says of an image besides the class, at rising temperatures."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from leyden.visualization.figure import COLOURS, LABEL, TICK, new_figure, render

ROWS = 6
"""Images that are drawn."""


class Example(NamedTuple):
    """An image of which the teacher is right, and not only one class is likely."""

    second: float
    """Probability of the second class, at the temperature."""
    image: Tensor
    label: int
    logits: Tensor


class DarkKnowledge:
    """Keeps of each class the image whose second class is likeliest, while a test runs, and draws some of them.

    Args:
        class_names: in the order of the logits.
        temperature: T, at which the soft labels are taken.
    """

    def __init__(self, class_names: Sequence[str], temperature: float) -> None:
        self.class_names, self.temperature = list(class_names), temperature
        self.examples: dict[int, Example] = {}
        """By class."""

    def update(self, images: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Adds a batch: uint8 images (B, C, S, S), the teacher's logits (B, classes), true classes (B,)."""
        top = (logits.float() / self.temperature).softmax(1).topk(2, dim=1)
        second = torch.where(top.indices[:, 0] == labels, top.values[:, 1], -1.0)
        for label in labels.unique().tolist():
            best = int(torch.where(labels == label, second, -1.0).argmax())
            old = self.examples.get(label)
            if second[best] > (old.second if old else 0.0):
                found = images[best].cpu(), label, logits[best].float().cpu()
                self.examples[label] = Example(float(second[best]), *found)

    def draw(self) -> Tensor:
        """A row for each of six images: the image, and the teacher's probabilities at three temperatures up to T.

        Returns:
            uint8 (3, H, 900).

        Raises:
            ValueError: there is no example.
        """
        if not self.examples:
            raise ValueError("no image of which the teacher is right: there is nothing to draw")
        chosen = sorted(self.examples.values(), key=lambda one: -one.second)[:ROWS]
        chosen.sort(key=lambda one: one.label)
        t = self.temperature if self.temperature > 1 else 4.0
        temperatures = [1.0, t**0.5, t]
        names = self.class_names if len(self.class_names) <= 12 else None
        figure = new_figure(900, 90 + 105 * len(chosen), "Dark knowledge: what else might it be, says the teacher")
        panels = figure.subplots(len(chosen), 4, squeeze=False, width_ratios=[0.7, 2, 2, 2])
        for place, (row, example) in enumerate(zip(panels, chosen, strict=True)):
            pixels = example.image.permute(1, 2, 0)
            row[0].imshow(pixels.expand(-1, -1, 3).numpy(), interpolation="nearest")
            row[0].set_ylabel(self.class_names[example.label], fontsize=LABEL, rotation=0, ha="right", va="center")
            row[0].set(xticks=[], yticks=[], frame_on=False)
            for axes, temperature in zip(row[1:], temperatures, strict=True):
                p = (example.logits / temperature).softmax(0).numpy()
                colours = [COLOURS[1] if i == example.label else COLOURS[0] for i in range(len(p))]
                axes.bar(range(len(p)), p, color=colours)
                axes.set_ylim(0, 1)
                axes.set_yticks([0, 0.5, 1])
                axes.tick_params(labelsize=TICK - 3)
                axes.spines[["top", "right"]].set_visible(False)
                axes.set_xticks(range(len(p)) if names else [], names or [])
                if place == 0:
                    axes.set_title(f"T = {temperature:.3g}", fontsize=LABEL)
        return render(figure)
