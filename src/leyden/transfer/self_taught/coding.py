"""Sparse codes of images for a dictionary that is given, and the dictionary that makes them sparse."""

import warnings

import torch
from sklearn.decomposition import MiniBatchDictionaryLearning
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

STEPS = 300
"""Of FISTA; on digits codes are within 1e-4 of scikit-learn's coordinate descent then."""


def learn_dictionary(images: Tensor, atoms: int, beta: float, epochs: int, seed: int) -> Tensor:
    """The bases b_j of sparse coding (Raina et al. 2007, equation 1), by online dictionary learning (Mairal 2009).

        min_{b, a}  sum_i  ||x_i - sum_j a_ij b_j||^2 + beta ||a_i||_1,   ||b_j||^2 <= 1

    Args:
        images: (N, D) float64, centred.
        atoms: how many bases.
        beta: weight of the codes' absolute values; scikit-learn, which halves the squares, has alpha = beta / 2.
        epochs: passes over the images.
        seed: of their order, and of the first bases.

    Returns:
        (atoms, D), each of norm 1 at most.

    Raises:
        ValueError: no images.
    """
    if len(images) == 0:
        raise ValueError("there is no unlabelled image: set data.unlabelled_classes or data.unlabelled_images")
    learner = MiniBatchDictionaryLearning(
        n_components=atoms,
        alpha=beta / 2,
        max_iter=epochs,
        batch_size=64,
        fit_algorithm="cd",
        tol=0.0,
        max_no_improvement=None,
        random_state=seed,
    )
    with warnings.catch_warnings():
        # Codes within the fit should have a duality gap of 1e-8 ||x||^2, which is more than a dictionary needs.
        warnings.simplefilter("ignore", ConvergenceWarning)
        learner.fit(images.cpu().numpy())
    return torch.from_numpy(learner.components_).to(images)


def sparse_codes(images: Tensor, dictionary: Tensor, beta: float, steps: int = STEPS) -> Tensor:
    """The codes a (N, atoms) of images (N, D): equation 1 with its bases fixed (equation 2), by FISTA.

    Proximal gradient steps with momentum (Beck and Teboulle 2009), all images at once, on any device, so that the whole
    classifier is a network that can be exported.

    Args:
        images: (N, D) centred.
        dictionary: (atoms, D).
        beta: as of ``learn_dictionary``.
        steps: how many.
    """
    gram, target = dictionary @ dictionary.T, images @ dictionary.T
    length = torch.linalg.matrix_norm(gram, 2).clamp(min=1e-12)  # Lipschitz constant of half the squares' gradient
    codes = ahead = torch.zeros_like(target)
    momentum = 1.0
    for _ in range(steps):
        moved = ahead - (ahead @ gram - target) / length
        new = moved.sign() * (moved.abs() - beta / 2 / length).clamp(min=0)
        momentum, before = (1 + (1 + 4 * momentum**2) ** 0.5) / 2, momentum
        ahead = new + (before - 1) / momentum * (new - codes)
        codes = new
    return codes


def objective(images: Tensor, dictionary: Tensor, codes: Tensor, beta: float) -> Tensor:
    """() the mean over the images of equation 1."""
    return ((images - codes @ dictionary).square().sum(1) + beta * codes.abs().sum(1)).mean()
