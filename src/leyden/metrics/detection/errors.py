"""Why detections are wrong, and what each kind of error costs (TIDE, Bolya et al. 2020, sections 2.2, 2.3).

Every detection that found nothing (at IoU t_f = 0.5) gets the first kind that fits, t_b = 0.1:

    localisation  an object of its class overlaps it by t_b to t_f
    class         an object of another class overlaps it by t_f or more
    duplicate     an object of its class overlaps it by t_f or more, but one of a higher score found that
    background    no object overlaps it by more than t_b
    both          the rest: wrong class, and badly placed

and every object that was not found and that no corrected error of the first two kinds would find is *missed*. This is
Hoiem et al.'s (2012) analysis of false alarms without its table of similar classes.

What a kind costs is how much AP50 rises if an oracle corrects it alone: errors of localisation and class become hits of
their object if it is still free (one for each object, that of the highest score; others vanish), false alarms of the
other kinds vanish, and missed objects need not be found. The costs do not add up to 1 - AP50.
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
CORRECT = -1
MAX_DETECTIONS = 100
"""Detections of an image that count, those of the highest scores."""


class DetectionErrors(NamedTuple):
    """Errors by kind, in the order of ``KINDS``."""

    counts: dict[str, int]
    """Number of errors; all detections count, whatever their score."""
    lost: dict[str, float]
    """Gain in AP50, 0 to 1, if an oracle corrected this kind."""


class _Errors(NamedTuple):
    """N detections (without ignored ones) and M objects of all images."""

    kinds: np.ndarray
    """(N,) ``CORRECT`` or the kind of error."""
    scores: np.ndarray
    """(N,)."""
    labels: np.ndarray
    """(N,) predicted class."""
    corrected: np.ndarray
    """(N,) class of the object that a corrected error would find; -1 where it would vanish."""
    missed: np.ndarray
    """(M,) class of each missed object."""
    objects: np.ndarray
    """(classes,) objects that count."""


def detection_errors(
    predictions: Sequence[Boxes], targets: Sequence[Boxes], classes: int, iou: float = 0.5, background: float = 0.1
) -> DetectionErrors:
    """Counts the kinds of errors of a whole split and says what each costs.

    Args:
        predictions: of each image; the 100 of the highest scores count.
        targets: of each image; what lies on difficult objects and crowds is no error.
        classes: how many; labels are 0 .. classes - 1.
        iou: t_f.
        background: t_b.
    """
    errors = _joined(
        [_classify_errors(*pair, iou, background) for pair in zip(predictions, targets, strict=True)], targets, classes
    )
    counts = {name: int((errors.kinds == kind).sum()) for kind, name in enumerate(KINDS)}
    counts["missed"] = len(errors.missed)
    now = _mean_precision(errors, None)
    lost = {name: max(0.0, _mean_precision(errors, kind) - now) for kind, name in enumerate(KINDS)}
    return DetectionErrors(counts, lost)


def _classify_errors(prediction: Boxes, target: Boxes, iou: float, background: float) -> tuple[np.ndarray, ...]:
    """Kinds, scores, labels and corrected classes of an image's detections; classes of the objects it missed."""
    best = torch.argsort(prediction["scores"], descending=True, stable=True)[:MAX_DETECTIONS]
    prediction = {key: value[best] for key, value in prediction.items()}
    found = match_detections(prediction, target, iou)
    counting = found != IGNORED
    prediction = {key: value[counting] for key, value in prediction.items()}
    found = found[counting]
    unfound = missed(target, found).numpy()
    countable = ~ignored(target).numpy()
    labels, true_labels = prediction["labels"].numpy(), target["labels"].numpy()

    shared = overlaps(prediction["boxes"], target["boxes"]).numpy() * countable
    same = labels[:, None] == true_labels
    of_class, of_others = shared * same, shared * ~same
    kinds = np.full(len(found), BOTH)
    kinds[shared.max(1, initial=0) <= background] = BACKGROUND
    kinds[of_class.max(1, initial=0) >= iou] = DUPLICATE
    confused = of_others.max(1, initial=0) >= iou
    kinds[confused] = CLASS
    near = (of_class.max(1, initial=0) >= background) & (of_class.max(1, initial=0) <= iou)
    kinds[near] = LOCALISATION
    kinds[(found >= 0).numpy()] = CORRECT

    corrected = np.full(len(found), -1)
    taken: set[int] = set()
    for i in np.flatnonzero((kinds == LOCALISATION) | (kinds == CLASS)):  # highest score first
        object_index = int((of_class if kinds[i] == LOCALISATION else of_others)[i].argmax())
        if unfound[object_index] and object_index not in taken:
            corrected[i] = true_labels[object_index]
            taken.add(object_index)
    unfound[list(taken)] = False
    return kinds, prediction["scores"].numpy(), labels, corrected, true_labels[unfound]


def _joined(images: list[tuple[np.ndarray, ...]], targets: Sequence[Boxes], classes: int) -> _Errors:
    columns = [np.concatenate([np.zeros(0), *column]) for column in zip(*images, strict=True)] or [np.zeros(0)] * 5
    counted = [target["labels"][~ignored(target)] for target in targets]
    objects = torch.bincount(torch.cat(counted), minlength=classes) if counted else torch.zeros(classes).long()
    kinds, scores, labels, corrected, unfound = columns
    return _Errors(kinds, scores, labels, corrected, unfound, objects.numpy())


def _mean_precision(errors: _Errors, kind: int | None) -> float:
    """AP50 over the classes that occur, as it is or after ``kind`` was corrected."""
    wrong = errors.kinds == kind
    labels = np.where(wrong, errors.corrected, errors.labels)
    correct = (errors.kinds == CORRECT) | (wrong & (errors.corrected >= 0))
    objects = errors.objects.copy()
    if kind == MISSED:
        objects -= np.bincount(errors.missed.astype(int), minlength=len(objects))
    order = np.argsort(-errors.scores, kind="stable")
    precisions = []
    for label in np.flatnonzero(errors.objects):
        mine = order[labels[order] == label]
        # With all its objects missed a class has nothing left to be found: TIDE counts it as 0 still.
        precisions.append(average_precision(correct[mine], int(objects[label]), 101) if objects[label] else 0.0)
    return float(np.mean(precisions)) if precisions else 0.0
