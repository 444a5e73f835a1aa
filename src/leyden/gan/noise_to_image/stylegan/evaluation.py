"""What styles do: a matrix of mixed styles and a strip of truncated ones, beside the scores of samples."""

from typing import Literal

import torch
from torch import Tensor

from leyden.gan.base import AdversarialTask
from leyden.gan.noise_to_image.evaluation import SamplingEvaluation
from leyden.gan.noise_to_image.stylegan.nets import Generator
from leyden.gan.pixels import to_uint8
from leyden.visualization.grid import grid, side_by_side, upscale
from leyden.visualization.logging import log_image

PSI = (1.0, 0.75, 0.5, 0.25, 0.0, -0.5, -1.0)
"""Truncations of the strip; below 0 is the opposite of a style."""
SOURCES = 7
"""Styles in each row and column of the matrix, rows of the strip."""


class StyleEvaluation(SamplingEvaluation):
    """Evaluates samples, and at the test's end shows mixed and truncated styles of the averaged generator."""

    main_image = "styles"

    def end(self, task: AdversarialTask, stage: Literal["val", "test"]) -> None:
        """Logs scores and images; ``styles`` in the test."""
        super().end(task, stage)
        if stage == "test" and not task.trainer.sanity_checking:
            generator = task.ema.network.eval()
            assert isinstance(generator, Generator)
            noise = self.sampler.fixed_noise
            matrix = mixing_matrix(generator, noise[:SOURCES], noise[SOURCES : 2 * SOURCES])
            strip = truncation_strip(generator, noise[:SOURCES])
            psi = ", ".join(f"{value:g}" for value in PSI)
            titles = {
                "coarse styles of the left column, fine ones of the top row": matrix,
                f"truncation psi {psi}": strip,
            }
            log_image(task, "styles", side_by_side({title: upscale(image) for title, image in titles.items()}))


@torch.no_grad()
def mixing_matrix(generator: Generator, coarse: Tensor, fine: Tensor) -> Tensor:
    """Images of pairs of styles (Karras et al. 2019, figure 3): the row's in the coarser half of the layers.

    Args:
        generator: in evaluation.
        coarse: noise (A, latent_dim) of the rows; their images are the left column.
        fine: noise (B, latent_dim) of the columns; their images are the top row.

    Returns:
        uint8 grid (3, H, W) of A + 1 rows and B + 1 columns, the corner blank.
    """
    rows, columns = (generator.mapping(noise) for noise in (coarse, fine))
    own = to_uint8(generator.synthesis(generator.repeat(torch.cat([rows, columns]))))
    pairs = rows.repeat_interleave(len(columns), 0), columns.repeat(len(rows), 1)
    crossover = torch.full((len(pairs[0]), 1), generator.count // 2, device=coarse.device)
    mixed = to_uint8(generator.synthesis(generator.mix(*pairs, crossover)))
    body = torch.cat([own[: len(rows)].unsqueeze(1), mixed.unflatten(0, (len(rows), len(columns)))], dim=1)
    top = torch.cat([torch.full_like(own[:1], 255), own[len(rows) :]])
    return grid(torch.cat([top, body.flatten(0, 1)]), columns=len(columns) + 1)


@torch.no_grad()
def truncation_strip(generator: Generator, noise: Tensor, psi: tuple[float, ...] = PSI) -> Tensor:
    """uint8 grid (3, H, W): a row for each noise vector (N, latent_dim), a column for each truncation."""
    w = generator.mapping(noise)
    each = torch.stack([generator.mapping.truncate(w, value) for value in psi], dim=1).flatten(0, 1)
    return grid(to_uint8(generator.synthesis(generator.repeat(each))), columns=len(psi))
