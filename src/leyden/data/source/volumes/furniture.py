"""Generated furniture: tables, chairs, lamps, sofas and beds as parts, from numbers in [0, 1).

Every length is a share of the cube's side. What is upright is ``THIN`` or thicker, a voxel and a half of sixteen, so
that it does not fall between the centres of voxels at that size, however it is turned.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from leyden.data.source.volumes.geometry import Parts

DRAWN = 32
"""Numbers that a shape is made of, at most."""
PARTS = 8
"""Of a shape, at most."""
THIN = 0.092
"""The least thickness of what is upright."""
CORNERS = ((-1, -1), (1, -1), (-1, 1), (1, 1))

Draw = Callable[[float, float], Tensor]
"""The next of a shape's numbers (N,), evenly spread between two bounds."""
Part = tuple[Tensor, Tensor]
"""(N,) bool, whether it is round; (N, 6) centre x, height of the middle above the floor, z, and half extents."""


def part(x: Tensor, height: Tensor, z: Tensor, half: tuple[Tensor, Tensor, Tensor], is_round: Tensor) -> Part:
    """A part of numbers (N,); ``is_round`` (N,) bool."""
    return is_round, torch.stack([x, height, z, *half], 1)


def present(made: Part, there: Tensor) -> Part:
    """The part in those shapes alone where ``there`` (N,) is true."""
    is_round, numbers = made
    gone = numbers.clone()
    gone[:, 4] = -1.0
    return is_round, torch.where(there[:, None], numbers, gone)


def table(draw: Draw, size: Tensor) -> list[Part]:
    """A plate on four unequal legs, some with a panel that hides them and a drawer that the panel hides."""
    never = torch.zeros_like(size, dtype=torch.bool)
    half = draw(0.24, 0.36) * size, draw(0.035, 0.055), draw(0.2, 0.28) * size
    tall = draw(0.5, 0.85) * size
    plate = part(0 * size, tall - half[1], 0 * size, half, draw(0, 1) < 0.3)
    span = torch.where(plate[0], 0.66, 0.92)
    legs = four_legs(draw, half[0] * span, half[2] * span, tall - half[1], draw(0, 1) < 0.3)
    thin = draw(THIN, 0.11) / 2
    side = torch.where(draw(0, 1) < 0.5, 1.0, -1.0)
    shown = (draw(0, 1) < 0.4) & ~plate[0]
    low = draw(0.0, 0.25) * tall
    panel = part(0 * size, (tall + low) / 2, side * (half[2] - thin), (half[0], (tall - low) / 2, thin), never)
    deep = draw(0.08, 0.14)
    drawer_half = draw(0.3, 0.6) * half[0], deep, draw(0.3, 0.6) * half[2]
    place = (half[0] - drawer_half[0]) * draw(-1, 1) * 0.7, (half[2] - drawer_half[2]) * draw(-1, 1) * 0.7
    drawer = part(place[0], tall - 2 * half[1] - deep, place[1], drawer_half, never)
    return [plate, *legs, present(panel, shown), present(drawer, draw(0, 1) < 0.5)]


def chair(draw: Draw, size: Tensor) -> list[Part]:
    """A seat on four unequal legs with a back, some with arms, whose heights differ."""
    never = torch.zeros_like(size, dtype=torch.bool)
    half = draw(0.18, 0.25) * size, draw(0.035, 0.055), draw(0.18, 0.25) * size
    tall, back = draw(0.36, 0.5) * size, draw(0.4, 0.55) * size
    seat = part(0 * size, tall - half[1], 0 * size, half, never)
    legs = four_legs(draw, half[0] * 0.95, half[2] * 0.95, tall - half[1], draw(0, 1) < 0.3)
    thin, wide = draw(THIN, 0.11) / 2, draw(0.6, 1.0) * half[0]
    rest = part(0 * size, tall + back / 2 - half[1], half[2] - thin, (wide, back / 2 + half[1], thin), never)
    arms = []
    for side in (-1.0, 1.0):
        high, wide = draw(0.12, 0.24) * size, draw(THIN, 0.1) / 2
        arm = part(side * (half[0] - wide), tall + high / 2 - half[1], 0 * size, (wide, high / 2, half[2]), never)
        arms.append(present(arm, draw(0, 1) < 0.4))
    return [seat, rest, *legs, *arms]


def lamp(draw: Draw, size: Tensor) -> list[Part]:
    """A foot, a pole, and a shade, which hangs beside the pole on an arm."""
    never = torch.zeros_like(size, dtype=torch.bool)
    tall, shade_tall = draw(0.75, 1.0) * size, draw(0.2, 0.32) * size
    foot_round, shade_round = draw(0, 1) < 0.5, draw(0, 1) < 0.6
    foot_half = draw(0.11, 0.2) * size, draw(0.035, 0.055), draw(0.11, 0.2) * size
    foot = part(0 * size, foot_half[1], 0 * size, foot_half, foot_round)
    pole_half = draw(THIN, 0.11) / 2
    pole = part(0 * size, tall / 2, 0 * size, (pole_half, tall / 2, pole_half), ~never)
    away = draw(0.0, 0.16) * size
    shade_half = draw(0.12, 0.2) * size, shade_tall / 2, draw(0.12, 0.2) * size
    shade = part(away, tall - shade_tall / 2, 0 * size, shade_half, shade_round)
    return [foot, pole, shade]


