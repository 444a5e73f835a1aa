"""Average precision: the area below precision over recall, by the rules that are in use."""

import numpy as np


def average_precision(correct: np.ndarray, objects: int, points: int | None = None) -> float:
    """Average precision of the detections of one class.

    Args:
        correct: (n,) bool, highest score first: whether the detection found an object.
        objects: how many there are to find, at least 1.
        points: None: the whole area below the curve whose precision was made monotonous (VOC 2010 on); 11: the mean at
            recalls 0, 0.1 .. 1 (VOC 2007); 101: that at 0, 0.01 .. 1 (COCO). These are not the same number: one of two
            objects found, without a mistake, is 0.5, 6 / 11 and 51 / 101.

    Returns:
        in [0, 1].
    """
    hits = correct.cumsum()
    recall, precision = hits / objects, hits / np.arange(1, len(correct) + 1)
    monotonous = np.maximum.accumulate(precision[::-1])[::-1]
    if points is None:
        return float((np.diff(recall, prepend=0) * monotonous).sum())
    # 0.3 written as 3 * 0.1 is a little more than 3 / 10: a recall that is reached must not be missed for that.
    reached = np.searchsorted(recall, np.linspace(0, 1, points) - 1e-9)
    return float(np.append(monotonous, 0.0)[reached].mean())
