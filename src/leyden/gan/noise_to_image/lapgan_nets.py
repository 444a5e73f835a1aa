"""The networks of LAPGAN (Denton et al. 2015): a generator and a discriminator for each level of the pyramid."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leyden.gan.noise_to_image.dcgan import Norm, normalise
from leyden.gan.noise_to_image.pyramid import up


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
    """One more channel that says which class is meant, (N, 1, side, side): a learned image per class."""

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
