"""Shapes from silhouettes: an encoder of one to three silhouettes and a generator of volumes (Wu et al. 2016, "Learning
a Probabilistic Latent Space of Object Shapes via 3D Generative-Adversarial Modeling", 3D-GAN), trained on pairs.

f turns silhouettes s into the probability that a voxel is occupied. It minimises, v being the shape,

    - mean_i w_i (v_i ln f(s)_i + (1 - v_i) ln(1 - f(s)_i))        w_i = ``positive_weight`` where v_i = 1, else 1
    - ``adversarial_weight`` E ln D(f(s))                          and D: -E ln D(v) - E ln(1 - D(f(s)))

Without weights an empty volume is a strong optimum, as few voxels are occupied; ``positive_weight: null`` balances both
kinds. D looks at whole volumes (4^3 kernels of stride 2, as the paper's). It would soon tell probabilities from zeros
and ones, so it steps only while it is right about less than ``discriminator_accuracy`` of the last batch (section 3.1).

While training, each view but the first is left out of an example with probability ``view_dropout``; what is left out is
grey. So one network takes the first view alone, too, as an image of a file is.

Where we depart: the paper's 3D-VAE-GAN draws a code from a distribution that an encoder of photographs describes, we
regress it from silhouettes; volumes are smaller than its 64^3 and channels fewer; the weights of voxels and the missing
views are ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from leyden.core.optim import Schedule
from leyden.core.technique import NO_OPTIONS, Predictions, PredictOptions
from leyden.data.columns import Volumes
from leyden.data.splits import fit_image
from leyden.gan.base import AdversarialTask, Player
from leyden.gan.options import AdversarialKwargs, AdversarialOptions
from leyden.gan.voxel.evaluation import ShapeEvaluation
from leyden.gan.voxel.files import shape_files, shape_row
from leyden.gan.voxel.nets import SilhouettesToVolume, VolumeDiscriminator
from leyden.gan.voxel.projection import View
from leyden.gan.voxel.resting import Rest
from leyden.visualization.generated.voxels import draw_voxels
from leyden.visualization.logging import logs_now


@dataclass(frozen=True)
class VoxelOptions(AdversarialOptions):
    """``AdversarialOptions`` for a regression with an adversary besides: the usual beta1, a rate that falls.

    Raises:
        ValueError: an option that has no meaning for volumes.
    """

    lr_generator: float = 2e-3
    lr_discriminator: float = 1e-4
    beta1: float = 0.9
    schedule: Schedule = "cosine"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("color_jitter", "translation", "cutout"):
            if vars(self)[name]:
                raise ValueError(f"model.{name} augments images, the discriminator sees volumes: set model.{name}=0")
        if self.n_critic != 1:
            raise ValueError("model.n_critic: the shapes are learned on every batch: set it to 1")
        if self.memory_format != "contiguous":
            raise ValueError("model.memory_format=channels_last is for images: set model.memory_format=contiguous")


class SilhouettesToShape(AdversarialTask):
    """Trains the networks on volumes with silhouettes; the highest ``val/iou`` chooses the best checkpoint.

    Args:
        class_names: one per class of the data; only the evaluation uses them.
        views: of the silhouettes: degrees around the vertical axis, or "top".
        volume_size: voxels along a side: 16, 24, 32 or 64.
        image_size: side of the silhouettes in pixels, a multiple of 8.
        base_channels: of the encoder's first convolution and of the generator's last stage.
        code_dim: length of the code between them.
        positive_weight: of an occupied voxel in the loss; None weighs all of a batch's occupied voxels as much as all
            of its empty ones.
        view_dropout: probability that a view other than the first is left out of a training example.
        threshold: a voxel whose probability is above it is occupied.
        adversarial_weight: of the adversarial loss; 0 leaves it and the discriminator out.
        discriminator_channels: of the discriminator's first convolution.
        discriminator_accuracy: from which share of a batch that it tells rightly the discriminator rests.
        options: see ``VoxelOptions``.

    Raises:
        ValueError: a size that the networks do not take, a share outside [0, 1], or an option does not fit.
    """

    options_type = VoxelOptions
    input_type: ClassVar[str] = "silhouettes"

    def __init__(
        self,
        class_names: list[str],
        views: list[View],
        volume_size: int,
        image_size: int,
        base_channels: int = 32,
        code_dim: int = 256,
        positive_weight: float | None = 2.0,
        view_dropout: float = 0.3,
        threshold: float = 0.5,
        adversarial_weight: float = 0.0,
        discriminator_channels: int = 16,
        discriminator_accuracy: float = 0.8,
        **options: Unpack[AdversarialKwargs],
    ) -> None:
        super().__init__(**options)
        self.save_hyperparameters(logger=False)
        _check(image_size, threshold, view_dropout, adversarial_weight)
        self.views, self.image_size = list(views), image_size
        self.positive_weight, self.view_dropout, self.threshold = positive_weight, view_dropout, threshold
        self.adversarial_weight = adversarial_weight
        self.evaluation = ShapeEvaluation(self.probabilities, class_names, self.views, threshold)
        self.generator = SilhouettesToVolume(len(views), image_size, volume_size, base_channels, code_dim)
        self.rest = Rest(discriminator_accuracy)
        players: dict[str, Player] = {}
        if adversarial_weight:
            self.discriminator = VolumeDiscriminator(volume_size, discriminator_channels)
            self.criterion.constrain(self.discriminator)
            lr, betas = self.options.lr_discriminator, (0.5, self.options.beta2)
            players["discriminator"] = Player(self.discriminator, self.discriminator_loss, lr, betas=betas)
        players["generator"] = Player(self.generator, self.generator_loss, self.options.lr_generator)
        self.set_players(**players)

    def turns(self) -> list[str]:
        """The generator always, the discriminator while it is not too good."""
        return self.rest.turns(super().turns())

    def prepare(self, batch: Volumes) -> tuple[Tensor, Tensor]:
        """The shapes and the logits of the networks' shapes, (N, 1, D, D, D)."""
        given = torch.rand(batch.silhouettes.shape[:2], device=self.device) >= self.view_dropout
        given[:, 0] = True
        return batch.volumes.float().unsqueeze(1), self.generator(shown(batch.silhouettes, given)).float()

    def critic(self, volumes: Tensor) -> Tensor:
        """D's float32 logits (N,) of volumes (N, 1, D, D, D) in [0, 1]."""
        return self.discriminator(volumes).float()

    def discriminator_loss(self, real: Tensor, logits: Tensor) -> Tensor:
        """-E ln D(v) - E ln(1 - D(f(s))), or as ``loss`` says, () with a graph to D."""
        return self.criterion.discriminator_loss(self.critic, real, logits.detach().sigmoid(), self.watch)

    def generator_loss(self, real: Tensor, logits: Tensor) -> Tensor:
        """The weighted cross entropy of the voxels, and the adversarial loss if there is one; () with a graph to f."""
        loss = occupancy_loss(logits, real, self.positive_weight)
        if not self.adversarial_weight:
            return loss
        if logs_now(self):
            self.log("train/occupancy_loss", loss.detach())
        with torch.no_grad():
            on_real = self.critic(real)
        on_fake = self.critic(logits.sigmoid())
        self.rest.see(self, on_real, on_fake.detach())
        return loss + self.adversarial_weight * self.criterion.loss.generator(on_real, on_fake)

    @torch.no_grad()
    def probabilities(self, silhouettes: Tensor, given: Tensor | None = None) -> Tensor:
        """Probabilities (N, D, D, D), by the averaged network, that voxels are occupied.

        Args:
            silhouettes: (N, V, S, S), 0 where a pixel is off.
            given: (N, V) bool, which views are shown; None shows all.
        """
        if given is None:
            given = torch.ones(silhouettes.shape[:2], dtype=torch.bool, device=silhouettes.device)
        images = shown(silhouettes, given)
        return torch.cat([self.ema(part).float().sigmoid()[:, 0] for part in images.split(256)])

    def predict(self, inputs: Sequence[Tensor], options: PredictOptions = NO_OPTIONS) -> Predictions:
        """The shapes behind silhouettes.

        Args:
            inputs: uint8 (C, H, W) of any sizes, C the first views of the training; an image of a file has the first
                alone. See ``binarised``.
            options: ``threshold`` of the probability.

        Returns:
            for each the ``views`` that were given, ``voxels`` and their ``share``; an image of the shape; and its
            files: a turning "gif", and, where the surface is closed, "obj" and "ply".

        Raises:
            ValueError: more views than in the training, a silhouette of one value alone, or another option.
        """
        options.only(self, "threshold")
        threshold = self.threshold if options.threshold is None else options.threshold
        if not 0 < threshold < 1:
            raise ValueError(f"--threshold {threshold}: a probability above 0 and below 1")
        rows: list[dict[str, Any]] = []
        images, files = [], []
        for image in inputs:
            count = len(image)
            silhouettes = torch.zeros(1, len(self.views), self.image_size, self.image_size)
            silhouettes[0, :count] = binarised(image, self.image_size, len(self.views))
            given = torch.arange(len(self.views)) < count
            field = self.probabilities(silhouettes.to(self.device), given[None].to(self.device))[0].cpu()
            rows.append({"views": [str(view) for view in self.views[:count]], **shape_row(field, threshold)})
            images.append(draw_voxels(field > threshold))
            files.append(shape_files(field, threshold))
        return Predictions(rows, images, files)


