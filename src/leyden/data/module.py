"""The DataModule that all others are built on: a source, its splits, loaders that know their place."""

import hashlib
import logging
from collections.abc import Iterable, Iterator
from itertools import chain, zip_longest
from typing import Any, ClassVar, TypeVar

import torch
from lightning import LightningDataModule
from torch import Tensor

from leyden.data.columns import tensors
from leyden.data.loader import Augment, Loader
from leyden.data.source import Source
from leyden.data.splits import STAGES, InMemory, Movable, Split, Stage

AnySplit = TypeVar("AnySplit")
log = logging.getLogger(__name__)

PROBED = 64
"""Examples that a fingerprint decodes of a split that is not in memory."""


def hashed(parts: Iterable[bytes]) -> str:
    """A short hash of bytes that come in parts."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:16]


class DataModule(LightningDataModule):
    """Train, validation and test batches, NamedTuples as the source's examples.

    A child says in ``spec`` what a model must know; where examples are to be chosen or prepared it overrides
    ``examples`` or ``prepared``, and where batches are of another kind ``loader``.

    Args:
        source: where examples come from.
        batch_size: training examples per step and device.
        eval_batch_size: examples per validation or test batch.
        workers: processes that decode where the data is not in memory.
        seed: of the order and the augmentation of training batches.

    Raises:
        ValueError: the source produces something else than ``consumes``.
    """

    consumes: ClassVar[str]
    """The kind of source (``Source.produces``) that fits."""

    def __init__(
        self, source: Source, batch_size: int = 64, eval_batch_size: int = 256, workers: int = 0, seed: int = 0
    ) -> None:
        super().__init__()
        self.check(source)
        self.source = source
        self.batch_size = batch_size
        self.eval_batch_size = eval_batch_size
        self.workers = workers
        self.seed = seed
        self.augment: Augment | None = None
        self._splits: dict[Stage, Split] = {}
        self._train_loader: Any = None
        self._train_place: dict[str, Any] | None = None

    @classmethod
    def check(cls, source: Source) -> None:
        """Refuses a source of another kind.

        Raises:
            ValueError: it produces something else than ``consumes``.
        """
        if source.produces != cls.consumes:
            raise ValueError(
                f"the source {source.name!r} produces {source.produces}, {cls.__name__} consumes {cls.consumes}: "
                "choose another data/source or data"
            )

    @property
    def spec(self) -> Any:
        """What the model must know, a TypedDict of ``leyden.data.specs``; valid after ``prepare_data``."""
        raise NotImplementedError(f"{type(self).__name__} does not say what a model must know of its data")

    @property
    def fingerprint(self) -> str:
        """A short hash of the split sizes and of what ``content`` takes of the training split."""
        sizes = repr([len(self.split(stage)) for stage in STAGES]).encode()
        return hashed(chain([sizes], self.content(self.split("train"))))

    def content(self, split: Split) -> Iterator[bytes]:
        """Bytes that tell a split from others: the first column that is a tensor.

        Of examples that are not in memory only 64, evenly spread, are decoded.
        """
        if isinstance(split, InMemory):
            values: Iterable[Tensor] = next(tensors(split.columns))
        else:
            count = min(PROBED, len(split))
            values = (next(tensors(split[i * len(split) // count])) for i in range(count))
        for value in values:
            yield value.cpu().numpy().tobytes()

    def prepare_data(self) -> None:
        """Downloads what the source needs; called on one process only."""
        self.source.prepare()
        self.source.log_tally()

    def setup(self, stage: str) -> None:
        """Refuses, before a training, to validate on what is tested: the best checkpoint would be chosen by the test.

        Raises:
            ValueError: both splits hold the same examples.
        """
        stages: tuple[Stage, Stage] = ("val", "test")
        sizes = {len(self.examples(each)) for each in stages}
        if stage != "fit" or len(sizes) > 1 or 0 in sizes:
            return
        # Content comes piece by piece, and the first tells different splits apart.
        pieces = zip_longest(*(self.content(self.split(each)) for each in stages))
        if all(validated == tested for validated, tested in pieces):
            raise ValueError(
                f"{self.source.name}: the same examples validate and test, so the best checkpoint would be chosen by "
                "the test: give validation examples of its own, or none at all, and some of train will validate"
            )

    def split(self, stage: Stage) -> Split:
        """The examples of a stage as the model gets them, prepared on first use.

        Raises:
            ValueError: there are none; a training, a validation and a test need one at least.
        """
        if stage not in self._splits:
            raw = self.examples(stage)
            if len(raw) == 0:
                raise ValueError(
                    f"{self.source.name}: the {stage} split is empty: add examples, or give it some of its own"
                )
            self._splits[stage] = self.prepared(raw)
            self.source.log_tally()
        return self._splits[stage]

    def examples(self, stage: Stage) -> Split:
        """The source's examples for a stage; a child overrides this to choose among them."""
        return self.source.split(stage)

    def prepared(self, raw: Split) -> Split:
        """Any examples as the model gets them; a child overrides this to resize, encode or decode them."""
        return raw

    def train_dataloader(self) -> Any:
        """Shuffled, augmented training batches, from the place where a restored checkpoint was written."""
        self._train_loader = self.loader("train")
        if self._train_place is not None:
            self._train_loader.load_state_dict(self._train_place)
        return self._train_loader

    def val_dataloader(self) -> Any:
        """Validation batches in the source's order."""
        return self.loader("val")

    def test_dataloader(self) -> Any:
        """Test batches in the source's order."""
        return self.loader("test")

    def loader(self, stage: Stage) -> Any:
        """New batches of a stage: a ``Loader``, or what a child makes of several."""
        return Loader(
            self.on_device(self.split(stage)),
            self.batch_size if stage == "train" else self.eval_batch_size,
            train=stage == "train" and not self.overfits,
            seed=self.seed,
            augment=self.augment,
            workers=self.workers,
            limit=self.taken if stage == "train" else 1.0,
        )

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Moves a batch, unless the loader took it from memory on that device: looking into lists costs each step."""
        columns = list(tensors(batch))
        if columns and all(column.device == device for column in columns):
            return batch
        return super().transfer_batch_to_device(batch, device, dataloader_idx)

    def state_dict(self) -> dict[str, Any]:
        """The place in the training data.

        Lightning keeps a loader's own state as well, but loses it where ``configure_optimizers`` asks for
        ``trainer.estimated_stepping_batches``, which makes the loader before the checkpoint is read.
        """
        return self._train_loader.state_dict() if self._train_loader is not None else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes back to that place, in the loader that is there or in the one to come."""
        self._train_place = state_dict or None
        if self._train_loader is not None and state_dict:
            self._train_loader.load_state_dict(state_dict)

    @property
    def overfits(self) -> bool:
        """Whether the trainer wants the same examples again and again, so neither shuffled nor augmented."""
        return self.trainer is not None and self.trainer.overfit_batches > 0  # type: ignore[attr-defined]

    @property
    def taken(self) -> int | float:
        """How much of a training epoch the trainer takes: batches, or (float) their fraction."""
        return 1.0 if self.trainer is None else self.trainer.limit_train_batches

    def on_device(self, split: AnySplit) -> AnySplit:
        """A split that lies in memory on the trainer's GPU, if it takes less than a quarter of what is free there."""
        device = self.trainer.strategy.root_device if self.trainer is not None else torch.device("cpu")
        if device.type != "cuda" or not isinstance(split, Movable):
            return split
        if split.nbytes > torch.cuda.mem_get_info(device)[0] / 4:
            return split
        log.info("%s: kept on %s", self.source.name, device)
        return split.to(device)
