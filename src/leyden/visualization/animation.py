"""Pictures that change over the course of a training, as one animated GIF."""

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

FRAME_MS, LAST_MS = 300, 2500
"""How long a frame is shown, and the last one, which is what the training came to."""
MOST_FRAMES = 60
"""Of more pictures so many are shown, evenly spread, the first and the last among them."""
MOST_BYTES = 2_000_000
"""An animation of this size opens at once in a browser or a chat."""
PALETTES = {"L": (256, 64, 32), "RGB": (256, 128)}
"""Numbers of greys and of colours, the best first; a GIF has 256 at most, and fewer take fewer bytes."""


def animate(files: Sequence[Path]) -> bytes:
    """Pictures of one size, in this order, as a GIF of at most ``MOST_BYTES`` that repeats for ever.

    Where all fits, greys stay what they are; colours become the 256 that suit all frames together, so that nothing
    flickers. Otherwise there are fewer greys or colours, then pictures that ``leyden.visualization.grid.upscale``
    enlarged go back to their own size, and at last they are shrunk. Nothing is dithered, which would make flat areas
    large.

    Args:
        files: one picture or more.
    """
    if len(files) > MOST_FRAMES:
        files = [files[round(i * (len(files) - 1) / (MOST_FRAMES - 1))] for i in range(MOST_FRAMES)]
    frames = [_read(file) for file in files]
    if any(frame.mode != "L" for frame in frames):
        frames = [frame.convert("RGB") for frame in frames]
    palettes, own_size = PALETTES[frames[0].mode], _unenlarged(frames)
    for size in (frames, own_size):
        for colours in palettes:
            content = _encode(size, colours)
            if len(content) <= MOST_BYTES:
                return content
    width, height = own_size[0].size
    while len(content) > MOST_BYTES:
        share = 0.97 * (MOST_BYTES / len(content)) ** 0.5
        width, height = max(1, int(share * width)), max(1, int(share * height))
        content = _encode([frame.resize((width, height), Image.Resampling.BOX) for frame in own_size], palettes[-1])
    return content


def _read(file: Path) -> Image.Image:
    """In mode L where there is no colour, else as RGB."""
    with Image.open(file) as picture:
        colour = picture.convert("RGB")
    red, green, blue = colour.split()
    return red if red.tobytes() == green.tobytes() == blue.tobytes() else colour


def _unenlarged(frames: list[Image.Image]) -> list[Image.Image]:
    """Frames whose pixels all stand for squares of k x k equal ones, with the largest such k up to 16."""
    for k in range(16, 1, -1):
        small = [frame.reduce(k) for frame in frames]
        if all(
            frame.tobytes() == less.resize(frame.size, Image.Resampling.NEAREST).tobytes()
            for frame, less in zip(frames, small, strict=True)
        ):
            return small
    return frames


def _encode(frames: list[Image.Image], colours: int) -> bytes:
    if frames[0].mode == "RGB":
        palette = _strip(frames, 128).quantize(colours)
        frames = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    else:
        greys = [round(value * (colours - 1) / 255) * 255 // (colours - 1) for value in range(256)]
        frames = [frame.point(greys) for frame in frames]
    content = io.BytesIO()
    durations = [FRAME_MS] * (len(frames) - 1) + [LAST_MS]
    # Unoptimised: Pillow would shift greys by one to make room for transparency.
    options = {"duration": durations, "loop": 0, "optimize": False}
    frames[0].save(content, "gif", save_all=True, append_images=frames[1:], **options)
    return content.getvalue()


def _strip(frames: list[Image.Image], side: int) -> Image.Image:
    """All frames in one picture, each ``side`` pixels wide and high: what a common palette is chosen from."""
    strip = Image.new("RGB", (side, side * len(frames)))
    for number, frame in enumerate(frames):
        strip.paste(frame.resize((side, side), Image.Resampling.NEAREST), (0, side * number))
    return strip
