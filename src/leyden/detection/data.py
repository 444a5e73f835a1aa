"""Scenes with boxes for detectors, and what may be done to them in training."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from lightning import Trainer

from leyden.core.seeding import mix
from leyden.data.columns import Scenes
from leyden.data.images import ImageDataModule
from leyden.data.loader import Augment, Loader
from leyden.data.source import ImageSource
from leyden.data.source.annotations.annotated import learnable
from leyden.data.splits import InMemory, Sampled, Split, Stage
from leyden.detection.augment.chain import Chain
from leyden.detection.augment.geometric import Rescale, UpsideDown, ZoomAndCrop
from leyden.detection.augment.mosaic import Mosaic
from leyden.detection.augment.photometric import Distortion
from leyden.detection.proposals.cache import Proposals
from leyden.detection.proposals.selective_search import Search, opencv

log = logging.getLogger(__name__)


class TrainingExamples:
    """The examples ``chosen`` of a split, without the boxes that training must not learn, see ``learnable``.

    Sources of files have looked at their boxes; one that somebody wrote in Python may give anything.
    """

    def __init__(self, split: Split, chosen: Sequence[int]) -> None:
        self.split, self.chosen = split, chosen

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, index: int) -> Scenes:
        """The image and its target.

        Raises:
            ValueError: a box is no number, from which all weights would become none.
        """
        image, target = self.split[self.chosen[index]]
        target = learnable(target)
        if not target["boxes"].isfinite().all():
            bad = target["boxes"][~target["boxes"].isfinite().all(1)][0].tolist()
            raise ValueError(
                f"training image {self.chosen[index]} has a box {bad}: a number is missing; correct the source or "
                "leave that box out (leyden check-data lists all of them)"
            )
        return Scenes._make((image, target))


class DetectionData(ImageDataModule):
    """Batches of ``Scenes``: images uint8 (B, C, S, S), each with its ``leyden.data.columns.Target``.

    Images are squeezed into the square. Training targets leave out difficult objects and crowds; those of validation
    and test say which they are, and all else that the source knows.

    The augmentations change examples in this order: mosaic, zoom-out, crop, light and mirror, upside down, size. What
    happens to an example is a pure function of (seed, epoch, example), but for the size, which all of a batch share.
    SSD's recipe is flip, zoom_out=4, iou_crop and the light as it stands; that of the newer YOLOs flip, mosaic and
    multi_scale.

    For techniques on proposals that are made beforehand, each target also has "proposals".

    Args:
        source: of images with boxes.
        image_size: side of the square images in pixels; null keeps the source's own.
        batch_size: training images per step and device.
        eval_batch_size: images per validation or test batch.
        images: so many of the training images, drawn by ``seed``, and a smaller number is part of a greater; null: all.
        brightness: augmentation: greatest shift of the brightness, as a fraction of the full range.
        contrast: augmentation: greatest relative change of the contrast.
        saturation: augmentation: greatest relative change of the saturation.
        hue: augmentation: greatest rotation of the hue, degrees.
        swap: augmentation: probability that the colour channels change places.
        flip: augmentation: mirror half of the images; wrong for digits and letters.
        upside_down: augmentation: turn half of the images upside down; for images that have no up, such as cells.
        mosaic: augmentation: probability that a training image is put together from four. Where the images are not in
            memory, each costs three more decodings.
        zoom_out: augmentation: half of the images shrink by up to this factor; 1 turns it off.
        iou_crop: augmentation: random windows that overlap an object take the place of the whole.
        multi_scale: augmentation: sides of training batches in pixels, one of them for each batch, for techniques that
            take images of any size; null: all batches have ``image_size``.
        proposals: "selective_search" puts them into each target; null: there are none.
        proposals_limit: at most so many per image, drawn at random; null: all.
        proposals_cache: folder where they are kept for other runs on the same images; null: nowhere.
        search: settings of ``leyden.detection.proposals.selective_search.selective_search``; null: R-CNN's.
        in_memory: "auto" decodes once into memory where a quarter of what is free holds all images; true and false
            force it.
        workers: processes that decode where the data is not in memory.
        seed: of the order, the augmentation and the choice of ``images``.

    Raises:
        ValueError: the source gives no boxes, an augmentation's number is out of its range, or one that moves boxes is
            to go with proposals.
        ImportError: proposals need a package that is not installed.
    """

    consumes = "boxes"

    def __init__(
        self,
        source: ImageSource,
        image_size: int | None = None,
        batch_size: int = 16,
        eval_batch_size: int = 100,
        images: int | None = None,
        brightness: float = 0.125,
        contrast: float = 0.5,
        saturation: float = 0.5,
        hue: float = 18.0,
        swap: float = 0.5,
        flip: bool = False,
        upside_down: bool = False,
        mosaic: float = 0.0,
        zoom_out: float = 1.0,
        iou_crop: bool = False,
        multi_scale: list[int] | None = None,
        proposals: Literal["selective_search"] | None = None,
        proposals_limit: int | None = None,
        proposals_cache: str | None = None,
        search: Search | None = None,
        in_memory: Literal["auto"] | bool = "auto",
        workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(source, image_size, batch_size, eval_batch_size, in_memory, workers, seed)
        if zoom_out < 1 or not 0 <= mosaic <= 1 or (multi_scale is not None and min(multi_scale, default=0) < 1):
            raise ValueError(
                f"data.mosaic={mosaic} is a probability, data.zoom_out={zoom_out} a factor of 1 or more, "
                f"data.multi_scale={multi_scale} a list of sides in pixels, or null"
            )
        if proposals_limit is not None and proposals_limit < 1:
            raise ValueError(f"data.proposals_limit={proposals_limit}: at least 1, or null for all of them")
        if proposals is not None:
            moving = {"mosaic=0": mosaic > 0, "zoom_out=1": zoom_out > 1, "iou_crop=false": iou_crop}
            off = [word for word, on in (moving | {"multi_scale=null": multi_scale is not None}).items() if on]
            if off:
                raise ValueError(
                    "proposals were made for the images as they are, and training would change those: "
                    f"set {' '.join(f'data.{word}' for word in off)}"
                )
            opencv()
        self.images = images
        self.proposals, self.proposals_limit, self.search = proposals, proposals_limit, search
        self.proposals_cache = Path(proposals_cache) if proposals_cache else None
        self.mosaic = Mosaic(mosaic) if mosaic else None
        parts: list[Augment] = [self.mosaic] if self.mosaic else []
        if zoom_out > 1 or iou_crop:
            parts.append(ZoomAndCrop(zoom_out, iou_crop))
        if any((brightness, contrast, saturation, hue, swap, flip)):
            parts.append(Distortion(brightness, contrast, saturation, hue, swap, flip))
        if upside_down:
            parts.append(UpsideDown())
        if multi_scale is not None:
            parts.append(Rescale(multi_scale))
        if parts:
            self.augment = Chain(parts)

    def examples(self, stage: Stage) -> Split:
        """The source's examples; in training ``images`` of them, and without what is not learned.

        Raises:
            ValueError: there are not so many.
        """
        split = super().examples(stage)
        if stage != "train":
            return split
        count = len(split) if self.images is None else self.images
        if not min(1, len(split)) <= count <= len(split):
            raise ValueError(
                f"data.images={count}: there are {len(split)} training images, take 1 to all of them (null)"
            )
        order = torch.randperm(len(split), generator=torch.Generator().manual_seed(mix(self.seed, 2)))
        return TrainingExamples(split, order[:count].sort().values.tolist())

    def prepared(self, raw: Split) -> Split:
        """Any examples at the model's size, decoded into memory if they fit; with proposals if they are wanted.

        Raises:
            ValueError: there is nothing to learn.
        """
        split = super().prepared(raw)
        looked_at = isinstance(raw, TrainingExamples) and isinstance(split, InMemory)  # others are decoded later
        if looked_at and not any(len(split[i].targets["labels"]) for i in range(len(split))):
            few = "" if self.images is None else f"; data.images={self.images} may be too few"
            raise ValueError(
                f"{self.source.name}: none of {len(split)} training images has a box to learn from, and difficult "
                f"objects and crowds are not learned: annotate some (leyden check-data shows what there is){few}"
            )
        if self.proposals is None:
            return split
        proposals = Proposals(split, self.search, self.proposals_limit, self.proposals_cache)
        log.info("%s: %s", self.source.name, proposals.about())
        return proposals.beside(split)

    def loader(self, stage: Stage) -> Loader:
        """Batches of a stage; a mosaic takes its other images from the same split."""
        loader = super().loader(stage)
        if self.mosaic is not None and stage == "train":
            self.mosaic.split = loader.split
        return loader


def training_split(trainer: Trainer) -> tuple[Split, int]:
    """The examples behind the trainer's training batches, not augmented, and the size of a batch.

    Raises:
        ValueError: the batches do not come from a ``leyden.data.loader.Loader``.
    """
    batches = trainer.train_dataloader
    if not isinstance(batches, Loader) or isinstance(batches.split, Sampled):
        raise ValueError("this technique also learns from its examples as a whole: fit it to a DetectionData")
    return batches.split, batches.batch_size
