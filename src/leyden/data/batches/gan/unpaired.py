"""Images of two domains without pairs, for translation from one into the other."""

import logging
from collections.abc import Iterator
from typing import Literal, NamedTuple

from leyden.core.seeding import mix
from leyden.data.columns import Images
from leyden.data.images import ImageDataModule
from leyden.data.loader import Loader
from leyden.data.paired_loader import PairedLoader
from leyden.data.source import ImageSource
from leyden.data.splits import Split, Stage, unlabelled

Domain = Literal["a", "b"]
DOMAINS: tuple[Domain, ...] = ("a", "b")
LEAST = 6
"""Training and test images of either domain: the evaluation goes by the five nearest ones of another."""
log = logging.getLogger(__name__)


class Unpaired(NamedTuple):
    """A batch of two domains; nothing but chance brings an image of one beside an image of the other."""

    a: Images
    b: Images


class UnpairedImages(ImageDataModule):
    """Batches of two domains (``Unpaired``) without labels, which evaluations find in ``domain``.

    An epoch is one pass over domain A; B goes round at its own pace (``leyden.data.paired_loader.PairedLoader``).

    Args:
        source: domain A.
        target: domain B; brought to the size of A. Where one domain is grey and the other one in colour, both are in
            colour, the grey ones with three equal channels, and the log says so.
        image_size: side of the square images in pixels; null keeps A's own.
        batch_size: images per step and device of each domain.
        eval_batch_size: images of each domain per validation or test batch.
        in_memory: "auto" decodes once into memory where there is room; true and false force it.
        workers: processes that decode where the data is not in memory, for each domain.
        seed: of the orders.

    Raises:
        ValueError: a source does not produce images, or a domain has fewer than ``LEAST`` images to train or to test.
    """

    def __init__(
        self,
        source: ImageSource,
        target: ImageSource,
        image_size: int | None = None,
        batch_size: int = 16,
        eval_batch_size: int = 256,
        in_memory: Literal["auto"] | bool = "auto",
        workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(source, image_size, batch_size, eval_batch_size, in_memory, workers, seed)
        self.check(target)
        self.target = target
        self._targets: dict[Stage, Split] = {}

    def prepare_data(self) -> None:
        """Downloads what both sources need; called on one process only."""
        super().prepare_data()
        try:
            self.target.prepare()
        except (FileNotFoundError, ValueError) as error:  # a source knows its keys as data.source's
            raise type(error)(str(error).replace("data.source.", "data.target.")) from error
        self.target.log_tally()
        if self.source.channels != self.target.channels:
            colours = {1: "grey", 3: "in colour"}
            log.info(
                "domain A, %s, is %s and domain B, %s, is %s: grey images get three equal channels",
                self.source.name, colours[self.source.channels], self.target.name, colours[self.target.channels],
            )  # fmt: skip

    def setup(self, stage: str) -> None:
        """Refuses domains that are too small to be evaluated, before anything is trained.

        Raises:
            ValueError: a domain has fewer than ``LEAST`` images to train or to test; or as in ``DataModule.setup``.
        """
        stages: tuple[Stage, ...] = ("train", "test")
        for domain, source in zip(DOMAINS, (self.source, self.target), strict=True):
            counts = {each: len(self.domain(domain, each)) for each in stages}
            if min(counts.values()) < LEAST:
                found = " and ".join(f"{count} to {each}" for each, count in counts.items())
                raise ValueError(
                    f"domain {domain.upper()}, {source.name}, has {found}: translations are evaluated by five "
                    f"neighbours among the images of either split, so give it {LEAST} images or more for each"
                )
        super().setup(stage)

    @property
    def channels(self) -> int:
        """Of both domains as the model gets them: 3 if either is in colour; valid after ``prepare_data``."""
        return max(self.source.channels, self.target.channels)

    def content(self, split: Split) -> Iterator[bytes]:
        """Bytes that tell these domains from others: the training images of both."""
        yield from super().content(split)
        yield from super().content(self.domain("b", "train"))

    def domain(self, domain: Domain, stage: Stage) -> Split:
        """A domain's examples of a stage at the model's size, with their labels where the source has them."""
        if domain == "a":
            return self.split(stage)
        if stage not in self._targets:
            self._targets[stage] = self.prepared(self.target.split(stage))
        return self._targets[stage]

    def loader(self, stage: Stage) -> PairedLoader:
        """Batches of both domains."""
        train = stage == "train" and not self.overfits
        a, b = (
            Loader(
                self.on_device(unlabelled(self.domain(domain, stage))),
                self.batch_size if stage == "train" else self.eval_batch_size,
                train=train,
                seed=mix(self.seed, number),
                workers=self.workers,
                limit=self.taken if domain == "a" and stage == "train" else 1.0,
            )
            for number, domain in enumerate(DOMAINS)
        )
        return PairedLoader(a, b, Unpaired)
