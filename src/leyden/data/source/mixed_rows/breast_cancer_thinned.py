"""scikit-learn's breast cancer, whose malignant tumours are made as rare as fraud in the training split alone."""

import torch
from sklearn.datasets import load_breast_cancer

from leyden.data.source.mixed_rows.mixed_source import MixedSource
from leyden.data.specs import ColumnSpec

CLASSES = ("benign", "malignant")


class BreastCancerThinned(MixedSource):
    """569 rows, 30 measurements of cells and a diagnosis (Street et al. 1993), 37 % malignant.

    The splits, 60 / 10 / 30 %, are stratified and never change. Validation and test keep all their malignant rows, so a
    score of the test is that of rare training rows, not of a rare test.

    Args:
        positives: malignant rows of the training split, of 127; null: all.
        seed: which ones.

    Raises:
        ValueError: there are not so many.
    """

    name = "breast_cancer_thinned"

    def __init__(self, positives: int | None = 10, seed: int = 0) -> None:
        table = load_breast_cancer()
        columns = [
            ColumnSpec(name=str(name), kind="continuous", categories=[], date_format="") for name in table.feature_names
        ]
        columns.append(ColumnSpec(name="diagnosis", kind="category", categories=list(CLASSES), date_format=""))
        labels = torch.from_numpy(1.0 - table.target)  # there 1 is benign
        self.set_table(columns, torch.cat([torch.from_numpy(table.data), labels.unsqueeze(1)], 1), "diagnosis")
        if positives is not None:
            self.thin(1, positives, seed)
