"""Views for self-supervised learning: random changes of unlabelled images, made for a whole batch on tensors."""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from leyden.data.augment import colour, geometry
from leyden.data.columns import Images
from leyden.data.images import ImageDataModule
from leyden.data.loader import Loader
from leyden.data.source import ImageSource
from leyden.data.specs import PixelSpec
from leyden.data.splits import Split, Stage, labels_of, select, unlabelled

LEAST_CROP = 4
"""Pixels: a view of fewer shows nothing that could be learnt."""


class TwoViews(NamedTuple):
    """Two random views of each image."""

    first: Tensor
    """(B, C, H, W) uint8."""
    second: Tensor
    """(B, C, H, W) uint8, of the same images in the same order."""


class RandomView:
    """One view of each image: crop, turn, shear, mirror, then colour, blur, noise; what is 0 costs nothing.

    Args:
        scale: least and greatest area of the crop, as a fraction of the image's.
        ratio: greatest aspect ratio of the crop.
        degrees: greatest turn to either side.
        shear: greatest shear to either side, in degrees.
        flip: mirror half of the views.
        jitter: strength of the change of brightness, contrast, saturation and hue.
        grey: probability that a colour image loses its colour.
        blur: probability of a blur.
        noise: standard deviation of the noise, as a fraction of the range of values.
    """

    def __init__(
        self,
        scale: Sequence[float] = (0.08, 1.0),
        ratio: float = 4 / 3,
        degrees: float = 0,
        shear: float = 0,
        flip: bool = False,
        jitter: float = 0,
        grey: float = 0,
        blur: float = 0,
        noise: float = 0,
    ) -> None:
        self.scale = (float(scale[0]), float(scale[1]))
        self.ratio, self.degrees, self.shear, self.flip = ratio, degrees, shear, flip
        self.jitter, self.grey, self.blur, self.noise = jitter, grey, blur, noise
        self.draws = geometry.DRAWS + 6 + 2 + 2

    def __call__(self, images: Tensor, u: Tensor) -> Tensor:
        """uint8 images (B, C, S, S) to uint8 views, by ``u`` (B, draws) in [0, 1)."""
        if self.scale != (1.0, 1.0) or self.degrees or self.shear:
            theta = geometry.random_affine(u[:, :7], self.scale, self.ratio, self.degrees, self.shear, self.flip)
            views = geometry.resample(images.float(), theta)
        elif self.flip:
            views = torch.where((u[:, 6] < 0.5)[:, None, None, None], images.flip(3), images).float()
        else:
            views = images.float()
        if self.jitter or self.grey or self.noise:
            views.div_(255)
            if self.jitter or self.grey:
                views = colour.jitter(views, u[:, 7:13], self.jitter, grey=self.grey)
            views = colour.blur(views, u[:, 13:15], self.blur) if self.blur else views
            views = colour.noise(views, u[:, 15:], self.noise) if self.noise else views
            return views.mul_(255).round_().to(torch.uint8)
        views = colour.blur(views, u[:, 13:15], self.blur) if self.blur else views
        return views.round_().to(torch.uint8)


class MakeViews:
    """One view of each image as ``Images``, or two as ``TwoViews``, for the loader.

    Args:
        count: 1 or 2.
        view: how one is made.
    """

    def __init__(self, count: int, view: RandomView) -> None:
        self.count, self.view = count, view
        self.draws = count * view.draws

    def __call__(self, batch: Images, u: Tensor) -> Images | TwoViews:
        """Views of uint8 images (B, C, S, S) by ``u`` (B, draws) in [0, 1)."""
        if self.count == 1:
            return Images(self.view(batch.images, u))
        own = u.unflatten(1, (2, -1))
        both = self.view(batch.images.repeat(2, 1, 1, 1), torch.cat([own[:, 0], own[:, 1]]))
        return TwoViews(*both.chunk(2))


