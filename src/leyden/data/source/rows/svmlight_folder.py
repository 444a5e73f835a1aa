"""A folder of svmlight files, a pair for each domain, such as the Amazon reviews of the shallow DANN paper."""

from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from sklearn.datasets import load_svmlight_files
from torch import Tensor
from torch.nn import functional as F

from leyden.core.splits import check_holdout, stratified
from leyden.data.columns import LabelledRows
from leyden.data.source.rows.row_source import RowSource

Scale = Literal["none", "binary", "unit"]


class SvmlightFolder(RowSource):
    """The domain of a folder's files ``<domain>_train.svmlight`` and ``<domain>_test.svmlight``, also ``.gz``.

    A part of the first validates. Features are dense float32: 5,000 of 2,000 reviews take 40 MB.

    Args:
        root: that holds the files.
        domain: how their names begin, such as "books", "dvd", "electronics", "kitchen".
        holdout: the part of the training rows that validates, stratified.
        scale: "none": numbers as they are; "binary": 1 for what is not 0; "unit": ln(1 + count), rows of length 1.

    Raises:
        ValueError: ``holdout`` is not above 0 and below 1, or another word for ``scale``.
    """

    domain: str

    def __init__(self, root: str, domain: str, holdout: float = 0.1, scale: Scale = "none") -> None:
        super().__init__(domain, "split")
        check_holdout(holdout)
        if scale not in get_args(Scale):
            raise ValueError(f"data.source.scale={scale!r}: there are {', '.join(get_args(Scale))}")
        self.root, self.domain, self.holdout, self.scale = Path(root).expanduser(), domain, holdout, scale

    def prepare(self) -> None:
        """Reads both files.

        Raises:
            FileNotFoundError: one is missing; the message names the domains that there are.
            ValueError: one is no svmlight file.
        """
        if self._splits:
            return
        files = [self._file(part) for part in ("train", "test")]
        try:
            train, train_classes, test, test_classes = load_svmlight_files([str(file) for file in files])
        except (ValueError, OSError) as error:
            raise ValueError(
                f"{files[0].parent}: {self.domain} is no svmlight file that can be read ({error})"
            ) from error
        found = np.unique(train_classes)
        if strange := sorted(set(test_classes.tolist()) - set(found.tolist())):
            raise ValueError(f"{files[1]} has a class {strange[0]:g} that {files[0].name} has not")
        whole, test = (
            LabelledRows(
                scaled(torch.from_numpy(rows.toarray()).float(), self.scale),
                torch.from_numpy(np.searchsorted(found, classes)).long(),
            )
            for rows, classes in ((train, train_classes), (test, test_classes))
        )
        kept, held = stratified(whole.labels, (1 - self.holdout, self.holdout))
        names = [f"{value:g}" for value in found.tolist()]
        self.set_splits(
            {
                "train": LabelledRows(whole.rows[kept], whole.labels[kept]),
                "val": LabelledRows(whole.rows[held], whole.labels[held]),
                "test": test,
            },
            names,
            [f"feature {i}" for i in range(whole.rows.shape[1])],
        )

    def _file(self, part: str) -> Path:
        for ending in (".svmlight.gz", ".svmlight"):
            if (file := self.root / f"{self.domain}_{part}{ending}").is_file():
                return file
        domains = sorted({file.name.rsplit("_", 1)[0] for file in self.root.glob("*_train.svmlight*")})
        there = f"it has {', '.join(domains)}" if domains else f"looked from {Path.cwd()}"
        raise FileNotFoundError(
            f"{self.root} has no {self.domain}_{part}.svmlight or .svmlight.gz ({there}): set data.source.domain"
        )


def scaled(counts: Tensor, scale: Scale) -> Tensor:
    """Rows (N, D) of counts as ``SvmlightFolder`` says."""
    if scale == "binary":
        return (counts != 0).float()
    return F.normalize(counts.log1p()) if scale == "unit" else counts
