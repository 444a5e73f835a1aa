"""Torchvision's classification sets by name."""

import difflib
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torchvision import datasets
from torchvision.transforms.v2.functional import pil_to_tensor

from leyden.core.splits import stratified
from leyden.data.columns import Images, LabelledImages
from leyden.data.source import ImageSource
from leyden.data.splits import InMemory, Stage, Subset, labels_of, select


class Layout(NamedTuple):
    """How one of torchvision's classes offers its data."""

    splits: dict[Stage, dict[str, Any]]
    """Constructor arguments per split; without "val", a tenth of "train" becomes that."""
    labels: str
    """The attribute that holds all labels."""
    array: Literal["NHW", "NWH", "NHWC", "NCHW"] | None
    """The axes of the attribute ``data``; None where images lie in files."""
    image_size: int
    channels: int
    files: str
    """What must lie below ``root`` when nothing can be downloaded."""
    class_names: list[str] | None = None
    """Where torchvision does not name the classes, or oddly."""


DIGITS = [str(digit) for digit in range(10)]
FLAG: dict[Stage, dict[str, Any]] = {"train": {"train": True}, "test": {"train": False}}
WORD: dict[Stage, dict[str, Any]] = {"train": {"split": "train"}, "test": {"split": "test"}}
THREE: dict[Stage, dict[str, Any]] = {stage: {"split": stage} for stage in ("train", "val", "test")}
TRAINVAL: dict[Stage, dict[str, Any]] = {"train": {"split": "trainval"}, "test": {"split": "test"}}
BALANCED: dict[Stage, dict[str, Any]] = {
    "train": {"split": "balanced", "train": True},
    "test": {"split": "balanced", "train": False},
}
IDX = "{}/raw/ with {{train,t10k}}-{{images-idx3,labels-idx1}}-ubyte"

SETS = {
    "MNIST": Layout(FLAG, "targets", "NHW", 28, 1, IDX.format("MNIST"), DIGITS),
    "FashionMNIST": Layout(FLAG, "targets", "NHW", 28, 1, IDX.format("FashionMNIST")),
    "KMNIST": Layout(FLAG, "targets", "NHW", 28, 1, IDX.format("KMNIST")),
    # EMNIST's images come with rows and columns exchanged.
    "EMNIST": Layout(
        BALANCED, "targets", "NWH", 28, 1, IDX.format("EMNIST").replace("{train,t10k}", "emnist-balanced-{train,test}")
    ),
    "USPS": Layout(FLAG, "targets", "NHW", 16, 1, "usps.bz2 and usps.t.bz2", DIGITS),
    "CIFAR10": Layout(FLAG, "targets", "NHWC", 32, 3, "cifar-10-batches-py/ (from cifar-10-python.tar.gz)"),
    "CIFAR100": Layout(FLAG, "targets", "NHWC", 32, 3, "cifar-100-python/ (from cifar-100-python.tar.gz)"),
    "SVHN": Layout(WORD, "labels", "NCHW", 32, 3, "train_32x32.mat and test_32x32.mat", DIGITS),
    "STL10": Layout(WORD, "labels", "NCHW", 96, 3, "stl10_binary/ (from stl10_binary.tar.gz)"),
    "Flowers102": Layout(
        THREE, "_labels", None, 64, 3, "flowers-102/ with jpg/ (from 102flowers.tgz), imagelabels.mat and setid.mat"
    ),
    "OxfordIIITPet": Layout(TRAINVAL, "_labels", None, 64, 3, "oxford-iiit-pet/ with images/ and annotations/"),
    "DTD": Layout(THREE, "_labels", None, 64, 3, "dtd/dtd/ with images/ and labels/ (from dtd-r1.0.1.tar.gz)"),
    "Food101": Layout(WORD, "_labels", None, 64, 3, "food-101/ with images/ and meta/ (from food-101.tar.gz)"),
    "FGVCAircraft": Layout(
        THREE, "_labels", None, 64, 3, "fgvc-aircraft-2013b/data/ (from fgvc-aircraft-2013b.tar.gz)"
    ),
}


