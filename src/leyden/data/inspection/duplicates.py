"""Images that are the same but for their encoding, their size or a light crop.

A perceptual hash of each image (pHash, Zauner 2010, by the library imagehash) proposes pairs, and an alignment of the
two decides. Measured by ``tests/benchmarks/duplicates.py`` on sets on which the bounds had been chosen:

- Images that are called like another one of their set: 0 of 397 photographs of ants and bees, 2 of 364 blood smears
  (the same slides, a moment later), 1 of T91's 91 (the same zebra), 69 of the 400 AT&T faces.
- Copies that are found, as JPEG of quality 30 and half the size: 100 of 100 photographs and smears, 94 of T91's and
  Set5's 96; also cropped by 3 % or 5 % of both sides, anywhere: 92 and 90, 100 and 100, 69 and 71; by 8 %: 73, 91, 64.
  Copies whose shorter side falls below ``MIN_SIDE`` are not found (the faces').
- Digits and clothes of 28 pixels look like each other, so images below ``MIN_SIDE`` are compared by their exact pixels
  alone.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import imagehash
import numpy as np
from PIL import Image
from skimage.feature import match_template
from torch import Tensor
from torchvision.transforms.v2.functional import to_pil_image

MIN_SIDE = 48
"""Pixels of the shorter side."""
MAX_DISTANCE = 12
"""Of the 64 bits of two hashes that may differ."""
MIN_CORRELATION = 0.97
"""Of the grey values of two images, laid over each other."""
MARGINS = (0, 0.025, 0.05)
"""What is cut off each side of an image for its hashes: a copy that is cropped is like one of them."""
MAX_ALIGNED = 1000
"""Pairs that are laid over each other, those with the likest hashes first."""
SIDE, DETAIL, BORDER = 96, 32, 3
"""Pixels: of the images that are laid over each other, of what they are blurred to before, and of the play."""
CONTRAST = 2
"""Standard deviation of the grey values below which an image is flat, and like every other flat one."""


class Pair(NamedTuple):
    """Two images that are alike, by their numbers."""

    first: int
    second: int


def fingerprints(image: Tensor) -> np.ndarray | None:
    """Hashes (3,) uint64 of an image uint8 (C, H, W), one for each of ``MARGINS``; None below ``MIN_SIDE``."""
    if min(image.shape[-2:]) < MIN_SIDE:
        return None
    grey = to_pil_image(image).convert("L")
    grey.thumbnail((256, 256), Image.Resampling.BOX)
    width, height = grey.size
    boxes = [(round(width * m), round(height * m), round(width * (1 - m)), round(height * (1 - m))) for m in MARGINS]
    bits = np.stack([imagehash.phash(grey.crop(box)).hash.ravel() for box in boxes])
    return np.packbits(bits, axis=1).view(np.uint64)[:, 0]


def find_alike(
    hashes: np.ndarray, groups: np.ndarray, image: Callable[[int], Tensor], workers: int | None = None
) -> tuple[list[Pair], int]:
    """Pairs of images of different groups that are alike: of each image the likest one of an earlier group.

    Args:
        hashes: (N, 3) uint64, see ``fingerprints``.
        groups: (N,) int64, such as the number of the split.
        image: decodes one: uint8 (C, H, W).
        workers: threads that lay images over each other; None: one for each core.

    Returns:
        The pairs, by their second image, and how many pairs with like hashes were not looked at, being more than
        ``MAX_ALIGNED``.
    """
    near = sorted(near for group in np.unique(groups)[1:] for near in _near(hashes, groups, group))
    looked = near[:MAX_ALIGNED]
    with ThreadPoolExecutor(workers) as pool:
        alike = list(pool.map(lambda pair: are_alike(image(pair[2]), image(pair[1])), looked))
    found: dict[int, int] = {}
    for (_, second, first), same in zip(looked, alike, strict=True):
        if same:
            found.setdefault(second, first)
    return [Pair(first, second) for second, first in sorted(found.items())], len(near) - len(looked)


def _near(hashes: np.ndarray, groups: np.ndarray, group: int) -> list[tuple[int, int, int]]:
    """(distance, second, first) for images of ``group`` and of earlier ones."""
    earlier, own = np.flatnonzero(groups < group), np.flatnonzero(groups == group)
    pairs = []
    for second in own:
        distances = np.bitwise_count(hashes[earlier] ^ hashes[second, 0]).min(1)
        for margin in range(1, len(MARGINS)):
            np.minimum(distances, np.bitwise_count(hashes[earlier, 0] ^ hashes[second, margin]), out=distances)
        close = np.flatnonzero(distances <= MAX_DISTANCE)
        pairs += [(int(distances[i]), int(second), int(earlier[i])) for i in close]
    return pairs


def are_alike(first: Tensor, second: Tensor) -> bool:
    """Whether one of two images uint8 (C, H, W) is the other, or a light crop of it, but for noise."""
    greys = (to_pil_image(image).convert("L") for image in (first, second))
    a, b = (grey.resize((DETAIL, DETAIL), Image.Resampling.BOX) for grey in greys)
    if min(np.asarray(a).std(), np.asarray(b).std()) < CONTRAST:
        return False
    return max(_correlation(a, b), _correlation(b, a)) >= MIN_CORRELATION


def _correlation(whole: Image.Image, part: Image.Image) -> float:
    """The best over places and scales at which ``part`` may lie in ``whole``."""
    target = _enlarged(whole, SIDE)

    def at(scale: float) -> float:
        template = _enlarged(part, round(SIDE * scale))[BORDER:-BORDER, BORDER:-BORDER]
        return float(match_template(target, template).max())

    scores = {scale: at(scale) for scale in (1, 0.97, 0.94, 0.91, 0.88)}
    best = max(scores, key=lambda scale: scores[scale])
    if scores[best] < 0.8:  # no finer scale will save it
        return scores[best]
    return max(scores[best], *(at(best + step) for step in (-0.02, -0.01, 0.01, 0.02) if best + step <= 1))


def _enlarged(image: Image.Image, side: int) -> np.ndarray:
    return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC), dtype=np.float64)
