"""Which of some texts describes each image, for people and programs."""

from collections.abc import Callable, Sequence

from torch import Tensor

from leyden.core.technique import Predictions
from leyden.visualization.labelled import draw_labelled

SHOWN = 3
"""Texts below an image."""


def check_prompts(prompts: Sequence[str], knows: Callable[[str], bool] | None = None) -> list[str]:
    """The prompts, each once.

    Args:
        prompts: as a person typed them.
        knows: whether a text says anything to the network; None: every text does.

    Raises:
        ValueError: fewer than two differ, or one says nothing to the network.
    """
    found = list(dict.fromkeys(prompts))
    if len(found) < 2:
        raise ValueError(f"--prompt {found}: give two descriptions or more, among which each image's is found")
    for prompt in found:
        if not prompt.strip() or (knows is not None and not knows(prompt)):
            raise ValueError(f"--prompt {prompt!r}: no word of it was in any text of the training")
    return found


def predicted_prompts(
    inputs: Sequence[Tensor], prompts: Sequence[str], images: Tensor, texts: Tensor, scale: Tensor | float
) -> Predictions:
    """A row for each image, its nearest text, probabilities of all of them, and the image with the nearest below.

    Args:
        inputs: N of uint8 (C, H, W) of any size.
        prompts: P texts.
        images: (N, D) embeddings of length 1.
        texts: (P, D) embeddings of length 1.
        scale: what similarities are multiplied by.
    """
    similarities = images @ texts.T
    rows, drawn = [], []
    for image, own, near in zip(inputs, (scale * similarities).softmax(1), similarities, strict=True):
        order = own.argsort(descending=True)
        best = int(order[0])
        rows.append(
            {
                "label": prompts[best],
                "probability": round(float(own[best]), 4),
                "similarity": round(float(near[best]), 4),
                "probabilities": dict(zip(prompts, own.tolist(), strict=True)),
            }
        )
        lines = [f"{float(own[i]):.0%} {prompts[i]}" for i in order[:SHOWN].tolist()]
        drawn.append(draw_labelled(image, "\n".join(lines)))
    return Predictions(rows, drawn)
