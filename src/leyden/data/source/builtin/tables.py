"""scikit-learn's real tables: breast cancer and wine, inside the installed package."""

from typing import Literal

import torch
from sklearn.datasets import load_breast_cancer, load_wine

from leyden.data.source import Source
from leyden.data.splits import InMemory, stratified

LOADERS = {"breast_cancer": load_breast_cancer, "wine": load_wine}


class Tables(Source):
    """Rows of float32 features with a class; ``channels`` and ``image_size`` mean nothing here.

    Every feature is standardised by the mean and the population standard deviation of the training split, so nothing
    of the other two leaks into it. The splits, 60 / 10 / 30 %, are stratified and never change.

    Args:
        name: "breast_cancer" (569 rows, 30 features, 2 classes) or "wine" (178 rows, 13 features, 3 classes).

    Raises:
        ValueError: another name.
    """

    produces = "rows"

    def __init__(self, name: str) -> None:
        if name not in LOADERS:
            raise ValueError(f"data.source.name={name!r}: there are the tables {', '.join(LOADERS)}")
        table = LOADERS[name]()
        self.name = name
        self.class_names = [str(class_name) for class_name in table.target_names]
        self.feature_names = [str(feature) for feature in table.feature_names]
        self._labels = torch.from_numpy(table.target).long()
        train, val, test = stratified(self._labels, (0.6, 0.1, 0.3))
        self._indices = {"train": train, "val": val, "test": test}
        rows = torch.from_numpy(table.data)
        std, mean = torch.std_mean(rows[train], dim=0, correction=0)
        self._rows = ((rows - mean) / std).float()

    def split(self, stage: Literal["train", "val", "test"]) -> InMemory:
        """Rows (N, features) float32, standardised, and labels (N,)."""
        return InMemory(*InMemory(self._rows, self._labels).take(self._indices[stage]))
