"""How good a network is on a domain whose labels nobody has: criteria that choose a checkpoint without them.

- ``entropy``: mean entropy of the predictions (Morerio et al. 2018). A network that says one class of everything has
  the best of all values.
- ``im``: mutual information of images and predictions, H(mean prediction) - mean H(prediction) (Krause et al. 2010,
  Shi and Sha 2012): sure of each image, and not of one class alone.
- ``snd``: soft neighbourhood density (Saito et al. 2021, "Tune it the Right Way", eq. 2 to 4): the entropy of the
  similarities of each image's prediction to all others', high where predictions lie in dense groups.
- ``dev``: deep embedded validation (You et al. 2019, "Towards Accurate Model Selection in Deep Unsupervised Domain
  Adaptation", alg. 1): the source's validation loss, each image weighted by how much it looks like the target, with
  a control variate.

``a_distance`` measures how far the domains are apart (Ben-David et al. 2007).

skada (``skada.metrics``, 0.6) has three of these. Where values differ: its mean entropy is divided by the number of
classes as well; its SND turns the sign of an image's similarity to itself, where the paper takes it out; its DEV
multiplies a column of weights by a row of losses unless it is given a loss that is a column.
"""

from typing import Literal

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch.nn import functional as F

Selection = Literal["source", "entropy", "im", "snd", "dev"]
MONITORS: dict[Selection, tuple[str, Literal["min", "max"]]] = {
    "source": ("val/accuracy", "max"),
    "entropy": ("val/entropy", "min"),
    "im": ("val/im", "max"),
    "snd": ("val/snd", "max"),
    "dev": ("val/dev", "min"),
}
"""The metric behind each word, and which of its values is best."""


def entropies(probabilities: Tensor) -> Tensor:
    """-sum p log p of each row: (..., classes) to (...), in nats; 0 log 0 is 0."""
    return torch.special.entr(probabilities).sum(-1)


def mean_entropy(probabilities: Tensor) -> Tensor:
    """The mean of the rows' entropies, from (N, classes) probabilities to ()."""
    return entropies(probabilities).mean()


def mutual_information(probabilities: Tensor) -> Tensor:
    """H(mean of rows) - mean of H(row), from (N, classes) probabilities to (); 0 to log classes."""
    return entropies(probabilities.mean(0)) - mean_entropy(probabilities)


def soft_neighbourhood_density(probabilities: Tensor, temperature: float = 0.05) -> Tensor:
    """SND of predictions, higher is better.

    Args:
        probabilities: (N, classes), N >= 3.
        temperature: tau of eq. 2.

    Returns:
        () mean entropy of softmax(cosine similarities / tau) without each row's own, 0 to log(N - 1).
    """
    rows = F.normalize(probabilities)
    similarity = (rows @ rows.T / temperature).fill_diagonal_(-torch.inf)
    return entropies(similarity.softmax(1)).mean()


def dev_risk(losses: Tensor, weights: Tensor) -> float:
    """DEV of alg. 1: mean(w l) + eta mean(w) - eta with eta = -Cov(w l, w) / Var(w), both unbiased.

    Args:
        losses: (N,) of the source's validation images.
        weights: (N,) how much each looks like the target, see ``target_likeness``.
    """
    weighted, w = (weights * losses).double(), weights.double()
    variance = w.var()
    covariance = ((weighted - weighted.mean()) * (w - w.mean())).sum() / (len(w) - 1)
    eta = -covariance / variance if variance > 0 else torch.zeros(())
    return float(weighted.mean() + eta * w.mean() - eta)


def target_likeness(train: Tensor, target: Tensor, asked: Tensor) -> Tensor:
    """Density ratio p_target(x) / p_source(x) of source features by a logistic regression between the domains.

    Args:
        train: (Ns, F) features of the source's training images.
        target: (Nt, F) features of the target.
        asked: (N, F) features of the source's validation images.

    Returns:
        (N,) float64 weights Ns / Nt * P(target | x) / P(source | x).
    """
    classifier = _fit_domains(train, target)
    log_odds = torch.from_numpy(classifier.decision_function(asked.double().cpu().numpy()))
    return len(train) / len(target) * (-log_odds).exp()  # the classifier's class 1 is the source


def a_distance(source: Tensor, target: Tensor) -> float:
    """Proxy A-distance 2 (1 - 2 error) of a linear classifier between the domains, on features that it has not seen.

    It is fitted to one half and asked about the other, both ways. An error above 1/2 counts as 1 - error: it tells the
    domains apart as well. 0: no linear classifier can, 2: without a mistake.

    Args:
        source: (Ns, F) features.
        target: (Nt, F) features.
    """
    halves = [(source[i::2], target[i::2]) for i in (0, 1)]
    errors = [_error(_fit_domains(*fitted), *asked) for fitted, asked in (halves, halves[::-1])]
    error = float(np.mean([min(error, 1 - error) for error in errors]))
    return 2 * (1 - 2 * error)


def _fit_domains(source: Tensor, target: Tensor) -> Pipeline:
    x = torch.cat([source, target]).double().cpu().numpy()
    y = np.r_[np.ones(len(source)), np.zeros(len(target))]
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(x, y)


def _error(classifier: Pipeline, source: Tensor, target: Tensor) -> float:
    """The mean of both domains' errors, so that a larger domain counts no more."""
    told = [classifier.predict(x.double().cpu().numpy()) for x in (source, target)]
    return float(((told[0] == 0).mean() + (told[1] == 1).mean()) / 2)
