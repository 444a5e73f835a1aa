"""Captions that take no package: a square of one of four colours on one of two greys, "a red square on white"."""

import torch
from torch import Tensor

from leyden.data.columns import CaptionedImages
from leyden.data.source.scenes.captioned_scenes import CaptionSource
from leyden.data.splits import STAGES, InMemory, Stage

COLOURS = {"red": (220, 30, 30), "green": (30, 180, 30), "blue": (30, 30, 220), "yellow": (220, 220, 30)}
GROUNDS = {"black": 20, "white": 230}


class ToyCaptions(CaptionSource):
    """``each`` scenes of 8 pixels of each description; "a yellow square on white" is in the test alone."""

    name = "toy captions"
    channels = 3
    image_size = 8
    factors = {"colour": list(COLOURS), "ground": list(GROUNDS)}  # noqa: RUF012 - as the class says

    def __init__(self, each: int = 4) -> None:
        self.each = each
        self.class_names = [f"a {colour} square on {ground}" for colour in COLOURS for ground in GROUNDS]

    def split(self, stage: Stage) -> InMemory[CaptionedImages]:
        generator = torch.Generator().manual_seed(STAGES.index(stage))
        labels = self._labels(stage)
        images = torch.stack([_scene(place, generator) for place in labels.tolist()])
        return InMemory(CaptionedImages(images, self.captions(stage), labels))

    def captions(self, stage: Stage) -> list[str]:
        return [self.class_names[place] for place in self._labels(stage).tolist()]

    def _labels(self, stage: Stage) -> Tensor:
        return torch.arange(len(self.class_names) - (stage != "test")).repeat(self.each)


def _scene(place: int, generator: torch.Generator) -> Tensor:
    colour, ground = list(COLOURS.values())[place // 2], list(GROUNDS.values())[place % 2]
    image = torch.full((3, 8, 8), ground)
    row, column = torch.randint(4, (2,), generator=generator).tolist()
    image[:, row : row + 4, column : column + 4] = torch.tensor(colour)[:, None, None]
    noise = torch.randint(-10, 11, image.shape, generator=generator)
    return (image + noise).clamp(0, 255).to(torch.uint8)
