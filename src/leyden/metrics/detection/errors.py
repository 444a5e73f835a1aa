"""Why a detector's answers are wrong, and what each kind of error costs (TIDE, Bolya et al. 2020, sections 2.2, 2.3).

Every answer that found nothing (at IoU t_f = 0.5) gets the first kind that fits, t_b = 0.1:

    localisation  an object of its class overlaps it by t_b to t_f
    class         an object of another class overlaps it by t_f or more
    duplicate     an object of its class overlaps it by t_f or more, but a surer answer found that
    background    no object overlaps it by more than t_b
    both          the rest: wrong class, and badly placed

and every object that nobody found and no error of the first two kinds would find if it were mended is *missed*. This is
Hoiem et al.'s (2012) analysis of false alarms without its table of similar classes.

What a kind costs is how much AP50 rises if an oracle mends it alone: errors of localisation and class become hits of
their object if it is still free (one for each object, the surest; others vanish), false alarms of the other kinds
vanish, and missed objects need not be found. The costs do not add up to 1 - AP50.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from leyden.metrics.detection.accumulator import Boxes, ignored
from leyden.metrics.detection.average_precision import average_precision
from leyden.metrics.detection.matches import IGNORED, match_detections, missed, overlaps

KINDS = ("localisation", "class", "duplicate", "background", "both", "missed")
LOCALISATION, CLASS, DUPLICATE, BACKGROUND, BOTH, MISSED = range(len(KINDS))
RIGHT = -1
MOST = 100
"""Best answers of an image that are looked at."""


class DetectionErrors(NamedTuple):
    """Errors by kind, in the order of ``KINDS``."""

    counts: dict[str, int]
    """How many; all answers count, however unsure."""
    lost: dict[str, float]
    """How much AP50 an oracle that mends this kind would give, 0 to 1."""


class _Judged(NamedTuple):
    """N answers (without ignored ones) and M objects of all images."""

    kinds: np.ndarray
    """(N,) ``RIGHT`` or the kind of error."""
    scores: np.ndarray
    """(N,)."""
    labels: np.ndarray
    """(N,) class that was answered."""
    mended: np.ndarray
    """(N,) class that a mended error is a hit of; -1 where it would vanish."""
    missed: np.ndarray
    """(M,) class of each missed object."""
    objects: np.ndarray
    """(classes,) objects that count."""


def detection_errors(
    answers: Sequence[Boxes], truths: Sequence[Boxes], classes: int, iou: float = 0.5, background: float = 0.1
) -> DetectionErrors:
    """Counts the kinds of errors of a whole split and says what each costs.

    Args:
        answers: of each image; the 100 surest count.
        truths: of each image; what lies on difficult objects and crowds is no error.
        classes: how many; labels are 0 .. classes - 1.
        iou: t_f.
        background: t_b.
    """
    judged = _joined([_judge(*pair, iou, background) for pair in zip(answers, truths, strict=True)], truths, classes)
    counts = {name: int((judged.kinds == kind).sum()) for kind, name in enumerate(KINDS)}
    counts["missed"] = len(judged.missed)
    now = _mean_precision(judged, None)
    lost = {name: max(0.0, _mean_precision(judged, kind) - now) for kind, name in enumerate(KINDS)}
    return DetectionErrors(counts, lost)


def _judge(answer: Boxes, truth: Boxes, iou: float, background: float) -> tuple[np.ndarray, ...]:
    """Kinds, scores, labels and mended classes of an image's answers, and the classes of the objects it missed."""
    best = torch.argsort(answer["scores"], descending=True, stable=True)[:MOST]
    answer = {key: value[best] for key, value in answer.items()}
    found = match_detections(answer, truth, iou)
    counting = found != IGNORED
    answer = {key: value[counting] for key, value in answer.items()}
    found = found[counting]
    unfound = missed(truth, found).numpy()
    countable = ~ignored(truth).numpy()
    labels, true_labels = answer["labels"].numpy(), truth["labels"].numpy()

    shared = overlaps(answer["boxes"], truth["boxes"]).numpy() * countable
    same = labels[:, None] == true_labels
    of_class, of_others = shared * same, shared * ~same
    kinds = np.full(len(found), BOTH)
    kinds[shared.max(1, initial=0) <= background] = BACKGROUND
    kinds[of_class.max(1, initial=0) >= iou] = DUPLICATE
    confused = of_others.max(1, initial=0) >= iou
    kinds[confused] = CLASS
    near = (of_class.max(1, initial=0) >= background) & (of_class.max(1, initial=0) <= iou)
    kinds[near] = LOCALISATION
    kinds[(found >= 0).numpy()] = RIGHT

    mended = np.full(len(found), -1)
    taken: set[int] = set()
    for i in np.flatnonzero((kinds == LOCALISATION) | (kinds == CLASS)):  # surest first
        thing = int((of_class if kinds[i] == LOCALISATION else of_others)[i].argmax())
        if unfound[thing] and thing not in taken:
            mended[i] = true_labels[thing]
            taken.add(thing)
    unfound[list(taken)] = False
    return kinds, answer["scores"].numpy(), labels, mended, true_labels[unfound]


def _joined(images: list[tuple[np.ndarray, ...]], truths: Sequence[Boxes], classes: int) -> _Judged:
    columns = [np.concatenate([np.zeros(0), *column]) for column in zip(*images, strict=True)] or [np.zeros(0)] * 5
    counted = [truth["labels"][~ignored(truth)] for truth in truths]
    objects = torch.bincount(torch.cat(counted), minlength=classes) if counted else torch.zeros(classes).long()
    kinds, scores, labels, mended, unfound = columns
    return _Judged(kinds, scores, labels, mended, unfound, objects.numpy())


def _mean_precision(judged: _Judged, kind: int | None) -> float:
    """AP50 over the classes that occur, as it is or after ``kind`` was mended."""
    wrong = judged.kinds == kind
    labels = np.where(wrong, judged.mended, judged.labels)
    right = (judged.kinds == RIGHT) | (wrong & (judged.mended >= 0))
    objects = judged.objects.copy()
    if kind == MISSED:
        objects -= np.bincount(judged.missed.astype(int), minlength=len(objects))
    order = np.argsort(-judged.scores, kind="stable")
    precisions = []
    for label in np.flatnonzero(judged.objects):
        mine = order[labels[order] == label]
        # With all its objects missed a class has nothing left to be found: TIDE counts it as 0 still.
        precisions.append(average_precision(right[mine], int(objects[label]), 101) if objects[label] else 0.0)
    return float(np.mean(precisions)) if precisions else 0.0
