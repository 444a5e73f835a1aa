"""A folder of MATLAB files, one for each domain, such as Office-Caltech10's SURF histograms."""

from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from leyden.data.source.rows.row_source import Protocol, RowSource

Normalise = Literal["sum", "none"]


class MatFolder(RowSource):
    """The domain of a folder's file that a word names; in it are features ``fts`` (N, D) and classes ``labels`` (N,).

    Office-Caltech10 (Gong et al. 2012) has the domains amazon 958, Caltech10 1,123, dslr 157 and webcam 295 images of
    the same ten classes, each a histogram of 800 visual words: ``amazon_SURF_L10.mat`` and so on.

    Args:
        root: that holds the files.
        domain: the beginning of a file's name, in any case: "amazon", "caltech", "dslr", "webcam".
        normalise: "sum" divides each row by its sum, as of histograms; "none" leaves rows as they are.
        protocol: "whole" or "split", see ``RowSource``.

    Raises:
        ValueError: another word for ``normalise`` or ``protocol``.
    """

    domain: str

    def __init__(self, root: str, domain: str, normalise: Normalise = "sum", protocol: Protocol = "whole") -> None:
        super().__init__(domain, protocol)
        if normalise not in get_args(Normalise):
            raise ValueError(f"data.source.normalise={normalise!r}: there are {', '.join(get_args(Normalise))}")
        self.root, self.domain, self.normalise = Path(root).expanduser(), domain, normalise

    def prepare(self) -> None:
        """Reads the file.

        Raises:
            FileNotFoundError: the folder has no such file; the message names those that it has.
            ValueError: several files begin with the word, one cannot be read, or lacks ``fts`` or ``labels``.
        """
        if self._splits:
            return
        file = self._file()
        try:
            content = loadmat(file)
        except (MatReadError, ValueError, OSError) as error:
            raise ValueError(f"{file}: no MATLAB file that can be read ({error})") from error
        if absent := [name for name in ("fts", "labels") if name not in content]:
            held = [name for name in content if not name.startswith("__")]
            raise ValueError(
                f"{file} has no {absent[0]!r}: save features as fts (N, D) and classes as labels (N, 1), got {held}"
            )
        rows = torch.from_numpy(content["fts"].astype(np.float64))
        if self.normalise == "sum":
            rows = rows / rows.sum(1, keepdim=True)
        found, labels = np.unique(content["labels"].ravel(), return_inverse=True)
        self.set_rows(rows, torch.from_numpy(labels).long(), [f"{value:g}" for value in found.tolist()])

    def _file(self) -> Path:
        files = sorted(self.root.glob("*.mat"))
        if not files:
            raise FileNotFoundError(
                f"no .mat file in {self.root} (looked from {Path.cwd()}): set paths.data or data.source.root to "
                "the folder of the domains' files"
            )
        fitting = [file for file in files if file.name.lower().startswith(self.domain.lower())]
        if len(fitting) != 1:
            kind = ValueError if fitting else FileNotFoundError
            raise kind(
                f"data.source.domain={self.domain!r} begins the names of {len(fitting)} files in {self.root}: "
                f"there are {', '.join(file.name for file in files)}"
            )
        return fitting[0]
