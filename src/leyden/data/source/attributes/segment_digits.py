"""Handwritten digits described by what a seven-segment display lights up for them: attributes that nobody wrote."""

import torch

from leyden.data.source.attributes.table import Attributes
from leyden.data.source.builtin.digits import Digits

SEGMENTS = ["top", "upper left", "upper right", "middle", "lower left", "lower right", "bottom"]
LIT = ["1110111", "0010010", "1011101", "1011011", "0111010", "1101011", "1101111", "1010010", "1111111", "1111011"]
"""Of each digit, in the order of ``SEGMENTS``."""
HOLES = [1, 0, 0, 0, 0, 0, 1, 0, 2, 1]
"""Closed loops of each digit."""


class SegmentDigits(Digits):
    """scikit-learn's digits (``Digits``) with eight attributes: seven segments, lit or not, and the share of two holes.

    Attributes describe a sign, not a hand: no segment has a place of its own among handwritten strokes.
    """

    name = "segment_digits"

    @property
    def attributes(self) -> Attributes:
        """(10, 8): 1 for a segment that is lit, and holes / 2."""
        rows = [[*map(float, lit), holes / 2] for lit, holes in zip(LIT, HOLES, strict=True)]
        return Attributes(list(self.class_names), [*SEGMENTS, "holes"], torch.tensor(rows))
