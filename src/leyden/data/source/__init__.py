"""Where examples come from. One file, one kind of source; ``conf/data/source`` mirrors this folder."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import ClassVar

from leyden.data.issues import DataIssue, Tally
from leyden.data.splits import STAGES, Split, Stage

log = logging.getLogger(__name__)


class Source(ABC):
    """Examples in three fixed splits. Attributes other than ``name`` may be set as late as in ``prepare``."""

    produces: ClassVar[str]
    """What examples are: "images" (with classes or without), "boxes" (images with objects), "rows" of a table,
    "mixed_rows" of one whose columns differ in kind, "text", "captioned images", "image pairs" (of two domains),
    "volumes" (with silhouettes), "music" (songs in four voices). A DataModule says which it consumes."""
    name: str
    """How log lines and errors call this source."""
    class_names: Sequence[str] = ()
    """One name per class, in the order of the labels; empty if there are no labels."""
    _logged = ""

    def prepare(self) -> None:  # noqa: B027 - most sources need nothing
        """Downloads or finds the data and sets the attributes; calling it again changes nothing."""

    @cached_property
    def tally(self) -> Tally:
        """What the source passes over or changes as it finds and decodes the data, for the log and check-data."""
        return Tally()

    def log_tally(self) -> None:
        """Writes the tally into the log, one line, unless it is empty or already there."""
        if str(self.tally) not in ("", self._logged):
            log.info("%s: %s", self.name, self.tally)
        self._logged = str(self.tally)

    @abstractmethod
    def split(self, stage: Stage) -> Split:
        """The examples of one split, NamedTuples at the source's own sizes; the three share no example."""

    def inspect(self) -> tuple[dict[Stage, Split], list[DataIssue]]:
        """All splits, and what is wrong with the files behind them; a source that can say more than one thing does."""
        self.prepare()
        return {stage: self.split(stage) for stage in STAGES}, []


class ImageSource(Source):
    """A source of images: its examples are ``Images``, ``LabelledImages`` or ``Scenes``."""

    produces: ClassVar[str] = "images"
    channels: int
    """1 for grey, 3 for RGB."""
    image_size: int
    """Side in pixels that images have by nature, or a sensible default where they differ."""
