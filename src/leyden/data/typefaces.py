"""Characters drawn in the typefaces that matplotlib ships, and seen a little turned, moved, larger or paler."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional as F

FOLDER = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
UNICODE_FACES = (
    *(f"DejaVuSans{cut}" for cut in ("", "-Bold", "-Oblique", "-BoldOblique")),
    *(f"DejaVuSansMono{cut}" for cut in ("", "-Bold", "-Oblique", "-BoldOblique")),
    *(f"DejaVuSerif{cut}" for cut in ("", "-Bold", "-Italic", "-BoldItalic")),
    *(f"STIXGeneral{cut}" for cut in ("", "Bol", "Italic", "BolIta")),
)
"""The sixteen that have Latin, Greek and Cyrillic letters."""
FACES = (*UNICODE_FACES, "cmr10", "cmb10", "cmss10", "cmtt10")
"""All twenty text faces; the last four, Computer Modern, have Latin letters and digits alone."""

OVERSAMPLING = 2
"""Characters are drawn and changed at so many times the size, then averaged: smooth edges at any angle."""
FILLED = 0.75
"""Height of the tallest part of a character, as a fraction of the image's side, before it is changed."""


def printed(
    characters: Sequence[str], faces: Sequence[str], per_face: int, image_size: int, degrees: float, seed: int
) -> tuple[Tensor, Tensor]:
    """Images of each character in each typeface, typeface after typeface.

    Args:
        characters: one letter or digit each.
        faces: names of ``FACES``.
        per_face: images of each character in each typeface.
        image_size: side S in pixels.
        degrees: see ``vary``.
        seed: of the random changes.

    Returns:
        uint8 (N, 1, S, S), N = characters x faces x per_face, and of each the number of its character, (N,) int64.
    """
    drawn = torch.cat([draw(characters, face, image_size) for face in faces])
    images = vary(drawn.repeat_interleave(per_face, 0), degrees, torch.Generator().manual_seed(seed))
    return images, torch.arange(len(characters)).repeat(len(faces)).repeat_interleave(per_face)


def draw(characters: Sequence[str], face: str, image_size: int) -> Tensor:
    """Characters in white on black, centred, all of one height: (len(characters), S, S) float32 in 0..1, S oversampled.

    Args:
        characters: one letter or digit each.
        face: a name of ``FACES``.
        image_size: side in pixels of what they are drawn for.
    """
    side = OVERSAMPLING * image_size
    font = ImageFont.truetype(str(FOLDER / f"{face}.ttf"), 2 * side)
    return torch.stack([_fitted(character, font, side) for character in characters])


def _fitted(character: str, font: ImageFont.FreeTypeFont, side: int) -> Tensor:
    left, top, right, bottom = font.getbbox(character)
    image = Image.new("L", (round(right - left), round(bottom - top)))
    ImageDraw.Draw(image).text((-left, -top), character, fill=255, font=font)
    scale = FILLED * side / max(image.size)
    width, height = (max(1, round(length * scale)) for length in image.size)
    canvas = Image.new("L", (side, side))
    canvas.paste(image.resize((width, height), Image.Resampling.LANCZOS), ((side - width) // 2, (side - height) // 2))
    return torch.from_numpy(np.asarray(canvas, dtype=np.float32) / 255)


def vary(drawn: Tensor, degrees: float, generator: torch.Generator) -> Tensor:
    """Each character as if it had been written anew: uint8 images (N, 1, S / OVERSAMPLING, S / OVERSAMPLING).

    It is turned by up to ``degrees`` to either side, made up to 20 % smaller or 10 % larger, moved by up to 6 % of the
    side, and as bright as 60 to 100 %.

    Args:
        drawn: (N, S, S) float32 in 0..1, of ``draw``.
        degrees: greatest rotation.
        generator: of the random changes; they are a pure function of its state and of N.
    """
    count, side = len(drawn), drawn.shape[-1]
    turn, size, right, down, light = torch.rand(5, count, generator=generator)
    angle = torch.deg2rad((2 * turn - 1) * degrees)
    scale = 1 / (0.8 + 0.3 * size)  # the grid walks through the source: a larger step makes a smaller character
    theta = torch.stack(
        [
            torch.stack([angle.cos() * scale, -angle.sin() * scale, 0.12 * (2 * right - 1)], 1),
            torch.stack([angle.sin() * scale, angle.cos() * scale, 0.12 * (2 * down - 1)], 1),
        ],
        1,
    )
    parts = []
    for start in range(0, count, 1024):
        part = slice(start, start + 1024)
        grid = F.affine_grid(theta[part], [len(theta[part]), 1, side, side], align_corners=False)
        changed = F.grid_sample(drawn[part].unsqueeze(1), grid, align_corners=False)
        bright = (0.6 + 0.4 * light[part]).view(-1, 1, 1, 1)
        parts.append((F.avg_pool2d(changed, OVERSAMPLING) * bright * 255).round().to(torch.uint8))
    return torch.cat(parts)