def sofa(draw: Draw, size: Tensor) -> list[Part]:
    """A seat between a back and arms of unequal height, which hide it; some have one arm alone."""
    never = torch.zeros_like(size, dtype=torch.bool)
    half = draw(0.3, 0.38) * size, draw(0.2, 0.3) * size / 2, draw(0.19, 0.26) * size
    seat = part(0 * size, half[1], 0 * size, half, never)
    back_tall, back_thin = draw(0.45, 0.65) * size, draw(THIN, 0.13) / 2
    back = part(0 * size, back_tall / 2, half[2] - back_thin, (half[0], back_tall / 2, back_thin), never)
    arms = []
    missing = draw(0, 1)
    for side, gone in ((-1.0, missing < 0.2), (1.0, missing > 0.8)):
        high, thin = draw(0.34, 0.5) * size, draw(THIN, 0.12) / 2
        deep = draw(0.7, 1.0) * half[2]
        arm = part(side * (half[0] - thin), high / 2, half[2] - deep, (thin, high / 2, deep), never)
        arms.append(present(arm, ~gone))
    return [seat, back, *arms]


def bed(draw: Draw, size: Tensor) -> list[Part]:
    """A mattress on four unequal legs with a headboard, some with a footboard."""
    never = torch.zeros_like(size, dtype=torch.bool)
    half = draw(0.19, 0.26) * size, draw(0.05, 0.08), draw(0.32, 0.38) * size
    low = draw(0.14, 0.2)
    mattress = part(0 * size, low + half[1], 0 * size, half, never)
    legs = four_legs(draw, half[0], half[2], low + half[1], never)
    boards = []
    for side, least, most, often in ((1.0, 0.45, 0.65, 1.1), (-1.0, 0.3, 0.42, 0.5)):
        tall, thin = draw(least, most) * size, draw(THIN, 0.11) / 2
        board = part(0 * size, tall / 2, side * (half[2] - thin), (half[0], tall / 2, thin), never)
        boards.append(present(board, draw(0, 1) < often))
    return [mattress, *legs, *boards]


def four_legs(draw: Draw, half_x: Tensor, half_z: Tensor, tall: Tensor, is_round: Tensor) -> list[Part]:
    """A leg near each corner of a rectangle, of a thickness and at a place of its own."""
    legs = []
    for x, z in CORNERS:
        thin, inset = draw(THIN, 0.13) / 2, draw(0.0, 0.06)
        place = x * (half_x - thin - inset).clamp(min=0), z * (half_z - thin - inset).clamp(min=0)
        legs.append(part(place[0], tall / 2, place[1], (thin, tall / 2, thin), is_round))
    return legs


FURNITURE: dict[str, Callable[[Draw, Tensor], list[Part]]] = {
    "table": table,
    "chair": chair,
    "lamp": lamp,
    "sofa": sofa,
    "bed": bed,
}
"""By class, in the order of the labels."""


def furniture(kind: str, size: Tensor, u: Tensor, yaw: float, place: float) -> Parts:
    """Shapes of a class.

    Args:
        kind: a name in ``FURNITURE``.
        size: (N,) how large they are, 0.5 to 1.
        u: (N, DRAWN) float32, uniform in [0, 1).
        yaw: greatest turn to either side, degrees.
        place: how much of the free room a shape moves in: 0 keeps it in the middle, 1 lets it touch the walls.
    """
    columns = iter(u[:, 4:].unbind(1))

    def draw(low: float, high: float) -> Tensor:
        return low + (high - low) * next(columns)

    made = FURNITURE[kind](draw, size)
    none = torch.zeros(len(size), 6)
    none[:, 4] = -1.0
    made += [(torch.zeros(len(size), dtype=torch.bool), none)] * (PARTS - len(made))
    is_round, numbers = torch.stack([r for r, _ in made], 1), torch.stack([n for _, n in made], 1)
    centre, half = numbers[..., :3].clone(), numbers[..., 3:]
    there = half[..., 1] >= 0
    reach = ((centre[..., ::2].abs() + half[..., ::2]).square().sum(-1).sqrt() * there).amax(1)
    tall = ((centre[..., 1] + half[..., 1]) * there).amax(1)
    room, up = (0.5 - reach).clamp(min=0), (1 - tall).clamp(min=0)
    axis = 0.5 + (2 * u[:, 1:3] - 1) * (place * room)[:, None]
    floor = 1 - up / 2 + (u[:, 3] - 0.5) * place * up
    centre[..., 1] = floor[:, None] - centre[..., 1]
    return Parts(is_round, centre, half, torch.deg2rad((2 * u[:, 0] - 1) * yaw), axis)
