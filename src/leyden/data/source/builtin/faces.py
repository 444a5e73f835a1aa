"""scikit-image's subset of Labelled Faces in the Wild: 100 faces and 100 other patches, inside the package."""

from pathlib import Path
from typing import Literal

import numpy as np
import skimage
import torch

from leyden.data.source import Source
from leyden.data.splits import InMemory, stratified


class Faces(Source):
    """25x25 grey patches of LFW (Huang et al. 2007): 100 centred faces, 100 cut out of the background.

    The splits are stratified and never change: 120 for training, 20 for validation, 60 for testing.

    Raises:
        FileNotFoundError: the installed scikit-image lacks the file.
    """

    name = "faces"
    channels = 1
    image_size = 25

    def __init__(self) -> None:
        # Not skimage.data.lfw_subset(): that would look for a newer copy on the network.
        path = Path(skimage.__file__).parent / "data" / "lfw_subset.npy"
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing: install scikit-image from its wheel, which contains it")
        patches = torch.from_numpy(np.load(path))
        self.class_names = ["face", "other"]
        self._images = (patches * 255).round().to(torch.uint8).unsqueeze(1)
        self._labels = (torch.arange(200) >= 100).long()
        train, val, test = stratified(self._labels, (0.6, 0.1, 0.3))
        self._indices = {"train": train, "val": val, "test": test}

    def split(self, stage: Literal["train", "val", "test"]) -> InMemory:
        """Images (N, 1, 25, 25) and labels: 0 face, 1 other."""
        return InMemory(*InMemory(self._images, self._labels).take(self._indices[stage]))
