"""LAPGAN (Denton, Chintala, Szlam and Fergus 2015, "Deep Generative Image Models using a Laplacian Pyramid of
Adversarial Networks").

An image is a small picture and, for each doubling of its side, the detail that the enlarged picture lacks (see
``leyden.gan.noise_to_image.pyramid``). One GAN makes the small picture out of noise; at each finer level another makes
the detail h_k, given the enlarged picture l_k and noise. Sampling goes from coarse to fine, u being the enlargement
(eq. 3):

    I~_K = G_K(z_K),    I~_k = u(I~_{k+1}) + G_k(z_k, u(I~_{k+1}))

Training takes each level by itself (figure 2): D_k tells the details h_k of real images from G_k(z_k, l_k), and both
networks are given the l_k of *real* images, never what coarser generators make. D_k adds l_k to either before its first
convolution, so it looks at an image; G_k ends in a convolution without tanh, because a detail may reach from -2 to 2.

All levels share an optimizer for the generators and one for the discriminators, and a loss that is the sum over levels.
That is the same as training each level alone: no weight of one level is in another level's loss, so each gradient is
that of its own level's loss, and Adam treats every weight by itself. Only ``clip`` acts on all levels together.

Where we depart: the coarsest level is a small DCGAN instead of fully connected; details are made by 5x5 and judged by
4x4 convolutions instead of 7x7 and 5x5, D halving the side down to 4; Adam instead of momentum, no dropout; noise is
Gaussian instead of uniform; every batch shows D_k real and made details instead of tossing a coin for each image. As in
the authors' code are bilinear scaling both ways, one plane of noise per level, the class as one more plane, and no
normalisation where details are made or judged.
"""

from collections.abc import Sequence
from typing import Any, Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leyden.gan.noise_to_image.base import Judged, NoiseToImage
from leyden.gan.noise_to_image.dcgan import Norm, initialise, normalise
from leyden.gan.noise_to_image.pyramid import take_apart, up
from leyden.gan.penalties import Critic
from leyden.gan.pixels import to_signed, to_uint8
from leyden.visualization.grid import grid, side_by_side, upscale
from leyden.visualization.logging import log_image

Told = tuple[Tensor, Tensor | None]
"""What both networks of a level are told: low pass (N, C, S, S), 0 at the coarsest, and labels (N,) if conditional."""


