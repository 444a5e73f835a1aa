"""Real colour photographs that lie inside scikit-image and scikit-learn, cropped into patches."""

from collections.abc import Sequence
from pathlib import Path

import skimage
import sklearn
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from leyden.data.columns import Images
from leyden.data.source import ImageSource
from leyden.data.splits import InMemory, Stage

FOLDERS = (Path(skimage.__file__).parent / "data", Path(sklearn.__file__).parent / "datasets" / "images")
PHOTOGRAPHS = {
    "train": ["astronaut.png", "coffee.png", "motorcycle_left.png", "rocket.jpg", "flower.jpg", "ihc.png"],
    "val": ["chelsea.png"],
    "test": ["china.jpg"],
}
"""Who is in which split. Left out: grey images, drawings, motorcycle_right.png (the other eye of motorcycle_left.png)
and the nearly empty hubble_deep_field.jpg and retina.jpg."""
REGIONS: dict[Stage, tuple[float, float]] = {"train": (0.0, 0.7), "val": (0.7, 0.8), "test": (0.8, 1.0)}
"""Which part of each photograph's regions, in random order, belongs to a split."""
SCALES = (1.0, 0.71, 0.5, 0.35)
"""Sizes, relative to the original, at which patches are cut."""


class ImagePatches(ImageSource):
    """Patches of real photographs, without classes.

    The three splits use different photographs, so no patch of one overlaps a patch of another: training sees an
    astronaut, coffee, a motorcycle, a rocket, a flower and stained tissue, validation a cat, testing a Chinese
    pavilion. Patches of one split may overlap each other. With ``region`` all splits see the first six, divided into
    squares each of which belongs to one split: no pixel is in two of them, but what is on the photographs is.

    Args:
        image_size: side of the square patches in pixels.
        train: patches for training.
        val: patches for validation.
        test: patches for testing.
        region: side in pixels of the squares, about; None: a photograph belongs to one split as a whole.
        seed: of their places; the same for every run unless it is set.

    Raises:
        ValueError: a region is smaller than a patch.
    """

    name = "image_patches"
    channels = 3

    def __init__(
        self,
        image_size: int = 64,
        train: int = 2000,
        val: int = 200,
        test: int = 500,
        region: int | None = None,
        seed: int = 0,
    ) -> None:
        if region is not None and region < image_size:
            raise ValueError(
                f"data.source.region={region} is smaller than patches of {image_size} pixels: set it to three times as "
                "many, so that patches of all scales fit"
            )
        self.image_size, self.region = image_size, region
        self.counts = {"train": train, "val": val, "test": test}
        self.seed = seed

    def split(self, stage: Stage) -> InMemory[Images]:
        """Patches (N, 3, image_size, image_size)."""
        generator = stage_generator(self.seed, stage)
        whole = photographs(stage) if self.region is None else regions(stage, self.region)
        return InMemory(Images(cut(whole, self.counts[stage], self.image_size, generator)))


def stage_generator(seed: int, stage: str) -> torch.Generator:
    """Random numbers for one split, different in all three."""
    return torch.Generator().manual_seed(seed * 3 + ["train", "val", "test"].index(stage))


def photographs(stage: str) -> list[Tensor]:
    """The photographs of a split, each uint8 (3, H, W).

    Raises:
        FileNotFoundError: an installed package lacks one of them.
    """
    return [read_photograph(name) for name in PHOTOGRAPHS[stage]]


def regions(stage: Stage, side: int) -> list[Tensor]:
    """A split's regions of the training photographs, uint8 (3, h, w) with h and w of about ``side`` pixels.

    Each photograph is divided evenly; 70 % of its regions are for training, 10 % for validation, 20 % for the test,
    always the same ones.
    """
    found = []
    for number, photograph in enumerate(photographs("train")):
        rows = photograph.tensor_split(max(1, round(photograph.shape[1] / side)), 1)
        squares = [square for row in rows for square in row.tensor_split(max(1, round(row.shape[2] / side)), 2)]
        order = torch.randperm(len(squares), generator=torch.Generator().manual_seed(number)).tolist()
        first, last = (round(share * len(squares)) for share in REGIONS[stage])
        found += [squares[place] for place in sorted(order[first:last])]
    return found


def read_photograph(name: str) -> Tensor:
    """A photograph of the two packages by its file's name: uint8 (3, H, W), grey ones with three equal channels.

    Raises:
        FileNotFoundError: an installed package lacks it.
    """
    path = next((folder / name for folder in FOLDERS if (folder / name).is_file()), None)
    if path is None:
        raise FileNotFoundError(f"{name} is neither in {FOLDERS[0]} nor in {FOLDERS[1]}: reinstall both packages")
    with Image.open(path) as image:
        return F.pil_to_tensor(image.convert("RGB"))


def patches(stage: str, count: int, size: int, generator: torch.Generator) -> Tensor:
    """Cuts squares from a split's photographs, see ``cut``."""
    return cut(photographs(stage), count, size, generator)


def cut(whole: Sequence[Tensor], count: int, size: int, generator: torch.Generator) -> Tensor:
    """Cuts squares from photographs, each photograph and each of its ``SCALES`` as often as any other.

    A photograph that is smaller than a patch is enlarged; a scale that would make it smaller than one is left out.

    Args:
        whole: uint8 (3, H, W) each.
        count: of the patches.
        size: their side in pixels.
        generator: of their places.

    Returns:
        (count, 3, size, size) uint8.
    """
    pyramids = [_pyramid(photograph, size) for photograph in whole]
    images = torch.empty(count, 3, size, size, dtype=torch.uint8)
    for image, u in zip(images, torch.rand(count, 4, generator=generator).tolist(), strict=True):
        pyramid = pyramids[int(u[0] * len(pyramids))]
        photograph = pyramid[int(u[1] * len(pyramid))]
        top, left = (int(v * (side - size + 1)) for v, side in zip(u[2:], photograph.shape[1:], strict=True))
        image.copy_(photograph[:, top : top + size, left : left + size])
    return images


def _pyramid(photograph: Tensor, size: int) -> list[Tensor]:
    shorter = min(photograph.shape[1:])
    sides = [round(shorter * scale) for scale in SCALES]
    fitting = [side for side in sides if side >= size] or [size]
    return [F.resize(photograph, [side], antialias=True) for side in fitting]
