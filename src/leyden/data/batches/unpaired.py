"""Images of two domains without pairs, for translation from one into the other."""

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


class Unpaired(NamedTuple):
    """A batch of two domains; nothing but chance brings an image of one beside an image of the other."""

    a: Images
    b: Images


class UnpairedImages(ImageDataModule):
    """Batches of two domains (``Unpaired``) without labels, which evaluations find in ``domain``.

    An epoch is one pass over domain A; B goes round at its own pace (``leyden.data.paired_loader.PairedLoader``).

    Args:
        source: domain A.
        target: domain B; brought to the size and the channels of A.
        image_size: side of the square images in pixels; null keeps A's own.
        batch_size: images per step and device of each domain.
        eval_batch_size: images of each domain per validation or test batch.
        in_memory: "auto" decodes once into memory where there is room; true and false force it.
        workers: processes that decode where the data is not in memory, for each domain.
        seed: of the orders.

    Raises:
        ValueError: a source does not produce images.
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
        self.target.prepare()
        self.target.log_tally()

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
