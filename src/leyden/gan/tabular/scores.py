"""How near generated rows are to real ones: column by column, in their correlations, to a classifier, as copies."""

from collections.abc import Sequence

import numpy as np
import torch
from scipy.stats import ks_2samp
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from torch import Tensor
from torch.nn.functional import one_hot

from leyden.data.specs import NUMBERS, WORDS, FittedColumnSpec
from leyden.metrics.generated.fidelity import nearest_ratio


def column_distances(columns: Sequence[FittedColumnSpec], real: Tensor, generated: Tensor) -> dict[str, float]:
    """Of each column that is modelled, the Kolmogorov-Smirnov distance of numbers, the total variation of words; 0..1.

    Empty cells are compared by their shares: the greater of both differences counts.

    Args:
        columns: C.
        real: (N, C) float64, N >= 1.
        generated: (M, C), M >= 1.
    """
    found = {}
    for number, column in enumerate(columns):
        one, other = real[:, number].numpy(), generated[:, number].numpy()
        if column["kind"] in NUMBERS:
            empty = [np.isnan(cells) for cells in (one, other)]
            known = [cells[~gone] for cells, gone in zip((one, other), empty, strict=True)]
            apart = float(ks_2samp(*known).statistic) if all(map(len, known)) else float(len(known[0]) != len(known[1]))
            found[column["name"]] = max(apart, abs(float(empty[0].mean() - empty[1].mean())))
        elif column["kind"] in WORDS:
            most = len(column["categories"])
            shares = [np.bincount(cells.astype(int), minlength=most) / len(cells) for cells in (one, other)]
            found[column["name"]] = float(np.abs(shares[0] - shares[1]).sum() / 2)
    return found


class Features:
    """Rows as points for classifiers and distances: standardised numbers (empty: 0, and a mark), one-hots of words.

    Args:
        columns: C.
        real: (N, C) float64; their means and deviations standardise all.
        without: number of a column that is left out, such as the label.
    """

    def __init__(self, columns: Sequence[FittedColumnSpec], real: Tensor, without: int | None = None) -> None:
        self.columns = list(columns)
        self.numbers = [n for n, column in enumerate(columns) if column["kind"] in NUMBERS and n != without]
        self.words = [n for n, column in enumerate(columns) if column["kind"] in WORDS and n != without]
        self.names = [columns[n]["name"] for n in self.numbers]
        self.names += [f"{columns[n]['name']}={word}" for n in self.words for word in columns[n]["categories"]]
        chosen = real[:, self.numbers]
        self.mean = chosen.nanmean(0)
        spread = (chosen - self.mean).square().nanmean(0).sqrt()
        self.std = torch.where(spread > 0, spread, 1.0)
        self.marked = [place for place, n in enumerate(self.numbers) if columns[n]["missing"] > 0]

    def __call__(self, rows: Tensor) -> Tensor:
        """(N, F) float32 of rows (N, C)."""
        numbers = (rows[:, self.numbers] - self.mean) / self.std
        words = [one_hot(rows[:, n].long(), len(self.columns[n]["categories"])) for n in self.words]
        marks = numbers[:, self.marked].isnan()
        return torch.cat([numbers.nan_to_num(), *words, marks], 1).float()


def correlations(points: Tensor) -> np.ndarray:
    """Pearson's, (F, F) of points (N, F); 0 where a feature does not vary."""
    centred = points.double().numpy() - points.double().numpy().mean(0)
    norm = np.linalg.norm(centred, axis=0)
    centred = centred / np.where(norm > 1e-9, norm, 1.0)
    return centred.T @ centred


def correlation_distance(real: Tensor, generated: Tensor) -> float:
    """Mean absolute difference of the correlations of all pairs of features, of points (N, F) and (M, F); 0..2."""
    if real.shape[1] < 2:
        return 0.0
    apart = np.abs(correlations(real) - correlations(generated))
    return float(apart[np.triu_indices(len(apart), 1)].mean())


def detection_auc(real: Tensor, generated: Tensor) -> float:
    """Area under the ROC curve of a random forest that tells generated points from real ones, by three folds.

    0.5: it cannot; 1: it always can. Folds of points that are copies of each other would be easier than they are.

    Args:
        real: (N, F), N >= 3.
        generated: (M, F), M >= 3.
    """
    points = torch.cat([real, generated]).numpy()
    labels = np.repeat([0, 1], [len(real), len(generated)])
    forest = RandomForestClassifier(100, min_samples_leaf=2, random_state=0)
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    guess = cross_val_predict(forest, points, labels, cv=folds, method="predict_proba")[:, 1]
    return float(roc_auc_score(labels, guess))


def neighbour_ratio(train: Tensor, test: Tensor, generated: Tensor) -> float:
    """Distance of generated points to their nearest training row over that of test rows: 1 like new, 0 copies."""
    return float(nearest_ratio(generated, test, train))
