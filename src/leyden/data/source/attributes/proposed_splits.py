"""Features and attributes of AwA, CUB, SUN or aPY in the files of Xian et al. 2018: res101.mat and att_splits.mat.

The "proposed splits" put no class of ImageNet into the test, as the features are those of a network trained on it.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from leyden.data.columns import LabelledRows
from leyden.data.source.attributes.files import attributes_of_mat, cell_words, load_mat
from leyden.data.source.attributes.table import Attributes
from leyden.data.source.rows.row_source import RowSource
from leyden.data.splits import Stage

PLACES: dict[Stage, tuple[str, ...]] = {
    "train": ("train_loc",),
    "val": ("val_loc",),
    "test": ("test_seen_loc", "test_unseen_loc"),
}
"""Which examples are whose, numbered from 1 as in MATLAB."""


class ProposedSplits(RowSource):
    """Rows of a folder: features (N, D), classes by their names, the attributes of each class.

    ``train_loc`` trains, ``val_loc`` (other classes) validates, ``test_seen_loc`` and ``test_unseen_loc`` are tested;
    ``trainval_loc`` of the files is the first two together, and what is fitted to both says so (``refit``).

    Args:
        root: that holds both files, such as ``xlsa17/data/AWA1``.
        features: name of the file with ``features`` (D, N) and ``labels`` (N, 1), without its ending.
    """

    def __init__(self, root: str, features: str = "res101") -> None:
        super().__init__(Path(root).name or "proposed_splits", "split")
        self.root, self.features = Path(root).expanduser(), features
        self._attributes: Attributes | None = None

    @property
    def attributes(self) -> Attributes:
        """A row for each class, in the files' order."""
        self.prepare()
        assert self._attributes is not None
        return self._attributes

    def prepare(self) -> None:
        """Reads both files.

        Raises:
            FileNotFoundError: one of them is missing.
            ValueError: one cannot be read or lacks a variable, or they do not belong together.
        """
        if self._splits:
            return
        file, places_file = self.root / f"{self.features}.mat", self.root / "att_splits.mat"
        content = load_mat(file, ("features", "labels"))
        keys = [key for own in PLACES.values() for key in own]
        places = load_mat(places_file, ("allclasses_names", *keys))
        self._attributes = attributes_of_mat(places_file)
        names = cell_words(places["allclasses_names"])
        rows = torch.from_numpy(np.ascontiguousarray(content["features"].T, np.float32))
        labels = torch.from_numpy(content["labels"].ravel().astype(np.int64)) - 1
        most = max(int(places[key].max(initial=0)) for key in keys)
        if len(rows) != len(labels) or most > len(rows) or int(labels.max()) >= len(names):
            raise ValueError(
                f"{file} has features of {len(rows)} examples and {len(labels)} labels up to {int(labels.max()) + 1}, "
                f"{places_file} {len(names)} classes and places up to {most}: take both from one folder"
            )
        splits = {stage: _taken(rows, labels, [places[key] for key in own]) for stage, own in PLACES.items()}
        self.set_splits(splits, names, [f"feature {i}" for i in range(rows.shape[1])])


def _taken(rows: Tensor, labels: Tensor, places: list[np.ndarray]) -> LabelledRows:
    chosen = torch.from_numpy(np.concatenate([place.ravel() for place in places]).astype(np.int64)) - 1
    return LabelledRows(rows[chosen], labels[chosen])
