"""Which way of a metric is better, by its name; the page on metrics says the same."""

import re
from typing import Literal

LOWER = (
    r"loss\w*|fid\w*|kid\w*|swd|mode_kl|lpips|cycle_\w|error_\w+|bits_per_char|perplexity|ms_per_image\w*|\w*seconds"
)
HIGHER = (
    r"\w*accuracy|.+_r2|score|probe_\w+|knn|rank|spread|precision|recall|density|coverage|modes|psnr_y|ssim_y|mig\w*|disentanglement|completeness|informativeness|"
    r"(voc\d*_)?ap(\d+|_\w+)*|ar(\d+|_\w+)"
)
SUFFIX = r"(_(ab|ba|bicubic|srresnet))?"
"""Of a way of translating, or of the network that a score is of."""
BASELINE = re.compile(r".*(/samples|(?<!_over)_floor|_noise|/judge_accuracy)")
"""Metrics of the evaluation itself: nothing that a technique does makes them better."""


def better(metric: str) -> Literal["max", "min"] | None:
    """Whether a greater or a smaller value is better; None where the name does not tell, as of ``neighbour_ratio``.

    Args:
        metric: such as ``test/fid`` or ``best/val/accuracy``.
    """
    if BASELINE.fullmatch(metric):
        return None
    name = metric.rpartition("/")[2]
    if re.fullmatch(f"({LOWER}){SUFFIX}", name):
        return "min"
    return "max" if re.fullmatch(f"({HIGHER}){SUFFIX}", name) else None


def arrow(metric: str) -> str:
    """The metric with an arrow upwards or downwards, whichever is better: ``test/fid ↓``."""
    return metric + {"max": " ↑", "min": " ↓", None: ""}[better(metric)]
