"""scikit-learn's tables drawn with a bias: a source domain for importance weights beside ``tables``."""

from leyden.data.source.builtin.tables import Tables
from leyden.data.source.shifted.selection_bias import biased_draw
from leyden.data.splits import STAGES


class BiasedTables(Tables):
    """Training and validation rows drawn along their first principal component (``biased_draw``); the test is left.

    Args:
        name: "breast_cancer" or "wine".
        count: training rows that are drawn, of 341 of breast cancer, 107 of wine.
        strength: of the bias; 0: none.
        seed: of the draw.

    Raises:
        ValueError: another name, more rows than there are, or a negative strength.
    """

    def __init__(self, name: str = "breast_cancer", count: int = 60, strength: float = 2.0, seed: int = 0) -> None:
        super().__init__(name)
        if strength < 0:
            raise ValueError(f"data.source.strength={strength}: should be 0 or more")
        whole = {stage: self.split(stage) for stage in STAGES}
        counts = {"train": count, "val": max(1, round(count * len(whole["val"]) / len(whole["train"])))}
        for stage in STAGES[:2]:
            train = whole["train"].columns.rows
            chosen = biased_draw(whole[stage].columns.rows, counts[stage], strength, seed, along=train)
            self._splits[stage] = whole[stage].take(chosen)
        self.name = f"biased_{name}"
