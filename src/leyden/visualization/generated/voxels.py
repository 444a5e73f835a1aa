"""Volumes of voxels as people can see them: shaded, in parallel projection, from any side, and turning."""

import io
import math
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torchvision.transforms.v2.functional import pil_to_tensor, to_pil_image

TILT = math.radians(25)
"""The camera looks down by so much."""
YAW = 35.0
"""Degrees by which it has gone around the vertical axis, where nothing else is said."""
COLOUR = (96, 150, 214)
SMOOTH = 2
"""Images are drawn so many times larger and shrunk, so that edges are smooth."""
TURNS, FRAME_MS = 24, 80
"""Frames of a whole turn, and how long each is shown."""
LIGHT = np.array([0.45, -0.8, -0.55]) / np.linalg.norm([0.45, -0.8, -0.55])
"""Towards the light, in the camera's frame: right, down, away."""
FACES = {
    (1, 0, 0): ((1, 0, 0), (1, 1, 0), (1, 1, 1), (1, 0, 1)),
    (-1, 0, 0): ((0, 0, 0), (0, 1, 0), (0, 1, 1), (0, 0, 1)),
    (0, 1, 0): ((0, 1, 0), (1, 1, 0), (1, 1, 1), (0, 1, 1)),
    (0, -1, 0): ((0, 0, 0), (1, 0, 0), (1, 0, 1), (0, 0, 1)),
    (0, 0, 1): ((0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1)),
    (0, 0, -1): ((0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)),
}
"""Of a voxel: the outer normal, and corners, as x, y, z."""


def draw_voxels(
    volume: Tensor, yaw: float = YAW, side: int = 128, colour: tuple[int, int, int] = COLOUR, tilt: float = TILT
) -> Tensor:
    """A shape as shaded cubes on white, seen slightly from above: uint8 (3, side, side).

    Args:
        volume: (D, D, D) bool or 0 and 1; depth, height downwards, width.
        yaw: degrees by which the camera has gone around the vertical axis; 0 is the front.
        side: of the image in pixels.
        colour: RGB of a face in full light.
        tilt: radians by which the camera looks down.
    """
    size = len(volume)
    camera = _camera(math.radians(yaw), tilt)
    large = side * SMOOTH
    scale = large / (size * 1.5)  # the turned cube fits
    canvas = Image.new("RGB", (large, large), "white")
    pen = ImageDraw.Draw(canvas)
    for corners, shade in _visible(volume.cpu().numpy().astype(bool), camera):
        points = (corners - size / 2) @ camera[:2].T * scale + large / 2
        pen.polygon([(float(x), float(y)) for x, y in points], tuple(int(c * shade) for c in colour))
    return pil_to_tensor(canvas.resize((side, side), Image.Resampling.BOX))


def turning_gif(frames: Sequence[Tensor]) -> bytes:
    """Images uint8 (3, H, W) of one size as a GIF that repeats for ever, each shown equally long."""
    palette = to_pil_image(torch.cat(list(frames), 1)).quantize(64)
    images = [to_pil_image(frame).quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    content = io.BytesIO()
    options = {"duration": FRAME_MS, "loop": 0, "optimize": False}
    images[0].save(content, "gif", save_all=True, append_images=images[1:], **options)
    return content.getvalue()


def turn(volume: Tensor, side: int = 128, colour: tuple[int, int, int] = COLOUR) -> list[Tensor]:
    """A whole turn of a shape in ``TURNS`` images uint8 (3, side, side)."""
    return [draw_voxels(volume, YAW + 360 * i / TURNS, side, colour) for i in range(TURNS)]


def draw_silhouette(silhouette: Tensor, side: int = 128) -> Tensor:
    """A silhouette (S, S), 0 where it is off, black on white, enlarged by whole pixels: uint8 (3, side, side)."""
    factor = max(1, side // silhouette.shape[-1])
    large = silhouette.cpu().bool().repeat_interleave(factor, -2).repeat_interleave(factor, -1)
    image = torch.full((3, side, side), 255, dtype=torch.uint8)
    top = (side - large.shape[-1]) // 2
    ink = torch.where(large, 40, 232).to(torch.uint8)
    image[:, top : top + ink.shape[-2], top : top + ink.shape[-1]] = ink
    return image


def _camera(yaw: float, tilt: float) -> np.ndarray:
    """Rows: the camera's right, down and away, in x, y, z of the volume."""
    right = np.array([math.cos(yaw), 0.0, math.sin(yaw)])
    level = np.array([-math.sin(yaw), 0.0, math.cos(yaw)])
    down = np.array([0.0, 1.0, 0.0])
    away = math.cos(tilt) * level + math.sin(tilt) * down
    return np.stack([right, math.cos(tilt) * down - math.sin(tilt) * level, away])


def _visible(volume: np.ndarray, camera: np.ndarray) -> list[tuple[np.ndarray, float]]:
    """Faces between a full and an empty voxel that look at the camera, the farthest first: corners (4, 3), shade."""
    padded = np.pad(volume, 1)
    found = []
    for normal, corners in FACES.items():
        if camera[2] @ normal >= 0:
            continue
        x, y, z = normal
        beside = np.roll(padded, (-z, -y, -x), (0, 1, 2))[1:-1, 1:-1, 1:-1]
        places = np.argwhere(volume & ~beside)[:, ::-1]  # x, y, z
        shade = 0.5 + 0.5 * max(0.0, float((camera @ normal) @ LIGHT))
        offsets = np.array(corners)
        depths = (places + offsets.mean(0)) @ camera[2]
        found += [(depth, place + offsets, shade) for depth, place in zip(depths, places, strict=True)]
    found.sort(key=lambda face: -face[0])
    return [(corners, shade) for _, corners, shade in found]
