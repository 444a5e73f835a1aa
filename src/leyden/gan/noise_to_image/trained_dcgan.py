"""A DCGAN that another technique begins with: that of a record, or one that is trained in the same run."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from leyden.core.seeding import mix
from leyden.data.splits import InMemory, Split, decode, unlabelled
from leyden.gan.base import AdversarialTask
from leyden.gan.fit_images import trained_gan
from leyden.gan.noise_to_image.dcgan import DCGAN
from leyden.training.records import technique_of

log = logging.getLogger(__name__)
TRAIN = "train"
"""The word for a DCGAN that is trained in the same run; it stands where a record's folder could."""


class Recipe(NamedTuple):
    """How a DCGAN is trained in the same run."""

    steps: int
    """Batches."""
    batch_size: int
    """Images in each, at most as many as there are."""
    options: dict[str, Any]
    """Further arguments of ``leyden.gan.noise_to_image.dcgan.DCGAN``."""
    cache: str | None
    """Folder where it is kept for other runs; None: nowhere."""
    seed: int
    """Of weights, order and noise: for all runs the same, so that they share one."""


def recorded_dcgan(where: str, networks: dict[str, Any], key: str, places: Mapping[str, str]) -> DCGAN:
    """The DCGAN of a record.

    Args:
        where: the folder of a run (of several: the newest), or a checkpoint in one.
        networks: the arguments of a DCGAN that describe the networks, which must be the record's.
        key: the config key that named it, for messages.
        places: what sets such an argument, where it is not ``model.NAME=``, for messages.

    Raises:
        FileNotFoundError: there is no such record.
        NotAllowedError: the record names code that is not allowed.
        ValueError: it is no DCGAN's, or one of other networks or images.
    """
    found = technique_of(Path(where).expanduser(), key)
    if not isinstance(found, DCGAN):
        raise ValueError(
            f"{key}={where} is a run of {type(found).__name__}: give a run of model=gan/dcgan, or have one trained "
            f"here: {key}={TRAIN}"
        )
    theirs = {name: found.hparams[name] for name in networks}
    if other := {name: value for name, value in theirs.items() if value != networks[name]}:
        said = {"channels": "data of as many channels: ", "image_size": "data.image_size=", **places}
        cure = " ".join(f"{said.get(name, f'model.{name}=')}{value}" for name, value in other.items())
        raise ValueError(f"{key}={where} has other networks than this run: set {cure}")
    log.info("%s: the DCGAN of %s", key, where)
    return found


def trained_dcgan(split: Split, networks: dict[str, Any], recipe: Recipe, name: str) -> DCGAN:
    """A DCGAN that learns a split's images here, or one that another run has trained so.

    Args:
        split: of images, whose labels it is not shown.
        networks: the arguments of a DCGAN that describe the networks.
        recipe: how it is trained.
        name: what its file in the cache begins with.
    """
    images = unlabelled(split if isinstance(split, InMemory) else decode(split))
    assert isinstance(images, InMemory)
    return trained_gan(
        lambda: DCGAN([], **networks, **recipe.options),
        images.to(torch.device("cpu")), [], recipe.steps, recipe.batch_size,
        [recipe.steps, recipe.batch_size, recipe.options, recipe.seed],
        None if recipe.cache is None else Path(recipe.cache), name,
        data_seed=recipe.seed, seed=mix(recipe.seed, 5),
    )  # fmt: skip


def states_of(task: AdversarialTask, find: Callable[[], DCGAN]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The weights of a DCGAN's averaged generator, which draws its samples, and of its discriminator, on all ranks.

    Args:
        task: whose trainer's first rank looks for it: trainings on several may differ in rounding.
        find: finds or trains it.
    """
    found = find() if task.trainer.is_global_zero else None
    own = [] if found is None else [found.ema.network.state_dict(), found.discriminator.state_dict()]
    generator, discriminator = task.trainer.strategy.broadcast(own)
    return generator, discriminator