class TorchvisionSet(ImageSource):
    """One of torchvision's sets; where it has no validation split, a tenth of its training split, stratified, is that.

    Args:
        name: of torchvision's class, such as "FashionMNIST".
        root: the folder that torchvision keeps its files in.
        download: fetches what is missing; it also unpacks archives that lie in ``root``, which must be writable.

    Raises:
        ValueError: an unknown name.
        FileNotFoundError: from ``prepare``: the files are missing and may not or cannot be fetched.
    """

    def __init__(self, name: str, root: str = "data", download: bool = False) -> None:
        if name not in SETS:
            lower = {known.lower(): known for known in SETS}
            near = [lower[word] for word in difflib.get_close_matches(name.lower(), lower, 1, 0.5)]
            hint = f"did you mean {near[0]}? " if near else ""
            raise ValueError(f"data.source.name={name!r}: {hint}Known are {', '.join(SETS)}")
        self.name = name
        self.root = Path(root).expanduser()
        self.download = download
        self.layout = SETS[name]
        self.channels = self.layout.channels
        self.image_size = self.layout.image_size
        self._splits: dict[Stage, InMemory[LabelledImages] | Subset] = {}

    def prepare(self) -> None:
        """Downloads what is missing, if allowed, and reads labels, and images that lie in one array."""
        if self._splits:
            return
        for stage, arguments in self.layout.splits.items():
            whole = self._open(arguments)
            self.class_names = list(self.layout.class_names or whole.classes)
            labels = torch.as_tensor(np.asarray(getattr(whole, self.layout.labels))).long()
            if labels.min() < 0 or labels.max() >= len(self.class_names):
                raise ValueError(f"{self.name}: a label outside the {len(self.class_names)} classes: {labels.unique()}")
            self._splits[stage] = (
                InMemory(LabelledImages(_as_nchw(whole.data, self.layout.array), labels))
                if self.layout.array is not None
                else Subset(_Files(whole, self.name), torch.arange(len(labels)), labels)
            )
        if "val" not in self._splits:
            whole_train = self._splits["train"]
            labels = labels_of(whole_train)
            train, val = stratified(labels, (0.9, 0.1))
            self._splits["train"] = select(whole_train, train, labels[train])
            self._splits["val"] = select(whole_train, val, labels[val])

    def split(self, stage: Stage) -> InMemory[LabelledImages] | Subset:
        """Images (C, H, W) and labels; of one size and in memory where torchvision keeps them in one array."""
        self.prepare()
        return self._splits[stage]

    def _open(self, arguments: dict[str, Any]) -> Any:
        try:
            return getattr(datasets, self.name)(root=str(self.root), download=self.download, **arguments)
        except (RuntimeError, OSError) as error:  # torchvision's "not found", no network, a folder without write access
            raise FileNotFoundError(
                f"{self.name} cannot be had: {error}\n"
                "Either set data.source.download=true (needs the network, or torchvision's original archives in place, "
                f"and a folder that can be written), or put {self.layout.files} into {self.root.resolve()}"
            ) from error


class _Files:
    """A torchvision set whose images are decoded when asked for."""

    def __init__(self, whole: Any, name: str) -> None:
        self.whole = whole
        self.name = name

    def __len__(self) -> int:
        return len(self.whole)

    def __getitem__(self, index: int) -> Images:
        try:
            image, _ = self.whole[index]
            return Images(pil_to_tensor(image.convert("RGB")))
        except Exception as error:  # of damaged files Pillow raises anything
            what = str(error) or type(error).__name__
            raise ValueError(f"{self.name}: image {index} cannot be read ({what}); repair or remove it") from error


def _as_nchw(data: Any, axes: Literal["NHW", "NWH", "NHWC", "NCHW"]) -> Tensor:
    images = torch.as_tensor(data)
    if axes == "NHWC":
        return images.permute(0, 3, 1, 2).contiguous()
    if axes == "NWH":
        images = images.transpose(1, 2).contiguous()
    return images if axes == "NCHW" else images.unsqueeze(1)
