"""SimCLR (Chen et al. 2020, "A Simple Framework for Contrastive Learning of Visual Representations").

Two random views of each of N images; of 2N views each must be recognised as the partner of one other:

    z = g(f(x)),   s_ij = z_i z_j / (|z_i| |z_j|),
    l_ij = -log( exp(s_ij / tau) / sum_{k != i} exp(s_ik / tau) ),   loss = mean of l over all 2N views   (eq. 1)

with a backbone f, whose features are what other tasks use, and a projection g that is thrown away (sec. 4.2).
A loss of log(2N - 1) means that all views have one embedding, so nothing was learnt: ``val/loss_uninformed``.

Under DDP the embeddings of all ranks are gathered with their gradients, so that N is the batch of all ranks together.

Departures from the paper: AdamW, not LARS, as batches are hundreds of images, not thousands; a small backbone for small
images. Batch norms see both views of a batch together, as in the authors' code, but those of one rank only
(``trainer.sync_batchnorm=true`` on GPUs lets them see all, as the paper has it).
"""

import math
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from leyden.metrics.contrastive import nt_xent
from leyden.transfer.self_supervised.base import SelfSupervisedTask, two_views


class Projection(nn.Sequential):
    """Features to embeddings by two layers, batch norm and ReLU between them (sec. 4.2 and the authors' code).

    Args:
        features: length of a feature vector.
        hidden: units of the hidden layer.
        out: length of an embedding.
    """

    def __init__(self, features: int, hidden: int, out: int) -> None:
        super().__init__(
            nn.Linear(features, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, out)
        )


class SimCLR(SelfSupervisedTask):
    """A backbone that learns to tell images apart whatever view of them it sees.

    Args:
        channels: of the images; given by the data.
        image_size: side of the square images in pixels; given by the data.
        tau: temperature of the loss; the paper has 0.1 for long, 0.5 for short training.
        hidden: units of the projection's hidden layer.
        projection: length of the embeddings that are compared.
        options: the fields of ``leyden.transfer.self_supervised.options.SelfSupervisedOptions``.

    Raises:
        ValueError: tau is not above 0, an unknown backbone, images that it cannot take, or an option out of its range.
    """

    can_collapse = True

    def __init__(
        self,
        channels: int,
        image_size: int,
        tau: float = 0.3,
        hidden: int = 256,
        projection: int = 64,
        **options: Any,
    ) -> None:
        super().__init__(channels, image_size, **options)
        if tau <= 0:
            raise ValueError(f"model.tau={tau}: a temperature above 0, such as 0.3")
        self.save_hyperparameters(logger=False)
        self.tau = tau
        self.projection = Projection(self.backbone.num_features, hidden, projection)

    def embeddings(self, images: Tensor) -> Tensor:
        """uint8 images (B, C, S, S) to projections (B, D)."""
        return self.projection(self.backbone(images))

    def loss(self, batch: Any) -> Tensor:
        """NT-Xent of the two views of each image, in training among the images of all ranks."""
        views = two_views(batch, "SimCLR")
        first, second = self.embeddings(torch.cat(views)).float().chunk(2)
        ranks = dist.get_world_size() if self.training and dist.is_available() and dist.is_initialized() else 1
        if self.training and len(first) * ranks < 2:
            raise ValueError(
                "a batch of one image: its two views have no others to be told from. Set data.batch_size to 2 or more, "
                "better 256, and give two training images or more"
            )
        if ranks == 1:
            return nt_xent(first, second, self.tau)
        mine = len(first)
        first, second = (self.all_gather(z, sync_grads=True).flatten(0, 1) for z in (first, second))  # type: ignore[union-attr]
        return nt_xent(first, second, self.tau, self.global_rank, mine)

    def uninformed_loss(self, images: Tensor) -> float:
        """log(2N - 1) for N images whose views all have one embedding."""
        return math.log(2 * len(images) - 1)
