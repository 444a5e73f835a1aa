"""The source of an adaptation: a generator and a discriminator that have learnt another domain."""

import logging
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from leyden.core.seeding import mix
from leyden.data.batches.gan.adaptation import AdaptationImages
from leyden.data.splits import InMemory, decode, unlabelled
from leyden.gan.fit_images import trained_gan
from leyden.gan.noise_to_image.dcgan import DCGAN
from leyden.training.records import technique_of

log = logging.getLogger(__name__)
KEY = "model.source"
TRAIN = f"or have one trained on domain A here: {KEY}=train"


class SourceNetworks(NamedTuple):
    """What an adaptation starts from."""

    generator: nn.Module
    """The moving average, which is what a record's samples come from."""
    discriminator: nn.Module


class Recipe(NamedTuple):
    """How a source is trained in the same run."""

    steps: int
    """Batches."""
    batch_size: int
    """Images in each, at most as many as there are."""
    options: dict[str, Any]
    """Further arguments of ``leyden.gan.noise_to_image.dcgan.DCGAN``."""
    cache: Path | None
    """Folder where it is kept for other runs; None: nowhere."""
    seed: int
    """Of weights, order and noise: for all runs the same, so that they share one source."""


def of_record(where: str, networks: dict[str, Any]) -> SourceNetworks:
    """The networks of a record of a DCGAN.

    Args:
        where: the folder of a run (of several: the newest), or a checkpoint in one.
        networks: the arguments of a DCGAN that describe the networks, which must be the record's.

    Raises:
        FileNotFoundError: there is no such record.
        NotAllowedError: the record names code that is not allowed.
        ValueError: it is no DCGAN's, or one of other networks or images.
    """
    technique = technique_of(Path(where).expanduser(), KEY)
    if not isinstance(technique, DCGAN):
        raise ValueError(
            f"{KEY}={where} is a run of {type(technique).__name__}: give a run of model=gan/dcgan, {TRAIN}"
        )
    theirs = {name: technique.hparams[name] for name in networks}
    if other := {name: value for name, value in theirs.items() if value != networks[name]}:
        places = {"channels": "data of as many channels: ", "image_size": "data.image_size="}
        cure = " ".join(f"{places.get(name, f'model.{name}=')}{value}" for name, value in other.items())
        raise ValueError(f"{KEY}={where} has other networks than this run: set {cure}")
    log.info("source: the generator of %s", where)
    return SourceNetworks(technique.ema.network, technique.discriminator)


def trained_source(data: AdaptationImages, networks: dict[str, Any], recipe: Recipe) -> SourceNetworks:
    """A DCGAN that learns domain A's training images here, or one that another run has trained so.

    Args:
        data: prepared.
        networks: the arguments of a DCGAN that describe the networks.
        recipe: how it is trained.
    """
    split = data.domain("a", "train")
    images = unlabelled(split if isinstance(split, InMemory) else decode(split))
    assert isinstance(images, InMemory)
    gan = trained_gan(
        lambda: DCGAN([], **networks, **recipe.options),
        InMemory(images.columns._replace(images=images.columns.images.cpu())), [], recipe.steps, recipe.batch_size,
        [recipe.steps, recipe.batch_size, recipe.options, recipe.seed], recipe.cache, "source_gan",
        data_seed=recipe.seed, seed=mix(recipe.seed, 5),
    )  # fmt: skip
    return SourceNetworks(gan.ema.network, gan.discriminator)


def fisher_noise(count: int, latent_dim: int, seed: int) -> torch.Tensor:
    """Noise (N, latent_dim) of the images by which weights are weighed, always the same."""
    return torch.randn(count, latent_dim, generator=torch.Generator().manual_seed(mix(seed, 6)))
