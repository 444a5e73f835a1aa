"""Real training images of a source, few of which may have labels, and images that a GAN generates for their classes.

What a classifier gains by them is a question of the experiment: a GAN that saw the same few images knows nothing more
than they show. One that saw others, such as a record of the whole data set, brings in what these know: such figures are
an upper bound. Validation and test are the source's own, real images alone.
"""

import logging
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from leyden.core.seeding import mix
from leyden.core.splits import few_per_class
from leyden.data.columns import LabelledImages
from leyden.data.source import ImageSource
from leyden.data.splits import InMemory, Resized, Split, Stage, decode, fit_image, labels_of, select
from leyden.gan.fit_images import trained_gan
from leyden.gan.noise_to_image.conditional import ConditionalGAN
from leyden.gan.noise_to_image.sampler import NoiseSampler
from leyden.training.records import technique_of

log = logging.getLogger(__name__)
KEY = "data.source.gan"
TRAIN = f"or have one trained on the labelled images here: {KEY}=train"


@runtime_checkable
class FromNoise(Protocol):
    """A technique that draws images from noise."""

    sampler: NoiseSampler


class GeneratedImages(ImageSource):
    """Training images of a source, some of them or all, with generated ones beside them; made once.

    Args:
        source: of real images with classes.
        gan: "train" trains a conditional GAN here, see ``gan_steps``; or the folder of a run of a conditional GAN (of
            several: the newest), or a checkpoint in one.
        share: generated images for each real one; 0: none, and no GAN is asked for.
        per_class: real training images of each class, drawn by ``seed``; null takes all.
        gan_sees_all: whether the GAN that is trained here learns from all training images, labels included, and not
            only from those that ``per_class`` leaves: no honest comparison with few labels, an upper bound.
        image_size: side of real and generated images in pixels; null: the source's own. A GAN that is trained here
            needs 16, 32, 64 or 128.
        gan_steps: batches that it is trained on.
        gan_batch_size: images in each; at most as many as there are.
        gan_options: its further arguments, see ``leyden.gan.noise_to_image.conditional.ConditionalGAN``.
        cache: folder in which GANs that were trained here are kept for other runs; null keeps none.
        seed: of the labelled images, the GAN's training and its noise.

    Raises:
        ValueError: ``share`` is below 0, or ``gan_steps`` or ``gan_batch_size`` below 1.
    """

    name = "real and generated images"

    def __init__(
        self,
        source: ImageSource,
        gan: str = "train",
        share: float = 1.0,
        per_class: int | None = None,
        gan_sees_all: bool = False,
        image_size: int | None = None,
        gan_steps: int = 1000,
        gan_batch_size: int = 64,
        gan_options: dict[str, Any] | None = None,
        cache: str | None = None,
        seed: int = 0,
    ) -> None:
        if share < 0:
            raise ValueError(f"data.source.share={share}: generated images for each real one, 0 or more")
        for key, value in {"gan_steps": gan_steps, "gan_batch_size": gan_batch_size}.items():
            if value < 1:
                raise ValueError(f"data.source.{key}={value}: 1 or more")
        self.source, self.gan, self.share, self.per_class = source, gan, share, per_class
        self.gan_sees_all, self.seed = gan_sees_all, seed
        self.gan_steps, self.gan_batch_size = gan_steps, gan_batch_size
        self.gan_options = gan_options or {}
        self.cache = None if cache is None else Path(cache)
        self.image_size = image_size or source.image_size
        self._train: InMemory[LabelledImages] | None = None

    def prepare(self) -> None:
        """Draws the labelled images, finds or trains the GAN, and has it generate, once.

        Raises:
            ValueError: the source has no classes, too few images of one, or the GAN generates none of these classes.
            FileNotFoundError: there is no such record.
            NotAllowedError: the record names code that is not allowed.
        """
        if self._train is not None:
            return
        self.source.prepare()
        self.class_names = list(self.source.class_names)
        if len(self.class_names) < 2:
            raise ValueError(
                f"{self.source.name} has no classes to generate images for: choose another data.source.source"
            )
        self.channels = self.source.channels
        real = self._real(self.per_class)
        count = round(self.share * len(real))
        self._train = InMemory(
            LabelledImages(*(torch.cat(pair) for pair in zip(real.columns, self._draw(real, count), strict=True)))
        )
        log.info("%s: %d real images, %d generated", self.name, len(real), count)

    def split(self, stage: Stage) -> Split:
        """Images (N, C, S, S) with labels; real ones first in the training split, real ones only in the others."""
        assert self._train is not None
        return self._train if stage == "train" else self._fitted(self.source.split(stage))

    def _fitted(self, split: Split) -> Resized:
        return Resized(split, self.image_size, self.channels)

    def _real(self, per_class: int | None) -> InMemory[LabelledImages]:
        """So many training images of each class in memory, or all."""
        split = self.source.split("train")
        labels = labels_of(split).cpu()
        picked = few_per_class(labels, per_class, mix(self.seed, 2), self.class_names, "data.source.per_class")
        return decode(self._fitted(select(split, picked, labels[picked])))

    def _draw(self, real: InMemory[LabelledImages], count: int) -> LabelledImages:
        """Generated images, of each class as many as it has among the real ones, and the classes."""
        if count == 0:
            return LabelledImages(real.columns.images[:0], real.columns.labels[:0])
        order = torch.randperm(len(real), generator=torch.Generator().manual_seed(mix(self.seed, 3)))
        labels = real.columns.labels[order].repeat(-(-count // len(real)))[:count]
        sampler, places = self._sampler(real)
        noise = sampler.noise(count, torch.Generator().manual_seed(mix(self.seed, 4)))
        with torch.no_grad():
            images = sampler.images(noise, places[labels].to(noise.device)).cpu()
        return LabelledImages(fit_image(images, self.image_size, self.channels), labels)

    def _sampler(self, real: InMemory[LabelledImages]) -> tuple[NoiseSampler, Tensor]:
        """A conditional GAN's sampler, and the places (classes,) of the source's classes among the GAN's."""
        if self.gan == "train":
            seen = self._real(None) if self.gan_sees_all else real
            return self._trained(seen).sampler, torch.arange(len(self.class_names))
        technique = technique_of(Path(self.gan).expanduser(), KEY)
        if not isinstance(technique, FromNoise) or not technique.sampler.conditional:
            raise ValueError(
                f"{KEY}={self.gan} is a run of {type(technique).__name__}, which generates no images of a class "
                f"that one asks for: give a run of model=gan/conditional, {TRAIN}"
            )
        known = technique.sampler.class_names
        if missing := [name for name in self.class_names if name not in known]:
            raise ValueError(
                f"{KEY}={self.gan} generates {', '.join(known)}, the data have {missing[0]!r} as well: give a run on "
                f"these classes, {TRAIN}"
            )
        return technique.sampler, torch.tensor([known.index(name) for name in self.class_names])

    def _trained(self, seen: InMemory[LabelledImages]) -> ConditionalGAN:
        """A GAN that learns from these images alone, or one that another run has trained so."""
        names = list(self.class_names)
        settings = [self.gan_steps, self.gan_batch_size, self.gan_options, self.seed]
        return trained_gan(
            lambda: ConditionalGAN(names, self.channels, self.image_size, **self.gan_options),
            seen, names, self.gan_steps, self.gan_batch_size, settings, self.cache, "conditional_gan",
            data_seed=self.seed, seed=mix(self.seed, 5),
        )  # fmt: skip
