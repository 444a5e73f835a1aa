"""Images whose style is known by name, and other images in these styles, for ``leyden predict``."""

from collections.abc import Sequence
from io import BytesIO
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torchvision.transforms.v2.functional import to_pil_image

from leyden.core.technique import Predictions
from leyden.data.splits import Split, fit_channels, fit_image, labels_of


class ChangesStyle(Protocol):
    """What evaluations and predictions ask of a technique that takes content and style from two images."""

    channels: int
    image_size: int

    def style_codes(self, images: Tensor, domain: str = "b") -> Tensor:
        """(N, D) styles of uint8 images (N, C, H, W) of a domain."""
        ...

    def restyle(self, images: Tensor, codes: Tensor, way: str = "ab") -> Tensor:
        """uint8 images (N, C, H, W) of any size in the styles (N, D) of the other domain, uint8 of that shape."""
        ...


class StyleImages(nn.Module):
    """Images that show a style each; of the training images, or of a folder with a folder for each style.

    Args:
        count: of the styles that are taken from the training images.
        channels: of the images.
        image_size: their side in pixels.

    Raises:
        ValueError: there are to be none.
    """

    images: Tensor
    """(N, C, S, S) uint8."""
    names: list[str]
    """Of the styles."""
    styles: list[int]
    """For each image its place in ``names``."""

    def __init__(self, count: int, channels: int, image_size: int) -> None:
        super().__init__()
        if count < 1:
            raise ValueError(f"model.styles={count}: predictions are made in one style or more")
        self.register_buffer("images", torch.zeros(count, channels, image_size, image_size, dtype=torch.uint8))
        self.show([f"style {number}" for number in range(1, count + 1)], list(range(count)))

    def show(self, names: list[str], styles: list[int]) -> None:
        """Sets what the images show."""
        self.names, self.styles = names, styles

    def choose(self, split: Split, class_names: Sequence[str]) -> None:
        """Takes images of a split: the first of each class in turn, or, without classes, evenly spread ones."""
        count, places = len(self.images), [i * len(split) // len(self.images) for i in range(len(self.images))]
        names = [f"style {number}" for number in range(1, count + 1)]
        if len(class_names) > 1:
            labels = labels_of(split)
            of_class = [(labels == label).nonzero().flatten().tolist() for label in range(len(class_names))]
            turns = [(i % len(class_names), i // len(class_names)) for i in range(count)]
            places = [of_class[label][turn % len(of_class[label])] for label, turn in turns]
            names = [class_names[label] + (f" {turn + 1}" if turn else "") for label, turn in turns]
        self.images.copy_(torch.stack([split[place].images for place in places]))
        self.show(names, list(range(count)))

    def support(self, images: Sequence[Tensor], labels: Tensor, names: Sequence[str]) -> None:
        """Takes other images, uint8 (C, H, W) of any size, of styles ``labels`` (N,) with ``names``."""
        channels, size = self.images.shape[1:3]
        self.images = torch.stack([fit_image(image, size, channels) for image in images]).to(self.images.device)
        self.show(list(names), labels.tolist())

    def save(self, checkpoint: dict[str, Any], domain: str = "b") -> None:
        """Adds the names of a domain's styles to a checkpoint, which has the images."""
        checkpoint[f"styles_{domain}"] = self.names

    def load(self, checkpoint: dict[str, Any], domain: str = "b") -> None:
        """Takes them from a checkpoint."""
        names = checkpoint[f"styles_{domain}"]
        self.show(names, list(range(len(names))))

    def codes(self, task: ChangesStyle, domain: str = "b") -> Tensor:
        """(styles, D): the mean code of the images of each style."""
        codes, styles = task.style_codes(self.images, domain), torch.tensor(self.styles, device=self.images.device)
        return torch.stack([codes[styles == number].mean(0) for number in range(len(self.names))])


def predict_styles(task: ChangesStyle, inputs: Sequence[Tensor], shown: StyleImages, way: str = "ab") -> Predictions:
    """Each image in each of the styles, of its own size.

    Args:
        task: makes them.
        inputs: uint8 (C, H, W) of any sizes.
        shown: the styles.
        way: "ab" or "ba": whose domain the inputs are of, and whose the styles.

    Returns:
        for each, ``width``, ``height`` and the names of the ``styles``; an image of the input and, right of it, its
        versions in the order of the names; and each version as a file.
    """
    codes = shown.codes(task, way[1])
    rows: list[dict[str, Any]] = []
    images, files = [], []
    for image in inputs:
        own = fit_channels(image, task.channels).to(shown.images.device)
        versions = torch.cat([task.restyle(own[None], code[None], way) for code in codes]).cpu()
        rows.append({"width": image.shape[2], "height": image.shape[1], "styles": list(shown.names)})
        images.append(torch.cat([own.cpu(), *versions], 2).expand(3, -1, -1))
        endings = [f"{name.replace(' ', '_')}.png" for name in shown.names]
        files.append({e: _png(v) for e, v in zip(endings, versions, strict=True)})
    return Predictions(rows, images, files)


def _png(image: Tensor) -> bytes:
    file = BytesIO()
    to_pil_image(image).save(file, "PNG")
    return file.getvalue()
