"""Train on synthetic rows, test on real ones (TSTR), beside what is there without a generator.

Rows of the comparison, by the names of their scores; generated rows fill up every class to the most frequent one's
number of training rows:

    real                the training rows as they are
    smote               beside them rows between neighbours of a class (Chawla et al. 2002)
    gaussian            rows of one Gaussian for each class alone, its covariance shrunk (Ledoit and Wolf 2004); words
                        by their frequencies in the class
    synthetic           generated rows alone
    real_and_synthetic  real ones beside generated ones
"""

import logging
from collections.abc import Sequence
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np
import torch
from sklearn.covariance import LedoitWolf
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from torch import Tensor

from leyden.data.specs import NUMBERS, WORDS, FittedColumnSpec
from leyden.gan.tabular.scores import Features

CLASSIFIERS = ("logistic", "forest")
NEIGHBOURS = 5
log = logging.getLogger(__name__)


class Labelled(NamedTuple):
    """Rows with classes."""

    rows: Tensor
    """(N, C) float64; the column of the class is not looked at."""
    labels: Tensor
    """(N,) int64."""


def missing_rows(labels: Tensor, classes: int, beside: bool) -> Tensor:
    """Classes (M,) of the rows to generate, so that all have as many as the most frequent one.

    Args:
        labels: (N,) int64 of the training rows.
        classes: how many there are; those without a training row are left out.
        beside: the generated rows stand beside the training rows; otherwise alone.
    """
    counts = labels.bincount(minlength=classes)
    wanted = torch.where(counts > 0, counts.max() - counts * beside, 0)
    return torch.repeat_interleave(torch.arange(classes), wanted)


def average_precisions(
    columns: Sequence[FittedColumnSpec], label: int, tables: dict[str, Labelled], test: Labelled
) -> dict[str, float]:
    """``ap_<row>_<classifier>``: average precision on real test rows of classifiers that were trained on each table.

    Of two classes that of the rarer among the real training rows; of more the mean over classes.

    Args:
        columns: of the table.
        label: number of the column with the classes.
        tables: to train on by name, "real" among them, whose means and deviations standardise all.
        test: real rows.
    """
    features = Features(columns, tables["real"].rows, without=label)
    counts = tables["real"].labels.bincount(minlength=len(columns[label]["categories"]))
    known = [place for place, count in enumerate(counts.tolist()) if count and (test.labels == place).any()]
    targets = [min(known, key=lambda place: int(counts[place]))] if len(known) == 2 else known
    points = features(test.rows).numpy()
    scores = {}
    for name, table in tables.items():
        for kind in CLASSIFIERS:
            if len(table.labels.unique()) < 2:  # a generator that makes one class alone teaches nothing
                scores[f"ap_{name}_{kind}"] = float(np.mean([(test.labels == t).double().mean() for t in targets]))
                continue
            model = _classifier(kind).fit(features(table.rows).numpy(), table.labels.numpy())
            guess = dict(zip(model.classes_, model.predict_proba(points).T, strict=True))
            found = [average_precision_score(test.labels == t, guess.get(t, np.zeros(len(points)))) for t in targets]
            scores[f"ap_{name}_{kind}"] = float(np.mean(found))
    return scores


def floors(columns: Sequence[FittedColumnSpec], label: int, train: Labelled, seed: int = 0) -> dict[str, Labelled]:
    """The tables "real", "smote" (where imbalanced-learn is installed) and "gaussian"."""
    tables = {"real": train, "gaussian": class_gaussians(columns, label, train, seed)}
    if find_spec("imblearn") is None:
        log.info("no row of SMOTE: pip install 'leyden[tables]'")
    else:
        tables["smote"] = smote(columns, label, train, seed)
    return tables


def smote(columns: Sequence[FittedColumnSpec], label: int, train: Labelled, seed: int = 0) -> Labelled:
    """The training rows and, of each rarer class, new ones between neighbours; words are the neighbours' most frequent.

    Raises:
        ImportError: imbalanced-learn is not installed.
    """
    from imblearn.over_sampling import SMOTE, SMOTEN, SMOTENC  # of the extra `tables`

    used = [n for n, column in enumerate(columns) if column["kind"] in (*NUMBERS, *WORDS) and n != label]
    words = [place for place, n in enumerate(used) if columns[n]["kind"] in WORDS]
    counts = train.labels.bincount()
    rare = int(counts[counts > 0].min())
    if rare < 2:  # there is nothing between one row and itself
        return train
    options = {"random_state": seed, "k_neighbors": min(NEIGHBOURS, rare - 1)}
    if not words:
        method = SMOTE(**options)
    else:
        method = SMOTEN(**options) if len(words) == len(used) else SMOTENC(words, **options)
    filled = _filled(train.rows[:, used]).numpy()
    rows, labels = method.fit_resample(filled, train.labels.numpy())
    whole = torch.zeros(len(rows), len(columns), dtype=torch.float64)
    whole[:, used] = torch.from_numpy(np.asarray(rows, np.float64))
    return Labelled(whole, torch.from_numpy(np.asarray(labels, np.int64)))


def class_gaussians(columns: Sequence[FittedColumnSpec], label: int, train: Labelled, seed: int = 0) -> Labelled:
    """Rows drawn from one Gaussian for each class, as many of each as the most frequent one has; words by frequency."""
    generator = np.random.default_rng(seed)
    numbers = [n for n, column in enumerate(columns) if column["kind"] in NUMBERS and n != label]
    words = [n for n, column in enumerate(columns) if column["kind"] in WORDS and n != label]
    labels = missing_rows(train.labels, int(train.labels.max()) + 1, beside=False)
    rows = torch.zeros(len(labels), len(columns), dtype=torch.float64)
    filled = _filled(train.rows[:, numbers])
    scale = filled.std(0, correction=0).clamp(min=1e-12)
    for place in labels.unique():
        own, wanted = train.labels == place, (labels == place).nonzero().flatten()
        if numbers:
            fitted = LedoitWolf().fit((filled[own] / scale).numpy())
            drawn = generator.multivariate_normal(fitted.location_, fitted.covariance_, len(wanted), method="eigh")
            rows[wanted[:, None], numbers] = torch.from_numpy(drawn) * scale
        for word in words:
            rows[wanted, word] = torch.from_numpy(generator.choice(train.rows[own, word].numpy(), len(wanted)))
    return Labelled(rows, labels)


def _filled(rows: Tensor) -> Tensor:
    """Rows with the column's mean in empty cells."""
    return torch.where(rows.isnan(), rows.nanmean(0), rows)


def _classifier(kind: str) -> LogisticRegression | RandomForestClassifier:
    return LogisticRegression(max_iter=2000) if kind == "logistic" else RandomForestClassifier(200, random_state=0)