def level_sides(image_size: int, coarsest: int) -> list[int]:
    """Sides of the pyramid's levels in pixels, fine to coarse.

    Raises:
        ValueError: ``coarsest`` is no power of two from 4, or ``image_size`` is not ``coarsest`` doubled once or more.
    """
    if coarsest < 4 or coarsest & (coarsest - 1):
        raise ValueError(f"the coarsest level's side is a power of two from 4, got model.coarsest={coarsest}")
    sides = [image_size]
    while sides[-1] > coarsest and sides[-1] % 2 == 0:
        sides.append(sides[-1] // 2)
    if sides[-1] != coarsest or len(sides) < 2:
        possible = ", ".join(str(coarsest << k) for k in range(1, 5))
        raise ValueError(
            f"from {coarsest} pixels LAPGAN makes images of side {possible}, ..., got {image_size}: "
            "set data.image_size to one of them, or model.coarsest"
        )
    return sides


class ClassPlane(nn.Module):
    """One more channel that says which class is meant, (N, 1, side, side): a learned picture per class."""

    def __init__(self, classes: int, side: int) -> None:
        super().__init__()
        self.classes, self.side = classes, side
        self.linear = nn.Linear(classes, side * side)

    def forward(self, labels: Tensor) -> Tensor:
        """(N,) int64 to (N, 1, side, side), at least 0."""
        one_hot = F.one_hot(labels, self.classes).float()
        return self.linear(one_hot).relu().view(-1, 1, self.side, self.side)


class CoarseGenerator(nn.Module):
    """G_K: noise (N, latent_dim), and a class, to small images (N, channels, side, side) in -1..1."""

    def __init__(self, channels: int, side: int, width: int, latent_dim: int, norm: Norm, classes: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(classes, latent_dim) if classes else None
        width *= side // 4
        layers: list[nn.Module] = [nn.Unflatten(1, (-1, 1, 1))]
        layers += [nn.ConvTranspose2d(latent_dim * (2 if classes else 1), width, 4, bias=norm == "none")]
        layers += [*normalise(width, norm), nn.ReLU(True)]
        while side > 4:
            layers += [nn.ConvTranspose2d(width, width // 2, 4, stride=2, padding=1, bias=norm == "none")]
            width, side = width // 2, side // 2
            layers += [*normalise(width, norm), nn.ReLU(True)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, channels, 3, padding=1), nn.Tanh())

    def forward(self, noise: Tensor, low_pass: Tensor | None, labels: Tensor | None) -> Tensor:
        """The small images; below them there is no low pass to look at."""
        if self.embed is not None:
            noise = torch.cat([noise, self.embed(labels)], 1)
        return self.layers(noise)


class DetailGenerator(nn.Module):
    """G_k: a plane of noise (N, side^2), a low pass and a class to the detail (N, channels, side, side), unbounded."""

    def __init__(self, channels: int, side: int, width: int, classes: int) -> None:
        super().__init__()
        self.plane = ClassPlane(classes, side) if classes else None
        self.layers = nn.Sequential(
            nn.Conv2d(channels + (2 if classes else 1), width, 5, padding=2),
            nn.ReLU(True),
            nn.Conv2d(width, width, 5, padding=2),
            nn.ReLU(True),
            nn.Conv2d(width, channels, 5, padding=2),
        )

    def forward(self, noise: Tensor, low_pass: Tensor, labels: Tensor | None) -> Tensor:
        """The detail that is added to ``low_pass`` (N, channels, side, side)."""
        planes = [noise.view(len(noise), 1, *low_pass.shape[-2:]), low_pass]
        if self.plane is not None:
            planes.append(self.plane(labels))
        return self.layers(torch.cat(planes, 1))


class Discriminator(nn.Module):
    """D_k: images (N, channels, side, side), low pass and detail together, and classes to logits (N,)."""

    def __init__(self, channels: int, side: int, width: int, norm: Norm, classes: int) -> None:
        super().__init__()
        self.plane = ClassPlane(classes, side) if classes else None
        planes = channels + (1 if classes else 0)
        if side > 8:
            layers: list[nn.Module] = [nn.Conv2d(planes, width, 4, stride=2, padding=1)]
            side //= 2
        else:  # halved at once, so small an image would leave nothing to look at
            layers = [nn.Conv2d(planes, width, 3, padding=1)]
        layers += [nn.LeakyReLU(0.2, True)]
        while side > 4:
            layers += [nn.Conv2d(width, 2 * width, 4, stride=2, padding=1, bias=norm == "none")]
            width, side = 2 * width, side // 2
            layers += [*normalise(width, norm), nn.LeakyReLU(0.2, True)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, 1, 4), nn.Flatten(0))

    def forward(self, images: Tensor, labels: Tensor | None) -> Tensor:
        """Positive logits mean real."""
        if self.plane is not None:
            images = torch.cat([images, self.plane(labels)], 1)
        return self.layers(images)


class Generators(nn.ModuleList):
    """G_0, ..., G_K, fine to coarse."""

    def forward(self, noise: Sequence[Tensor], labels: Tensor | None) -> list[tuple[Tensor, Tensor]]:
        """Samples through all levels, each detail for the low pass of what is already made (eq. 3 of the paper).

        Args:
            noise: z_0, ..., z_K.
            labels: (N,) int64, for conditional networks.

        Returns:
            low pass and detail (N, C, S, S) of each level, coarse to fine, in float32; the last two add to the image.
        """
        steps: list[tuple[Tensor, Tensor]] = []
        for generator, z in zip(reversed(self), reversed(noise), strict=True):
            low_pass = up(torch.add(*steps[-1])) if steps else None
            detail = generator(z, low_pass, labels).float()
            steps.append((torch.zeros_like(detail) if low_pass is None else low_pass, detail))
        return steps


class LAPGAN(NoiseToImage):
    """Trains a GAN per pyramid level on uint8 images; ``val/fid`` of whole samples chooses the best checkpoint.

    The losses in the log are sums over levels; curves and verdict of the game are those of the coarsest level.

    Args:
        class_names: one per class of the data; unconditional, only the judge of the samples uses them.
        channels: 1 for grey, 3 for RGB.
        image_size: side of the images in pixels: ``coarsest``, doubled once or more.
        coarsest: side of the small picture that everything begins with: 4, 8, 16 or another power of two.
        coarse_channels: channels of the coarsest level's layers nearest to the image, doubled at each halving.
        detail_channels: of all hidden layers of G at each finer level; D's first has twice as many, or it does not see
            that details are too strong, and all double from there.
        latent_dim: length of the coarsest level's noise; each finer one has a number per pixel.
        detail_every: finer levels learn from every so many batches, the coarsest, which is the cheapest and has most to
            learn, from all; levels are trained independently of each other.
        generator_norm: "batch", "layer" or "none"; the paper has none.
        discriminator_norm: likewise; a gradient penalty or R1 needs "layer" or "none".
        conditional: tells all networks the class (section 2.3).
        options: see ``NoiseToImage``.

    Raises:
        ValueError: ``image_size`` does not fit ``coarsest``, or an option does not fit.
    """

    generator: Generators
    discriminator: nn.ModuleList

    def __init__(
        self,
        class_names: list[str],
        channels: int,
        image_size: int,
        coarsest: int = 8,
        coarse_channels: int = 64,
        detail_channels: int = 32,
        latent_dim: int = 100,
        detail_every: int = 1,
        generator_norm: Norm = "batch",
        discriminator_norm: Norm = "batch",
        conditional: bool = False,
        **options: Unpack[Judged],
    ) -> None:
        sides = level_sides(image_size, coarsest)
        noise_sizes = [side * side for side in sides[:-1]] + [latent_dim]
        super().__init__(class_names, sum(noise_sizes), conditional, **options)
        self.save_hyperparameters(logger=False)
        if detail_every < 1:
            raise ValueError(f"model.detail_every={detail_every} counts batches, from 1")
        self.noise_sizes, self.detail_every = noise_sizes, detail_every
        classes = len(class_names) if conditional else 0
        generators = Generators(DetailGenerator(channels, side, detail_channels, classes) for side in sides[:-1])
        generators.append(CoarseGenerator(channels, coarsest, coarse_channels, latent_dim, generator_norm, classes))
        discriminators = nn.ModuleList(
            Discriminator(channels, side, 2 * detail_channels, "none", classes) for side in sides[:-1]
        )
        discriminators.append(Discriminator(channels, coarsest, coarse_channels, discriminator_norm, classes))
        initialise(generators[-1])
        initialise(discriminators[-1])
        self.play(generators, discriminators)

    def prepare(self, batch: Any) -> tuple[list[Tensor], list[Told]]:
        """Details h_k of the images, fine to coarse, and what is told at each level: low passes of the real images.

        Where the finer levels rest, there is only the coarsest.
        """
        details, low_passes = take_apart(to_signed(batch.images), len(self.noise_sizes))
        labels = batch.labels if self.conditional else None
        given: list[Told] = [(low_pass, labels) for low_pass in low_passes]
        return (details[-1:], given[-1:]) if self.global_step % self.detail_every else (details, given)

    def fake(self, real: list[Tensor], given: list[Told]) -> list[Tensor]:
        """Details G_k(z_k, l_k), shaped as ``real``."""
        noise = self.noise(len(real[0])).split(self.noise_sizes, 1)
        first = len(self.noise_sizes) - len(real)
        learning = zip(self.generator[first:], noise[first:], given, strict=True)
        return [generator(z, *told) for generator, z, told in learning]

    def critic(self, level: int, low_pass: Tensor, labels: Tensor | None) -> Critic:
        """D_level as a function of details (N, C, S, S) alone: it looks at their sums with ``low_pass``, changed."""
        return lambda detail: self.discriminator[level](self.change(low_pass + detail), labels).float()

    def critics(self, given: list[Told]) -> list[Critic]:
        """Those of the levels that learn."""
        first = len(self.noise_sizes) - len(given)
        return [self.critic(level, *told) for level, told in enumerate(given, start=first)]

    def discriminator_loss(self, real: list[Tensor], fake: list[Tensor], given: list[Told]) -> Tensor:
        """() the sum of the levels' losses. Health is watched at the coarsest, where the variety comes from."""
        coarsest = real[-1]
        levels = zip(self.critics(given), real, fake, strict=True)
        return torch.stack([self.tell_apart(critic, h, made, h is coarsest) for critic, h, made in levels]).sum()

    def generator_loss(self, real: list[Tensor], fake: list[Tensor], given: list[Told]) -> Tensor:
        """() the sum of the levels' losses."""
        levels = zip(self.critics(given), real, fake, strict=True)
        return torch.stack([self.pass_for_real(critic, h, made) for critic, h, made in levels]).sum()

    def generate(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """uint8 images (N, C, H, W) of the averaged generators for ``noise`` (N, all levels' sizes together)."""
        return to_uint8(torch.add(*self.compose(noise, labels)[-1]))

    @torch.no_grad()
    def compose(self, noise: Tensor, labels: Tensor | None = None) -> list[tuple[Tensor, Tensor]]:
        """Low pass and detail (N, C, S, S) of each level, coarse to fine, of the averaged generators."""
        return self.average(noise.split(self.noise_sizes, 1), labels)

    def on_validation_epoch_end(self) -> None:
        """Logs what all techniques do, and how samples come about."""
        super().on_validation_epoch_end()
        if not self.trainer.sanity_checking:
            log_image(self, "pyramid", self.ladder())

    def ladder(self, count: int = 4) -> Tensor:
        """Samples and below them real images, one per row, level by level, (3, H, W) uint8; grey is a detail of 0."""
        made = self.compose(self.fixed_noise[:count], self._cycle(count))
        details, low_passes = take_apart(to_signed(self.judge.train_images[:count]), len(self.noise_sizes))
        real = list(zip(reversed(low_passes), reversed(details), strict=True))
        return torch.cat([_columns("made", made), _columns("real", real)], 1)


def _columns(whose: str, steps: list[tuple[Tensor, Tensor]]) -> Tensor:
    """The coarsest images, then for each finer level low pass, detail and their sum: (3, H, W) uint8."""
    small = steps[0][1]
    columns = {f"{whose}, {small.shape[-1]} px": small}
    for low_pass, detail in steps[1:]:
        side = detail.shape[-1]
        columns |= {f"up to {side}": low_pass, f"detail {side}": detail, f"sum, {side} px": low_pass + detail}
    width = max(128, steps[-1][1].shape[-1])  # or a title would not fit
    return side_by_side({title: grid(upscale(to_uint8(images), width), columns=1) for title, images in columns.items()})
