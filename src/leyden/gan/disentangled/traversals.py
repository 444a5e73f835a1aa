"""Traversals: what an image becomes as one latent after the other goes from end to end."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from leyden.visualization.generated.rows_of_images import draw_rows

REACH, STEPS = 2.0, 9
"""From -2 to 2, in so many images: 95 % of what N(0, 1) draws."""
MOST_ROWS = 10


def traverse(latents: Tensor, place: int, reach: float = REACH, steps: int = STEPS) -> Tensor:
    """A latent vector (D,) with the one at ``place`` going from -reach to reach: (steps, D)."""
    rows = latents.repeat(steps, 1)
    rows[:, place] = torch.linspace(-reach, reach, steps, device=latents.device)
    return rows


def draw_traversals(
    decode: Callable[[Tensor], Tensor],
    latents: Tensor,
    labels: Sequence[str],
    importance: Tensor,
    image: Tensor | None = None,
    title: str = "",
) -> Tensor:
    """A row of images for each latent, the most important first.

    Args:
        decode: latents (N, D) to uint8 images (N, C, H, W).
        latents: (D,) where all but one stay.
        labels: D of them, of the rows.
        importance: (D,) that orders rows; of more than ten latents the ten most important are drawn.
        image: (C, H, W) uint8 that the latents are of; shown above beside what the decoder makes of them.
        title: above all.

    Returns:
        uint8 (3, H', W').
    """
    rows = {} if image is None else {"input, decoded": torch.stack([image, decode(latents[None])[0]])}
    for place in importance.argsort(descending=True)[:MOST_ROWS].tolist():
        rows[labels[place]] = decode(traverse(latents, place))
    # The first row holds other images than those that columns are about.
    columns = [f"{value:+.1f}" for value in torch.linspace(-REACH, REACH, STEPS).tolist()] if image is None else []
    return draw_rows({label: images.cpu() for label, images in rows.items()}, title, columns)
