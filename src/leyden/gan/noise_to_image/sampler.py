"""Samples of a generator that draws from noise: for people, in grids, and for programs."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from leyden.core.technique import Predictions
from leyden.visualization.grid import grid, side_by_side, upscale

Generate = Callable[[Tensor, Tensor | None], Tensor]
"""Noise (N, latent_dim), and classes (N,) for conditional techniques, to uint8 images (N, C, H, W)."""


class NoiseSampler(nn.Module):
    """Draws noise and classes and has images generated from them.

    Args:
        generate: makes the images; changes nothing of the training state.
        latent_dim: length of the noise vector.
        class_names: one per class of the data; may be empty if ``conditional`` is false.
        conditional: whether images are made for a class.

    Raises:
        ValueError: ``conditional``, and the data have fewer than two classes.
    """

    fixed_noise: Tensor
    """(64, latent_dim) the noise of every sample grid; a buffer, so it travels in the checkpoint."""

    def __init__(self, generate: Generate, latent_dim: int, class_names: list[str], conditional: bool = False) -> None:
        super().__init__()
        if conditional and len(class_names) < 2:
            raise ValueError("these data have no classes to ask for: choose another data/source or a model without")
        self.generate = generate
        self.latent_dim = latent_dim
        self.class_names = class_names
        self.conditional = conditional
        self.register_buffer("fixed_noise", torch.randn(64, latent_dim, generator=torch.Generator().manual_seed(0)))

    def noise(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """``count`` vectors (N, latent_dim) from N(0, I), drawn on the CPU if ``generator`` is given."""
        device = self.fixed_noise.device
        drawn_on = generator.device if generator else device
        return torch.randn(count, self.latent_dim, generator=generator, device=drawn_on).to(device)

    def cycle(self, count: int) -> Tensor | None:
        """Classes (count,) in turn; None if the technique is not conditional."""
        device = self.fixed_noise.device
        return torch.arange(count, device=device) % len(self.class_names) if self.conditional else None

    def images(self, noise: Tensor, labels: Tensor | None) -> Tensor:
        """Images uint8 (N, C, H, W) of noise (N, latent_dim) and classes (N,)."""
        return in_parts(self.generate, noise, labels)

    @torch.no_grad()
    def sample(self, count: int, label: str | None = None, seed: int | None = None) -> Predictions:
        """A row and an image, 128 pixels or more, for each of ``count`` samples; see ``core.technique.Samples``.

        Raises:
            ValueError: a class is asked for and the technique is not conditional, or there is no such class.
        """
        rows, noise, labels = self._asked(count, label, seed)
        return Predictions(rows, [shown(image) for image in self.images(noise, labels).cpu()])

    @torch.no_grad()
    def sample_beside(
        self, generators: dict[str, Generate], count: int, label: str | None = None, seed: int | None = None
    ) -> Predictions:
        """The same of several generators: each image has what all make of one noise, side by side under their names."""
        rows, noise, labels = self._asked(count, label, seed)
        drawn = [in_parts(generate, noise, labels).cpu() for generate in generators.values()]
        images = [dict(zip(generators, map(shown, alike), strict=True)) for alike in zip(*drawn, strict=True)]
        return Predictions(rows, [side_by_side(titled) for titled in images])

    def _asked(
        self, count: int, label: str | None, seed: int | None
    ) -> tuple[list[dict[str, Any]], Tensor, Tensor | None]:
        """What stands in the rows of samples, their noise (N, latent_dim) and classes (N,)."""
        labels = self.cycle(count) if label is None else self._class(label).expand(count)
        noise = self.noise(count, None if seed is None else torch.Generator().manual_seed(seed))
        rows: list[dict[str, Any]] = [{"sample": i} for i in range(count)]
        if labels is not None:
            names = [self.class_names[number] for number in labels.tolist()]
            rows = [row | {"class": name} for row, name in zip(rows, names, strict=True)]
        return rows, noise, labels

    @torch.no_grad()
    def sheet(self) -> Tensor:
        """A grid (3, H, W) uint8 of the fixed noise: a row for each class, a noise vector for each column."""
        if not self.conditional:
            return upscale(grid(self.generate(self.fixed_noise, None)))
        classes = len(self.class_names)
        labels = torch.arange(classes, device=self.fixed_noise.device).repeat_interleave(8)
        return upscale(grid(self.generate(self.fixed_noise[:8].repeat(classes, 1), labels)))

    @torch.no_grad()
    def walks(self) -> Tensor:
        """A grid (3, H, W) uint8 whose rows go from one noise vector to another, each within one class."""
        classes = self.cycle(8)
        labels = None if classes is None else classes.repeat_interleave(8)
        return upscale(grid(self.generate(interpolate(self.fixed_noise[:16]), labels), columns=8))

    def _class(self, label: str) -> Tensor:
        if not self.conditional:
            raise ValueError("this model has no classes to ask for: leave the class out")
        if label in self.class_names:
            return torch.tensor(self.class_names.index(label), device=self.fixed_noise.device)
        if label.isdecimal() and int(label) < len(self.class_names):
            return torch.tensor(int(label), device=self.fixed_noise.device)
        raise ValueError(f"no class {label!r}: the data have {', '.join(self.class_names)}")


def in_parts(generate: Generate, noise: Tensor, labels: Tensor | None, size: int = 256) -> Tensor:
    """What ``generate`` makes of noise (N, latent_dim) and classes (N,), ``size`` at a time."""
    parts = [slice(start, start + size) for start in range(0, len(noise), size)]
    return torch.cat([generate(noise[part], labels if labels is None else labels[part]) for part in parts])


def shown(image: Tensor) -> Tensor:
    """A sample uint8 (C, H, W) in colour, 128 pixels or more."""
    return upscale(image.expand(3, -1, -1), 128)


def interpolate(noise: Tensor, steps: int = 8) -> Tensor:
    """Walks from noise vector 0 to 1, from 2 to 3 and so on, along great circles.

    The straight line between two Gaussian vectors passes through norms that the generator never saw; spherical
    interpolation keeps them (White 2016): sin((1-t)w)/sin(w) a + sin(tw)/sin(w) b, w the angle between a and b.

    Args:
        noise: (2N, D) end points.
        steps: vectors per walk, the end points included.

    Returns:
        (N * steps, D), walk after walk.
    """
    start, end = noise[0::2].unsqueeze(1), noise[1::2].unsqueeze(1)
    angle = torch.acos(nn.functional.cosine_similarity(start, end, dim=-1).clamp(-1 + 1e-6, 1 - 1e-6)).unsqueeze(-1)
    t = torch.linspace(0, 1, steps, device=noise.device).view(1, -1, 1)
    walk = (((1 - t) * angle).sin() * start + (t * angle).sin() * end) / angle.sin()
    return walk.flatten(0, 1)