class ViewImages(ImageDataModule):
    """Batches of views of unlabelled images, and, for the evaluation alone, labelled images.

    What a view shows is a pure function of (seed, epoch, index) in training and of (seed, index) in validation and
    test. No label is in a batch. Labels are asked for by the evaluation (``labelled``), of the source itself or of
    ``labelled``.

    Args:
        source: unlabelled images; if it has classes, they are dropped.
        labelled: where labelled images come from, if elsewhere; they are brought to the size and channels of
            ``source``.
        classes: those of the labelled images that count, null: all.
        views: of each image: 2 for SimCLR and BYOL, 1 for rotation prediction and masked autoencoders.
        scale: least and greatest area of a view, as fractions of the image's; above 1 the image becomes smaller.
        ratio: greatest aspect ratio of the part that a view shows.
        degrees: greatest turn to either side.
        shear: greatest shear to either side, in degrees.
        flip: half of the views are mirrored; wrong for digits and letters.
        jitter: strength s of the change of brightness, contrast, saturation and hue; the SimCLR paper has 1.
        grey: probability that a colour image loses its colour.
        blur: probability of a blur.
        noise: standard deviation of the noise, as a fraction of the range of values.
        image_size: side of the square images in pixels; null keeps the source's own.
        batch_size: images per training step and device.
        eval_batch_size: images per validation or test batch.
        in_memory: "auto" decodes once into memory where there is room; true and false force it.
        workers: processes that decode where the data is not in memory.
        seed: of the order and the views.

    Raises:
        ValueError: another number of views, two views of a single image per step, a range that is none, or images too
            small for the smallest crop.
    """

    def __init__(
        self,
        source: ImageSource,
        labelled: ImageSource | None = None,
        classes: list[str] | None = None,
        views: int = 2,
        scale: Sequence[float] = (0.08, 1.0),
        ratio: float = 4 / 3,
        degrees: float = 0,
        shear: float = 0,
        flip: bool = False,
        jitter: float = 0,
        grey: float = 0,
        blur: float = 0,
        noise: float = 0,
        image_size: int | None = None,
        batch_size: int = 256,
        eval_batch_size: int = 256,
        in_memory: Literal["auto"] | bool = "auto",
        workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(source, image_size, batch_size, eval_batch_size, in_memory, workers, seed)
        if views not in (1, 2):
            raise ValueError(f"data.views={views}: 1 (rotation, masked autoencoder) or 2 (SimCLR, BYOL)")
        if views == 2 and batch_size < 2:
            raise ValueError(
                f"data.batch_size={batch_size}: an image alone has no other to differ from: 2 or more, better 256"
            )
        if len(scale) != 2 or not 0 < scale[0] <= scale[1]:
            raise ValueError(f"data.scale={list(scale)}: least and greatest area of a view, such as [0.08, 1.0]")
        side = math.sqrt(min(1, scale[0])) * self.image_size
        if side < LEAST_CROP:
            least = (LEAST_CROP / self.image_size) ** 2
            raise ValueError(
                f"images of {self.image_size} pixels are too small for crops of {scale[0]:g} of their area, which have "
                f"sides of {side:.1f} pixels: set data.scale=[{math.ceil(100 * least) / 100:g},{max(1.0, scale[1]):g}]"
                ", or a larger data.image_size"
            )
        self.other = labelled or source
        self.check(self.other)
        self.classes = classes
        self._labelled: dict[Stage, Split] = {}
        self.view = RandomView(scale, ratio, degrees, shear, flip, jitter, grey, blur, noise)
        self.augment = MakeViews(views, self.view)

    @property
    def spec(self) -> PixelSpec:  # type: ignore[override]  # nothing is known of classes
        """What the model must know; valid after ``prepare_data``."""
        return PixelSpec(channels=self.source.channels, image_size=self.image_size)

    def prepare_data(self) -> None:
        """Finds or downloads the images of both sources.

        Raises:
            ValueError: a class of ``classes`` is not among those of the labelled images.
        """
        super().prepare_data()
        self.other.prepare()
        self.other.log_tally()
        unknown = [name for name in self.classes or [] if name not in self.other.class_names]
        if unknown:
            raise ValueError(
                f"data.classes: {self.other.name} has no class {unknown[0]!r}, it has {list(self.other.class_names)}"
            )

    @property
    def class_names(self) -> list[str]:
        """The classes of the labelled images, in the order of their labels; empty if nothing is labelled."""
        return list(self.classes or self.other.class_names)

    def examples(self, stage: Stage) -> Split:
        """The source's images without their labels."""
        return unlabelled(self.source.split(stage))

    def labelled(self, stage: Stage) -> Split:
        """Labelled images of a stage at the model's size, for the evaluation; in memory where they fit.

        Raises:
            ValueError: there are no classes.
        """
        if stage in self._labelled:
            return self._labelled[stage]
        split = self.other.split(stage)
        labels = labels_of(split)
        place = torch.full((len(self.other.class_names),), -1)
        place[[self.other.class_names.index(name) for name in self.class_names]] = torch.arange(len(self.class_names))
        chosen = (place[labels] >= 0).nonzero().flatten()
        self._labelled[stage] = self.prepared(select(split, chosen, place[labels[chosen]]))
        return self._labelled[stage]

    def loader(self, stage: Stage) -> Loader:
        """Batches of views, in validation and test the same ones each time."""
        loader = super().loader(stage)
        if not loader.train:
            loader.augment, loader.views = self.augment, 1
        return loader

    def in_order(self, split: Split) -> Loader:
        """A split's images as they are, in order, the same on every rank."""
        return Loader(self.on_device(split), self.eval_batch_size, workers=self.workers, whole=True)
