"""What Q learns from real images without their labels (Elastic-InfoGAN, Ojha et al. 2020).

InfoGAN's Q sees generated images alone, so it knows the ways to write a digit that G draws, and no others. In
Elastic-InfoGAN (NeurIPS 2020, "Elastic-InfoGAN: Unsupervised Disentangled Representation Learning in Class-Imbalanced
Data") it sees real ones, too: a change that keeps what is on an image must not change its category, and other images of
the batch are to have others. That is SimCLR's contrastive loss of two views of each real image, beside InfoGAN's terms.

Where we depart: Q's probabilities are compared, of which two views agree most where both are sure; how frequent the
categories are is not learnt, for they are expected to be even; each rank compares the images of its own batch.
"""

import torch
from torch import Tensor

from leyden.data.augment.geometry import DRAWS, random_affine, resample
from leyden.metrics.contrastive import nt_xent


def random_view(images: Tensor) -> Tensor:
    """Each image turned and sheared by up to 12 degrees, its area changed by up to a quarter, and moved a little.

    Args:
        images: (N, C, H, W), -1..1.

    Returns:
        (N, C, H, W), -1 beyond the border.
    """
    u = torch.rand(len(images), DRAWS, device=images.device)
    return resample(images + 1, random_affine(u, (0.8, 1.25), 1.2, 12, 12)) - 1


def agreement_loss(first: Tensor, second: Tensor, temperature: float = 0.5) -> Tensor:
    """NT-Xent (``leyden.metrics.contrastive``) of the categories' probabilities for two views of each image.

    Args:
        first: (N, K) logits of one view of each image.
        second: (N, K) logits of the other.
        temperature: of the cosines; above 0.

    Returns:
        () loss; log(2N - 1) where Q says the same of all.
    """
    return nt_xent(first.softmax(1), second.softmax(1), temperature)
