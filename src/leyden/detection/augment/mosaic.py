"""Mosaics: four images in one."""

import torch
from torch import Tensor

from leyden.data.columns import Scenes, Target
from leyden.data.splits import InMemory, Split
from leyden.detection.augment.geometric import resized_window


class Mosaic:
    """Four images in one, for more objects in more surroundings (Bochkovskiy et al. 2020, "YOLOv4", sec. 3.3).

    The image is divided at a random point of its middle half. The upper left part is a window of the image itself, the
    others are windows of images drawn from the whole split, each shown between its own size and as small as the part
    allows. So no part stays empty and nothing is enlarged. Objects whose centre is in a window remain, cut to it.

    Args:
        probability: of each image to become one.

    Attributes:
        split: what the other three are drawn from; set before the first call.
    """

    draws = 18
    split: Split

    def __init__(self, probability: float) -> None:
        self.probability = probability

    def __call__(self, batch: Scenes, u: Tensor) -> Scenes:
        """Changes scenes uint8 (B, C, S, S) by ``u`` (B, 18), uniform in [0, 1)."""
        images, targets = batch
        made, scenes = images.clone(), list(targets)
        for i in (u[:, 0] < self.probability).nonzero().flatten().tolist():
            numbers = u[i].tolist()
            others = [int(number * len(self.split)) for number in numbers[3:6]]
            tiles = [(images[i], targets[i]), *self._examples(others, images.device)]
            made[i], scenes[i] = join_tiles(tiles, numbers[1:3], numbers[6:])
        return Scenes(made, scenes)

    def _examples(self, indices: list[int], device: torch.device) -> list[tuple[Tensor, Target]]:
        if isinstance(self.split, InMemory):
            pairs = list(zip(*self.split.take(torch.tensor(indices, device=self.split.device)), strict=True))
        else:
            pairs = [self.split[index] for index in indices]
        return [(image.to(device), {key: value.to(device) for key, value in t.items()}) for image, t in pairs]


def join_tiles(tiles: list[tuple[Tensor, Target]], centre: list[float], numbers: list[float]) -> tuple[Tensor, Target]:
    """Four images as one, each a window of its own.

    Args:
        tiles: uint8 (C, S, S) with their targets.
        centre: two numbers in [0, 1): where the four meet, in the middle half of the sides.
        numbers: three for each tile: size, horizontal and vertical place of its window.
    """
    whole, boxes, labels = torch.empty_like(tiles[0][0]), [], []
    side = whole.shape[-1]
    x, y = (round((0.25 + 0.5 * number) * side) for number in centre)
    for place, (image, target) in enumerate(tiles):
        left, width = (0, x) if place % 2 == 0 else (x, side - x)
        top, height = (0, y) if place < 2 else (y, side - y)
        size, across, down = numbers[3 * place : 3 * place + 3]
        scale = (max(width, height) / side) ** size
        window = [min(side, round(length / scale)) for length in (height, width)]
        corner = [int(down * (side - window[0] + 1)), int(across * (side - window[1] + 1))]
        piece, shown = resized_window(image, target, [*corner, *window], [height, width])
        whole[:, top : top + height, left : left + width] = piece
        boxes.append(shown["boxes"] + torch.tensor([left, top, left, top], device=image.device))
        labels.append(shown["labels"])
    return whole, {"boxes": torch.cat(boxes), "labels": torch.cat(labels)}
