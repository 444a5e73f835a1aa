"""The DataModule that the families' own DataModules share: a source, a size, a place for what was decoded."""

import hashlib
import logging
import math
import os
from typing import Any, ClassVar, Literal, TypedDict

import torch
from lightning import LightningDataModule

from leyden.data.loader import Augment, Loader
from leyden.data.source import Source
from leyden.data.source.files.image_folder import ImageList
from leyden.data.splits import InMemory, Resized, Split, Subset, decode

log = logging.getLogger(__name__)

Stage = Literal["train", "val", "test"]
STAGES: tuple[Stage, ...] = ("train", "val", "test")


class ImageSpec(TypedDict):
    """What a technique on images must know of its data; passed to its constructor by these names."""

    class_names: list[str]
    channels: int
    image_size: int


class ImageData(LightningDataModule):
    """Train, validation and test batches of uint8 images (B, C, H, W), and the facts that a model needs.

    Args:
        source: where examples come from.
        image_size: side of the square images in pixels; null keeps the source's own.
        batch_size: training examples per step and device.
        eval_batch_size: examples per validation or test batch.
        in_memory: "auto" decodes once into memory where a quarter of what is free holds all images, and the source's
            own limit does where it has one; true and false force it.
        workers: processes that decode where the data is not in memory.
        seed: of the order and the augmentation of training batches.

    Raises:
        ValueError: the source gives something else than ``consumes``.
    """

    consumes: ClassVar[str] = "images"
    """The kind of source (``Source.produces``) that fits."""

    def __init__(
        self,
        source: Source,
        image_size: int | None = None,
        batch_size: int = 64,
        eval_batch_size: int = 256,
        in_memory: Literal["auto"] | bool = "auto",
        workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if source.produces != self.consumes:
            raise ValueError(
                f"the source {source.name!r} gives {source.produces}, {type(self).__name__} takes {self.consumes}: "
                "choose another data/source or data"
            )
        self.source = source
        self.image_size = image_size or source.image_size
        self.batch_size = batch_size
        self.eval_batch_size = eval_batch_size
        self.in_memory = in_memory
        self.workers = workers
        self.seed = seed
        self.augment: Augment | None = None
        self.crop: float | None = None
        self.views: int | None = None
        self.cached: dict[Stage, list[InMemory]] = {}
        """What a frozen network made of a stage's images, once per view; batches come from it instead."""
        self._splits: dict[Stage, Split] = {}
        self._train_loader: Loader | None = None
        self._train_place: dict[str, int] | None = None

    @property
    def spec(self) -> ImageSpec:
        """What the model must know; valid after ``prepare_data``."""
        return ImageSpec(class_names=self.source.class_names, channels=self.source.channels, image_size=self.image_size)

    @property
    def fingerprint(self) -> str:
        """A short hash of the split sizes and the decoded training images.

        Of images that are not in memory only 64, evenly spread, are decoded; which examples they are counts as well,
        and the names and sizes of all files where the source lists them.
        """
        train = self.split("train")
        digest = hashlib.sha256(repr([len(self.split(stage)) for stage in STAGES]).encode())
        if isinstance(train, InMemory):
            images: Any = train.images
        else:
            chosen, pictures = _behind(train)
            for part in (*chosen, b"" if pictures is None else pictures.files.digest()):
                digest.update(part)
            count = min(64, len(train))
            images = (train[i * len(train) // count][0] for i in range(count))
        for image in images:
            digest.update(image.cpu().numpy().tobytes())
        return digest.hexdigest()[:16]

    def prepare_data(self) -> None:
        """Downloads what the source needs; called on one process only."""
        self.source.prepare()

    def split(self, stage: Stage) -> Split:
        """The examples of a stage at the model's size, decoded on first use."""
        if stage not in self._splits:
            raw = self.examples(stage)
            if len(raw) == 0:
                raise ValueError(f"{self.source.name}: the {stage} split is empty")
            self._splits[stage] = self.resized(raw)
        return self._splits[stage]

    def resized(self, raw: Split) -> Split:
        """Any examples at the model's size, decoded into memory if they fit."""
        resized = Resized(raw, self.image_size, self.source.channels, self.crop)
        return decode(resized) if self._fits(resized) else resized

    def examples(self, stage: Stage) -> Split:
        """The source's examples for a stage; a technique's DataModule overrides this to choose among them."""
        return self.source.split(stage)

    def train_dataloader(self) -> Loader:
        """Shuffled, augmented training batches, from the place where a restored checkpoint was written."""
        self._train_loader = self._loader("train")
        if self._train_place is not None:
            self._train_loader.load_state_dict(self._train_place)
        return self._train_loader

    def val_dataloader(self) -> Loader:
        """Validation batches in the source's order."""
        return self._loader("val")

    def test_dataloader(self) -> Loader:
        """Test batches in the source's order."""
        return self._loader("test")

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Moves a batch, unless the loader took it from memory on that device: looking into it costs each step."""
        if batch[0].device == device:
            return batch
        return super().transfer_batch_to_device(batch, device, dataloader_idx)

    def state_dict(self) -> dict[str, int]:
        """The place in the training data.

        Lightning keeps a loader's own state as well, but loses it where ``configure_optimizers`` asks for
        ``trainer.estimated_stepping_batches``, which makes the loader before the checkpoint is read.
        """
        return self._train_loader.state_dict() if self._train_loader is not None else {}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Goes back to that place, in the loader that is there or in the one to come."""
        self._train_place = state_dict or None
        if self._train_loader is not None and state_dict:
            self._train_loader.load_state_dict(state_dict)

    def _loader(self, stage: Stage) -> Loader:
        # Lightning's overfit_batches means the same examples again and again, so neither shuffled nor augmented.
        overfit = self.trainer is not None and self.trainer.overfit_batches > 0  # type: ignore[attr-defined]
        return Loader(
            self._on_device(self.split(stage)),
            self.batch_size if stage == "train" else self.eval_batch_size,
            train=stage == "train" and not overfit,
            seed=self.seed,
            augment=self.augment,
            workers=self.workers,
            views=self.views,
            cached=() if overfit and stage == "train" else self.cached.get(stage, ()),
            limit=self.taken if stage == "train" else 1.0,
        )

    @property
    def taken(self) -> int | float:
        """How much of a training epoch the trainer takes: batches, or (float) their share."""
        return 1.0 if self.trainer is None else self.trainer.limit_train_batches

    def _fits(self, split: Resized) -> bool:
        needed = len(split) * self.source.channels * self.image_size**2
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        pictures = _behind(split)[1]
        limit = math.inf if pictures is None or pictures.in_memory_limit is None else pictures.in_memory_limit * 1e9
        chosen = needed < min(free / 4, limit) if self.in_memory == "auto" else self.in_memory
        where = "decoded once into memory" if chosen else f"decoded by {self.workers} workers as needed"
        if self.in_memory == "auto" and not chosen:
            over = (
                "a quarter of the free memory" if free / 4 < limit else f"data.source.in_memory_limit={limit / 1e9:g}"
            )
            where += f", being more than {over} (data.in_memory=true decodes them once all the same)"
        log.info("%s: %d images, %.1f MB, %s", self.source.name, len(split), needed / 1e6, where)
        return chosen

    def _on_device(self, split: Split) -> Split:
        """An in-memory split on the trainer's GPU, if it takes less than a quarter of what is free there."""
        device = self.trainer.strategy.root_device if self.trainer is not None else torch.device("cpu")
        if device.type != "cuda" or not isinstance(split, InMemory):
            return split
        if split.images.nbytes > torch.cuda.mem_get_info(device)[0] / 4:
            return split
        log.info("%s: images kept on %s", self.source.name, device)
        return split.to(device)


def _behind(split: Split) -> tuple[list[bytes], ImageList | None]:
    """Which examples a split that is not in memory takes of what lies behind it, and that, if it is picture files."""
    chosen = []
    while isinstance(split, Resized | Subset):
        if isinstance(split, Subset):
            chosen += [split.indices.numpy().tobytes(), split.targets.cpu().numpy().tobytes()]
        split = split.split
    return chosen, split if isinstance(split, ImageList) else None
