"""The one decoder of image files, for all sources and ``leyden predict``."""

import re
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.Image import Transpose
from PIL.TiffImagePlugin import TiffImageFile
from torch import Tensor

from leyden.data.issues import Tally
from leyden.data.source.files.pillow import pil_to_tensor

BITS_PER_SAMPLE, PHOTOMETRIC = 258, 262
"""Of TIFF's tags."""
ORIENTATION = 0x0112
"""Of EXIF's."""
TURNS = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
"""What makes an image upright, by that tag; from 5 on it lies on its side."""
BEGINNING = 256
"""Bytes that tell what a file is."""
INSTEAD = {
    rb"$": "the file is empty",
    rb"\0+$": "the file begins with zeros, as an interrupted copy leaves it",
    rb"version https://git-lfs": "the file is a pointer of Git LFS: git lfs pull brings the image",
    rb"(?i)\s*(<!doctype html|<html)": "the file is a web page, as a failed download leaves it",
    rb"(?is)\s*(<\?xml.{0,200}|<!--.{0,200})?<svg": "the file is a drawing (SVG), which has no pixels: convert it",
    rb"(?s).{4}ftyp(hei|hev|mif1|msf1)": "the file is an HEIC photograph: convert it to JPEG",
    rb"PK\x03\x04|\x1f\x8b|Rar!|7z\xbc": "the file is an archive: unpack it",
    rb"%PDF": "the file is a PDF: convert it",
}
"""What files under an image's name are instead, by a pattern of how they begin."""
CURE = "repair, shrink or remove it"


def read_image(path: str | Path, channels: int = 3, tally: Tally | None = None) -> Tensor:
    """An image file as uint8 (channels, H, W), turned upright as its EXIF data says.

    More than 8 bits are scaled by the range of the format: 65535 of 16 bits becomes 255. Of several frames the first is
    taken, and transparency is left out; both are counted.

    Args:
        path: of any format that Pillow reads.
        channels: 3 for colour, 1 for grey.
        tally: counts what had to be changed; None does not count.

    Raises:
        ValueError: the file is missing, broken, too large for Pillow, no image, or has values of no known range (32
            bits, floats); the message names it.
    """
    try:
        with open(path, "rb") as stream, Image.open(stream) as image:  # by its path Pillow garbles TIFFs on their side
            image.load()
            pixels = _eight_bits(image).convert("RGB" if channels == 3 else "L")
            if tally is not None:
                _count(image, path, tally)
            turn = TURNS.get(_orientation(image))
            return pil_to_tensor(pixels if turn is None else pixels.transpose(turn))
    except Exception as error:  # of damaged files Pillow raises anything: struct.error, IndexError, MemoryError ...
        raise ValueError(f"{path}: this image cannot be read ({_reason(error, path)}); {CURE}") from error


def read_image_size(path: Path) -> tuple[int, int]:
    """Width and height of an image, upright as its EXIF data says, from the head of its file.

    Raises:
        ValueError: the file is broken or no image.
    """
    try:
        with Image.open(path) as image:
            return (image.height, image.width) if _orientation(image) in (5, 6, 7, 8) else (image.width, image.height)
    except Exception as error:  # as in read_image
        raise ValueError(f"{path}: this image cannot be read ({_reason(error, path)}); {CURE}") from error


def _orientation(image: Image.Image) -> int:
    """What EXIF says; 1 where it is damaged, and for TIFF, whose images Pillow turns by itself."""
    if isinstance(image, TiffImageFile):
        return 1
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except Exception:  # as in read_image; the pixels are whole all the same
        return 1


def _eight_bits(image: Image.Image) -> Image.Image:
    """The image in a mode that ``convert`` does not cut off at 255."""
    if image.mode == "F" or (image.mode == "I" and image.format != "PPM"):
        kind = "floating-point numbers" if image.mode == "F" else "32-bit numbers"
        raise ValueError(f"its values are {kind} of no known range: save it with 8 or 16 bits")
    if not image.mode.startswith("I"):
        return image
    bits, white_is_zero = 16, False  # Pillow brings PGM's range to 16 bits
    if isinstance(image, TiffImageFile):
        bits, white_is_zero = max(image.tag_v2[BITS_PER_SAMPLE]), image.tag_v2[PHOTOMETRIC] == 0
    values = np.asarray(image).astype(np.float32) * (255 / (2**bits - 1))
    scaled = np.rint(values).clip(0, 255).astype(np.uint8)
    return Image.fromarray(255 - scaled if white_is_zero else scaled)


def _count(image: Image.Image, path: str | Path, tally: Tally) -> None:
    if image.mode.startswith("I"):
        tally.add("of 16 bits, scaled to 8", path)
    if image.has_transparency_data:
        tally.add("with transparency, which is left out", path)
    try:
        image.seek(1)
    except EOFError:
        return
    tally.add("of several frames, the first taken", path)


def _reason(error: Exception, path: str | Path) -> str:
    """What Pillow says, or what the file is instead of an image, by how it begins."""
    if isinstance(error, UnidentifiedImageError):
        try:
            with open(path, "rb") as stream:
                head = stream.read(BEGINNING)
        except OSError:
            head = b"?"
        return next((what for begins, what in INSTEAD.items() if re.match(begins, head)), "no format that Pillow knows")
    return " ".join(str(error).split()) or type(error).__name__
