"""scikit-learn's handwritten digits: 1797 real 8x8 grey images of ten classes, inside the installed package."""

import torch

from leyden.core.splits import stratified
from leyden.data.columns import LabelledImages
from leyden.data.source import ImageSource
from leyden.data.splits import InMemory, Stage


class Digits(ImageSource):
    """UCI's optical digits (Alpaydin and Kaynak 1998) as scikit-learn ships them; pixels 0..16 become 0..255.

    The splits are stratified by class and never change: 1078 for training, 180 for validation, 539 for testing. No
    digit is in two of them, but the hands are: 13 people wrote all 1797 (the test set of UCI, whose training set
    scikit-learn leaves out), and who wrote which is not told. So a test here does not say how well strangers are read.
    """

    name = "digits"
    channels = 1
    image_size = 8

    def __init__(self) -> None:
        from sklearn.datasets import load_digits  # here: a quarter of a second, with pandas

        self.class_names = [str(digit) for digit in range(10)]
        digits = load_digits()
        images = torch.from_numpy(digits.images * 255 / 16).round().to(torch.uint8).unsqueeze(1)
        self._columns = LabelledImages(images, torch.from_numpy(digits.target))
        train, val, test = stratified(self._columns.labels, (0.6, 0.1, 0.3))
        self._indices = {"train": train, "val": val, "test": test}

    def split(self, stage: Stage) -> InMemory[LabelledImages]:
        """Images (N, 1, 8, 8) and labels 0..9."""
        return InMemory(InMemory(self._columns).take(self._indices[stage]))
