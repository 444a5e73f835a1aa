"""scikit-learn's real tables: breast cancer and wine, inside the installed package."""

import torch

from leyden.core.splits import stratified
from leyden.data.columns import LabelledRows
from leyden.data.source.rows.row_source import RowSource
from leyden.data.splits import STAGES, InMemory

NAMES = ("breast_cancer", "wine")


class Tables(RowSource):
    """Rows of float32 features with a class.

    Every feature is standardised by the mean and the population standard deviation of the training split, so nothing
    of the other two leaks into it. The splits, 60 / 10 / 30 %, are stratified and never change.

    Args:
        name: "breast_cancer" (569 rows, 30 features, 2 classes) or "wine" (178 rows, 13 features, 3 classes).

    Raises:
        ValueError: another name.
    """

    def __init__(self, name: str) -> None:
        if name not in NAMES:
            raise ValueError(f"data.source.name={name!r}: there are the tables {', '.join(NAMES)}")
        from sklearn import datasets  # here: a quarter of a second, with pandas

        table = getattr(datasets, f"load_{name}")()
        super().__init__(name, "split")
        labels = torch.from_numpy(table.target).long()
        parts = stratified(labels, (0.6, 0.1, 0.3))
        rows = torch.from_numpy(table.data)
        std, mean = torch.std_mean(rows[parts[0]], dim=0, correction=0)
        whole = InMemory(LabelledRows(((rows - mean) / std).float(), labels))
        splits = {stage: whole.take(indices) for stage, indices in zip(STAGES, parts, strict=True)}
        self.set_splits(splits, [str(name) for name in table.target_names], [str(name) for name in table.feature_names])
