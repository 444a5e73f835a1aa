"""What a technique without gradient descent sees of an example: pixels, a frozen network's features, or a row."""

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from leyden.core.files import write_whole
from leyden.data.splits import InMemory, Split, decode
from leyden.nets.strategies.computed import key_of
from leyden.nets.weights import find_weights, load_pretrained
from leyden.nets.zoo import backbone as new_backbone
from leyden.transfer.classifier import evaluation_mode

NONE = "none"
PART = 64
"""Images that go through the network at a time."""
MOST_KEPT = 20_000
"""Images whose features stay in memory."""
VALUES = 2_500_000
"""Of a domain, that are enough to measure how far it is from another: 500 texts of 5,000 features."""
log = logging.getLogger(__name__)


class FeatureStore:
    """Features that were computed once, found again by the bytes of the image.

    Args:
        folder: where they are kept for later runs, a file for each part that was missing; None: in memory alone.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._network = ""
        self._rows: dict[bytes, Tensor] = {}

    def __call__(self, network: str, images: Tensor, compute: Callable[[Tensor], Tensor]) -> Tensor:
        """Features (N, F) float32 of images (N, C, S, S), of which only those are computed that are not known.

        Args:
            network: a name that is equal only for equal weights (``key_of``).
            images: uint8.
            compute: images to features.
        """
        if network != self._network:
            self._network, self._rows = network, self._read(network)
        keys = [hashlib.blake2b(image.numpy().tobytes(), digest_size=16).digest() for image in images.cpu()]
        places = {key: place for place, key in enumerate(keys) if key not in self._rows}
        new: dict[bytes, Tensor] = {}
        if places:
            computed = compute(images[list(places.values())]).float().cpu()
            new = dict(zip(places, computed, strict=True))
            if self.folder is not None:
                self._write(network, new)
        found = torch.stack([new[key] if key in new else self._rows[key] for key in keys]).to(images.device)
        if len(self._rows) + len(new) <= MOST_KEPT:
            self._rows |= new
        return found

    def _read(self, network: str) -> dict[bytes, Tensor]:
        rows: dict[bytes, Tensor] = {}
        for file in sorted(self.folder.glob(f"{network}-*.npz")) if self.folder is not None else []:
            with np.load(file) as stored:
                keys, features = stored["keys"], torch.from_numpy(stored["features"])
            rows |= {key.tobytes(): feature for key, feature in zip(keys, features, strict=True)}
        if rows:
            log.info("features of %d images from %s", len(rows), self.folder)
        return rows

    def _write(self, network: str, rows: dict[bytes, Tensor]) -> None:
        assert self.folder is not None
        keys = np.stack([np.frombuffer(key, np.uint8) for key in rows])
        part = hashlib.sha256(keys.tobytes()).hexdigest()[:16]
        features = torch.stack([*rows.values()]).numpy()
        write_whole(self.folder / f"{network}-{part}.npz", lambda file: _save(file, keys, features))


def _save(file: Path, keys: np.ndarray, features: np.ndarray) -> None:
    with file.open("wb") as stream:
        np.savez(stream, keys=keys, features=features)


class FrozenFeatures(nn.Module):
    """Images or rows to features (N, D) float64.

    Args:
        channels: of the images; None for rows, which are features already.
        image_size: side of the square images in pixels; None for rows.
        backbone: "none": pixels in [0, 1]; else the network whose features are taken, see ``leyden.nets.zoo.backbone``.
        cache: each image goes through the network once in a run ("memory"), or once in all runs (a folder); None: as
            often as it is asked for.

    Raises:
        ValueError: a backbone for rows, or images that it cannot take.
    """

    def __init__(
        self, channels: int | None, image_size: int | None, backbone: str, cache: str | None = "memory"
    ) -> None:
        super().__init__()
        self.rows = channels is None or image_size is None
        if self.rows and backbone != NONE:
            raise ValueError(f"model.backbone={backbone} takes images, and these are rows: set model.backbone=none")
        self.store = None if cache is None else FeatureStore(None if cache == "memory" else Path(cache).expanduser())
        self.backbone = None
        if channels is not None and image_size is not None and backbone != NONE:
            self.backbone = new_backbone(backbone, channels, image_size).requires_grad_(False)

    def load(self, weights: str) -> None:
        """Takes over the network's weights, a word or path as in ``find_weights``; "none": they stay random."""
        if self.backbone is not None and weights != NONE:
            load_pretrained(self.backbone, find_weights(weights, self.backbone), self.backbone.stage_names)

    def forward(self, inputs: Tensor) -> Tensor:
        """uint8 images (N, C, S, S), or rows (N, D), to features (N, D)."""
        if self.rows:
            return inputs.double()
        if self.backbone is None:
            return inputs.flatten(1).double() / 255
        if self.store is None:
            return self.computed(inputs).double()
        return self.store(key_of(self.backbone), inputs, self.computed).double()

    def computed(self, images: Tensor) -> Tensor:
        """Features (N, D) float32 of images, through the network."""
        assert self.backbone is not None
        with torch.no_grad(), evaluation_mode(self.backbone):
            return torch.cat([self.backbone(part) for part in images.split(PART)])


def drawn(split: Split, count: int | None, seed: int) -> Any:
    """Columns of ``count`` examples of a split, or of all: drawn at random, in the split's order."""
    columns = split if isinstance(split, InMemory) else decode(split)
    order = torch.randperm(len(split), generator=torch.Generator().manual_seed(seed))[:count]
    return columns.take(order.sort().values.to(columns.device))


def thinned(*domains: Tensor) -> list[Tensor]:
    """Features (N, D) of each domain, of so many examples, evenly spread, that they hold at most ``VALUES`` numbers."""
    return [x[evenly(len(x), max(1, VALUES // x.shape[1])).to(x.device)] for x in domains]


def evenly(count: int, most: int) -> Tensor:
    """Places (n,) of at most ``most`` of ``count`` examples, evenly spread."""
    wanted = min(count, most)
    return torch.arange(wanted) * count // max(1, wanted)
