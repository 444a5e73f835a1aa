"""Where examples come from. One file, one kind of source; ``conf/data/source`` mirrors this folder."""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from leyden.data.issues import DataIssue
from leyden.data.splits import Split

Stage = Literal["train", "val", "test"]


class Source(ABC):
    """Examples in three fixed splits. Attributes other than ``name`` may be set as late as in ``prepare``."""

    produces: ClassVar[Literal["images", "boxes", "rows"]] = "images"
    """Images with classes (or none), images with boxes, or rows of a table; a DataModule says which it takes."""
    name: str
    """How log lines and errors call this source."""
    class_names: list[str]
    """One name per class, in the order of the labels; empty if there are no labels."""
    channels: int
    """1 for grey, 3 for RGB."""
    image_size: int
    """Side in pixels that images have by nature, or a sensible default where they differ."""

    def prepare(self) -> None:  # noqa: B027 - most sources need nothing
        """Downloads or finds the data and sets the attributes; calling it again changes nothing."""

    @abstractmethod
    def split(self, stage: Stage) -> Split:
        """The examples of one split, at the source's own sizes; the three share no example."""

    def inspect(self) -> tuple[dict[Stage, Split], list[DataIssue]]:
        """All splits, and what is wrong with the files behind them; a source that can say more than one thing does."""
        self.prepare()
        return {stage: self.split(stage) for stage in ("train", "val", "test")}, []
