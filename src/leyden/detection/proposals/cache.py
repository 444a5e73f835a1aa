"""Proposals that are made before training: those of a whole split, kept for other runs on the same images."""

import hashlib
import json
import logging
import time
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from leyden.core.files import write_whole
from leyden.data.columns import Scenes, Target
from leyden.data.splits import InMemory, Split
from leyden.detection.proposals.selective_search import Search, first, opencv, selective_search
from leyden.metrics.detection.proposal_recall import proposal_recall

log = logging.getLogger(__name__)

AT_ONCE = 2
"""Images that are searched at the same time; OpenCV lets other threads run."""


class Proposals:
    """What selective search finds in the images of a split: ``proposals[i]`` is (n, 4) float32 xyxy pixels.

    Args:
        split: uint8 images (C, H, W).
        search: settings of ``selective_search``; None: R-CNN's.
        limit: at most so many per image, drawn at random; None: all.
        cache: folder in which they are kept, under a name that holds for these images, these settings and this OpenCV
            alone; None keeps them nowhere.

    Raises:
        ImportError: OpenCV is not installed, or without its extra modules.
        ValueError: the file of that name holds proposals of other images.
    """

    def __init__(
        self, split: Split, search: Search | None = None, limit: int | None = None, cache: Path | None = None
    ) -> None:
        self.split = split
        self.search = search or Search()
        self.images, self.truths = _read(split)
        settings = json.dumps([self.search, opencv().__version__], sort_keys=True)
        key = hashlib.sha256(f"{self.images} {settings}".encode()).hexdigest()[:24]
        file = cache / f"proposals-{key}.npz" if cache is not None else None
        boxes = self._kept(file)
        if boxes is None:
            boxes = self._found()
            if file is not None:
                self._keep(boxes, file)
        self.boxes = boxes if limit is None else [first(part, limit) for part in boxes]

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, index: int) -> Tensor:
        return self.boxes[index]

    def beside(self, split: Split) -> Split:
        """The examples of ``split``, each target with its "proposals" (n, 4); in memory if ``split`` is.

        Raises:
            ValueError: these are proposals of other images.
        """
        if split is not self.split and _read(split)[0] != self.images:
            raise ValueError(
                f"proposals of other images: these are of {len(self)} images, the split has {len(split)}, or others; "
                "make them from the split that they are for"
            )
        if not isinstance(split, InMemory):
            return Proposed(split, self.boxes)
        pairs = zip(split.columns.targets, self.boxes, strict=True)
        return InMemory(Scenes(split.columns.images, [{**target, "proposals": boxes} for target, boxes in pairs]))

    def recall(self, iou: float = 0.5) -> float:
        """The share of the split's objects that a proposal overlaps by ``iou``; NaN where there are none."""
        most = max(1, max(map(len, self.boxes)))
        return float(proposal_recall(self.boxes, self.truths, [most], [iou]))

    def about(self) -> str:
        """One line for the log."""
        counts = [len(part) for part in self.boxes]
        return (
            f"{sum(counts) / len(counts):.0f} proposals per image ({min(counts)} to {max(counts)}), "
            f"{self.recall():.3f} of the objects are overlapped by 0.5"
        )

    def _found(self) -> list[Tensor]:
        began = time.perf_counter()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            boxes = list(
                pool.map(lambda i: selective_search(self.split[i].images, **self.search), range(len(self.split)))
            )
        log.info("selective search in %d images: %.1f s", len(boxes), time.perf_counter() - began)
        return boxes

    def _keep(self, boxes: list[Tensor], file: Path) -> None:
        counts = np.array([len(part) for part in boxes])
        corners = torch.cat(boxes).numpy()
        write_whole(file, lambda part: np.savez_compressed(part, boxes=corners, counts=counts, images=self.images))

    def _kept(self, file: Path | None) -> list[Tensor] | None:
        """What a file holds; None where there is none or it is broken, which is logged."""
        if file is None or not file.is_file():
            return None
        try:
            with np.load(file) as stored:
                corners, counts, images = torch.from_numpy(stored["boxes"]), stored["counts"], str(stored["images"])
            boxes = list(corners.split(counts.tolist()))
        except (OSError, EOFError, ValueError, LookupError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
            log.warning("searched anew, because %s cannot be used: %s", file, str(error).partition("\n")[0])
            return None
        if images != self.images:
            raise ValueError(f"{file}: these are proposals of other images, {len(boxes)} of them; remove the file")
        log.info("proposals from %s", file)
        return boxes


class Proposed:
    """A split with proposals whose images are decoded one by one."""

    def __init__(self, split: Split, boxes: list[Tensor]) -> None:
        self.split = split
        self.boxes = boxes

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, index: int) -> Scenes:
        image, target = self.split[index]
        return Scenes._make((image, {**target, "proposals": self.boxes[index]}))


def _read(split: Split) -> tuple[str, list[Target]]:
    """A hash of all images of a split in their order, and its targets; each image is decoded once."""
    state, targets = hashlib.sha256(), []
    for i in range(len(split)):
        image, target = split[i]
        state.update(repr(tuple(image.shape)).encode())
        state.update(image.cpu().numpy().tobytes())
        targets.append(target)
    return state.hexdigest(), targets
