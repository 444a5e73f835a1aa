"""What a classifier of texts makes of words: those of both domains, and those that the target brings."""

from collections.abc import Callable, Sequence

import torch
from lightning import LightningModule
from torch import Tensor

from leyden.data.batches.domain_pair import Pair
from leyden.data.splits import InMemory
from leyden.transfer.domain.classifiers import linear_rule
from leyden.visualization.charts import draw_words
from leyden.visualization.logging import log_image

SHOWN = 10
"""Words of either sign in a panel."""
OWN = 5.0
"""So many times as frequent among the target's words as among the source's a word is the target's own."""
COMMON = 0.01
"""Of the target's texts, that have a word which is shown."""
MEASURED = 256
"""Target texts over which weights are averaged; where the classifier is linear in its features one would do."""


def word_weights(logits: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
    """How much each feature moves the decision between two classes: (D,) float64.

    Args:
        logits: of rows (N, D), to (N, 2); the weight is the gradient of the second minus the first, averaged over rows.
        rows: (N, D) of the target.
    """
    with torch.inference_mode(False), torch.enable_grad():
        x = rows.detach().clone().double().requires_grad_()
        found = logits(x)
        (gradient,) = torch.autograd.grad((found[:, 1] - found[:, 0]).sum(), x)
    return gradient.mean(0).double()


def frequencies(rows: Tensor) -> Tensor:
    """The part (D,) of the rows (N, D) in which a feature is not 0."""
    return (rows != 0).double().mean(0)


def strongest(weights: Tensor, among: Tensor) -> list[int]:
    """Places of the ``SHOWN`` greatest weights (D,) above 0, then of the least below 0, among (D,) bool."""
    places = among.nonzero().flatten()
    order = places[weights[places].argsort(descending=True, stable=True)].tolist()
    return [i for i in order[:SHOWN] if weights[i] > 0] + [i for i in order[-SHOWN:] if weights[i] < 0]


def log_words(
    task: LightningModule,
    pair: Pair,
    logits: Callable[[Tensor], Tensor],
    c: float,
    names: Sequence[str],
    class_names: Sequence[str],
) -> None:
    """Draws the words that decide most: those of both domains beside the target's own; of two classes only.

    A dot shows the weight of a logistic regression that has seen the source alone.

    Args:
        task: its loggers get the image ``words``.
        pair: the training rows of both domains.
        logits: of rows (N, D).
        c: inverse weight of the penalty of that regression.
        names: of the features.
        class_names: in the order of the logits.
    """
    if len(class_names) != 2 or not isinstance(pair.source, InMemory) or not isinstance(pair.target, InMemory):
        return
    (source, labels), target = pair.source.columns, pair.target.columns.rows
    step = max(1, len(target) // MEASURED)
    weights = word_weights(logits, target[::step][:MEASURED].to(task.device)).cpu()
    coefficients = linear_rule(source.double(), labels, "logistic", c, None)[0]
    alone = coefficients[1] - coefficients[0]
    before, now = frequencies(source), frequencies(target)
    own = now / now.sum() > OWN * before / before.sum()
    panels = {}
    for title, among in (("words of both domains", ~own), ("the target's own words", own)):
        chosen = strongest(weights, among & (now > COMMON))
        panels[title] = {names[i]: (float(weights[i]), float(alone[i])) for i in chosen}
    log_image(task, "words", draw_words(panels, class_names))