def shown(silhouettes: Tensor, given: Tensor) -> Tensor:
    """What the encoder sees of silhouettes (N, V, S, S): 1 on, -1 off, and 0 all over views that are not ``given``."""
    return (2 * (silhouettes > 0).float() - 1) * given[..., None, None]


def occupancy_loss(logits: Tensor, volumes: Tensor, positive_weight: float | None) -> Tensor:
    """The weighted cross entropy of voxels, a mean over all.

    Args:
        logits: of being occupied, any shape.
        volumes: 0 and 1, of that shape.
        positive_weight: of occupied voxels; None gives both kinds one half of the loss.

    Returns:
        ().
    """
    if positive_weight is not None:
        weight = volumes.new_tensor(positive_weight)
        return binary_cross_entropy_with_logits(logits, volumes, pos_weight=weight)
    occupied = volumes.mean().clamp(1e-6, 1 - 1e-6)
    weights = torch.where(volumes > 0, 0.5 / occupied, 0.5 / (1 - occupied))
    return binary_cross_entropy_with_logits(logits, volumes, weights)


def binarised(image: Tensor, size: int, views: int) -> Tensor:
    """A uint8 image (C, H, W) as silhouettes (C, size, size) of 0 and 1.

    A channel is cut in the middle between its darkest and its brightest value; on is what most of its border is not.

    Raises:
        ValueError: more than ``views`` channels, or one whose pixels are all alike.
    """
    if len(image) > views:
        raise ValueError(
            f"a silhouette with {len(image)} channels, the training had {views} views: give an image per view, grey"
        )
    low, high = image.float().amin((1, 2), keepdim=True), image.float().amax((1, 2), keepdim=True)
    if not (high > low).all():
        raise ValueError("a silhouette whose pixels are all alike: give a shape on a background, bright or dark")
    grey = (image.float() - low) / (high - low)
    border = torch.cat([grey[:, 0], grey[:, -1], grey[:, :, 0], grey[:, :, -1]], 1)
    grey = torch.where((border.mean(1) > 0.5)[:, None, None], 1 - grey, grey)
    # Resized before it is cut, so that thin parts do not fall between pixels; a channel is an image of its own.
    fitted = fit_image((255 * grey).round().to(torch.uint8).unsqueeze(1), size, 1).squeeze(1)
    return (fitted > 127).float()


def _check(image_size: int, threshold: float, view_dropout: float, adversarial_weight: float) -> None:
    if image_size % 8:
        raise ValueError(f"data.source.silhouette_size={image_size}: the encoder takes multiples of 8")
    if not 0 < threshold < 1 or not 0 <= view_dropout < 1 or adversarial_weight < 0:
        raise ValueError(
            f"model.threshold={threshold} is above 0 and below 1, model.view_dropout={view_dropout} from 0 to below 1, "
            f"model.adversarial_weight={adversarial_weight} from 0"
        )
