"""What a test says of a detector: its scores, and as pictures precision over recall, confusions, kinds of errors."""

from collections.abc import Sequence

from lightning import LightningModule

from leyden.metrics.detection.accumulator import Boxes
from leyden.metrics.detection.confusion import detection_confusion
from leyden.metrics.detection.errors import detection_errors
from leyden.metrics.detection.scores import detection_scores
from leyden.visualization.charts import draw_bars
from leyden.visualization.confusion import draw_confusion
from leyden.visualization.detection.precision_recall import draw_precision_recall
from leyden.visualization.logging import log_image

HEADLINES = ("ap", "ap50", "ap75", "voc_ap50", "voc07_ap50")
"""What a validation logs of the scores, and a test always."""


def review(
    module: LightningModule,
    names: Sequence[str],
    display_threshold: float,
    answers: Sequence[Boxes],
    truths: Sequence[Boxes],
) -> dict[str, float]:
    """Computes the numbers of a test, and logs its pictures where there are loggers.

    Args:
        module: attached to a trainer.
        names: of the classes.
        display_threshold: least score of the answers in the confusion matrix.
        answers: of the whole split.
        truths: of the whole split.

    Returns:
        Those of ``detection_scores``, of sizes and classes ("ap50_<class>") that occur; "error_<kind>": how much AP50
        would rise if errors of that kind were mended.
    """
    scores = detection_scores(answers, truths, len(names))
    errors = detection_errors(answers, truths, len(names))
    if module.loggers and module.trainer.is_global_zero:
        if not scores["ap50"].isnan():
            log_image(module, "precision_recall", draw_precision_recall(scores["precision50"], names))
            by_class = dict(zip(names, scores["ap50_class"].tolist(), strict=True))
            log_image(module, "class_ap50", draw_bars(by_class, "AP50", "Average precision by class"))
        matrix = detection_confusion(answers, truths, len(names), display_threshold)
        log_image(module, "confusion", draw_confusion(matrix, [*names, "background"]))
        bars = {f"{kind} ({errors.counts[kind]})": lost for kind, lost in errors.lost.items()}
        title = "What mending one kind of error alone would give (number of errors)"
        log_image(module, "errors", draw_bars(bars, "gain in AP50", title))
    numbers = {name: float(value) for name, value in scores.items() if value.ndim == 0}
    numbers |= {f"ap50_{name}": value for name, value in zip(names, scores["ap50_class"].tolist(), strict=True)}
    known = {name: value for name, value in numbers.items() if value == value or name in HEADLINES}
    return known | {f"error_{kind}": lost for kind, lost in errors.lost.items()}
