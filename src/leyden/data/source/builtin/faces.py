"""scikit-image's subset of Labelled Faces in the Wild: 100 faces and 100 other patches, inside the package."""

from pathlib import Path

import numpy as np
import skimage
import torch

from leyden.core.splits import stratified
from leyden.data.columns import LabelledImages
from leyden.data.source import ImageSource
from leyden.data.splits import InMemory, Stage


class Faces(ImageSource):
    """25x25 grey patches of LFW (Huang et al. 2007): 100 centred faces, 100 cut out of the background.

    The splits are stratified and never change: 120 for training, 20 for validation, 60 for testing.

    Args:
        others: whether the patches without a face are among them; without, the splits have half as many images.

    Raises:
        FileNotFoundError: the installed scikit-image lacks the file.
    """

    name = "faces"
    channels = 1
    image_size = 25

    def __init__(self, others: bool = True) -> None:
        # Not skimage.data.lfw_subset(): that would look for a newer copy on the network.
        path = Path(skimage.__file__).parent / "data" / "lfw_subset.npy"
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing: install scikit-image from its wheel, which contains it")
        patches = torch.from_numpy(np.load(path))
        self.class_names = ["face", "other"] if others else ["face"]
        images = (patches * 255).round().to(torch.uint8).unsqueeze(1)
        self._columns = LabelledImages(images, (torch.arange(200) >= 100).long())
        train, val, test = stratified(self._columns.labels, (0.6, 0.1, 0.3))
        self._indices = {
            stage: part if others else part[self._columns.labels[part] == 0]
            for stage, part in (("train", train), ("val", val), ("test", test))
        }

    def split(self, stage: Stage) -> InMemory[LabelledImages]:
        """Images (N, 1, 25, 25) and labels: 0 face, 1 other."""
        return InMemory(InMemory(self._columns).take(self._indices[stage]))
