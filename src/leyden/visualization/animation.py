"""Images that change over the course of a training, as one animated GIF."""

import io
import math
from collections.abc import Sequence
from pathlib import Path

from lightning import LightningModule
from PIL import Image

FRAME_MS, LAST_MS = 300, 2500
"""How long a frame is shown, and the last one, the result of the training."""
FRAMES = 12
"""Images of a training, besides those of its validations."""
MAX_FRAMES = 60
"""Of more images so many are shown, evenly spread, the first and the last among them."""
MAX_BYTES = 2_000_000
"""An animation of this size opens at once in a browser or a chat."""


def frame_steps(total: float, frames: int = FRAMES) -> set[int]:
    """The optimizer steps at which an image of a training is worth keeping, whenever it validates besides.

    They lie the denser, the earlier: the first steps change most. The end is left to the last validation.

    Args:
        total: steps of the training; where it is infinite, those that are powers of two.
        frames: how many, or fewer where there are not so many steps.
    """
    if math.isinf(total):
        return {2**i for i in range(40)}
    steps = [0]
    for i in range(frames):
        steps.append(max(steps[-1] + 1, round(total * (i / frames) ** 2)))
    return {step for step in steps[1:] if step < total}


class Frames:
    """Tells when an image of a running training is due, see ``frame_steps``."""

    def __init__(self) -> None:
        self._steps: set[int] | None = None

    def due(self, module: LightningModule) -> bool:
        """Whether an image of this step is worth keeping, and something keeps it."""
        if not module.loggers:
            return False
        if self._steps is None:
            self._steps = frame_steps(module.trainer.estimated_stepping_batches)
        return module.global_step in self._steps


def animate(files: Sequence[Path]) -> bytes:
    """Images of one size, in this order, as a GIF of at most ``MAX_BYTES`` that repeats for ever.

    Where they fit, greys stay what they are; colours become the 256 that suit all frames together, so that nothing
    flickers. Images that do not fit are shrunk. Nothing is dithered, which would make flat areas large.

    Args:
        files: one image or more.
    """
    if len(files) > MAX_FRAMES:
        files = [files[round(i * (len(files) - 1) / (MAX_FRAMES - 1))] for i in range(MAX_FRAMES)]
    frames = [_read(file) for file in files]
    if any(frame.mode != "L" for frame in frames):
        frames = [frame.convert("RGB") for frame in frames]
    content = _encode(frames)
    width, height = frames[0].size
    while len(content) > MAX_BYTES:
        scale = 0.97 * (MAX_BYTES / len(content)) ** 0.5
        width, height = max(1, int(scale * width)), max(1, int(scale * height))
        content = _encode([frame.resize((width, height), Image.Resampling.BOX) for frame in frames])
    return content


def _read(file: Path) -> Image.Image:
    """In mode L where there is no colour, else as RGB."""
    with Image.open(file) as image:
        colour = image.convert("RGB")
    red, green, blue = colour.split()
    return red if red.tobytes() == green.tobytes() == blue.tobytes() else colour


def _encode(frames: list[Image.Image]) -> bytes:
    if frames[0].mode == "RGB":
        side = 128
        strip = Image.new("RGB", (side, side * len(frames)))  # all frames, small: a common palette is chosen from it
        for number, frame in enumerate(frames):
            strip.paste(frame.resize((side, side), Image.Resampling.NEAREST), (0, side * number))
        palette = strip.quantize(256)
        frames = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    content = io.BytesIO()
    durations = [FRAME_MS] * (len(frames) - 1) + [LAST_MS]
    # Unoptimised: Pillow would shift greys by one to make room for transparency.
    options = {"duration": durations, "loop": 0, "optimize": False}
    frames[0].save(content, "gif", save_all=True, append_images=frames[1:], **options)
    return content.getvalue()
