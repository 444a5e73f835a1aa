"""scikit-learn's real tables: breast cancer and wine, inside the installed package."""

from typing import ClassVar

import torch
from sklearn.datasets import load_breast_cancer, load_wine

from leyden.core.splits import stratified
from leyden.data.columns import LabelledRows
from leyden.data.source import Source
from leyden.data.splits import InMemory, Stage

LOADERS = {"breast_cancer": load_breast_cancer, "wine": load_wine}


class Tables(Source):
    """Rows of float32 features with a class.

    Every feature is standardised by the mean and the population standard deviation of the training split, so nothing
    of the other two leaks into it. The splits, 60 / 10 / 30 %, are stratified and never change.

    Args:
        name: "breast_cancer" (569 rows, 30 features, 2 classes) or "wine" (178 rows, 13 features, 3 classes).

    Raises:
        ValueError: another name.
    """

    produces: ClassVar[str] = "rows"

    def __init__(self, name: str) -> None:
        if name not in LOADERS:
            raise ValueError(f"data.source.name={name!r}: there are the tables {', '.join(LOADERS)}")
        table = LOADERS[name]()
        self.name = name
        self.class_names = [str(class_name) for class_name in table.target_names]
        self.feature_names = [str(feature) for feature in table.feature_names]
        labels = torch.from_numpy(table.target).long()
        train, val, test = stratified(labels, (0.6, 0.1, 0.3))
        self._indices = {"train": train, "val": val, "test": test}
        rows = torch.from_numpy(table.data)
        std, mean = torch.std_mean(rows[train], dim=0, correction=0)
        self._columns = LabelledRows(((rows - mean) / std).float(), labels)

    def split(self, stage: Stage) -> InMemory[LabelledRows]:
        """Rows (N, features) float32, standardised, and labels (N,)."""
        return InMemory(InMemory(self._columns).take(self._indices[stage]))
