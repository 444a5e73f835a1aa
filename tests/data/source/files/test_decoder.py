import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from leyden.data.issues import Tally
from leyden.data.source.files.decoder import read_image, read_image_size

RAMP = np.arange(0, 65536, 257, dtype=np.uint16).reshape(16, 16)
"""All of 8 bits, in 16."""
GREY = np.arange(256, dtype=np.uint8).reshape(16, 16)


def test_a_truncated_image_is_named(tmp_path: Path) -> None:
    path = tmp_path / "half.jpg"
    Image.effect_noise((64, 64), 50).save(path)
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(ValueError, match=r"half\.jpg: this image cannot be read"):
        read_image(path)


def test_images_are_turned_upright(tmp_path: Path) -> None:
    image = Image.new("L", (10, 6))
    exif = image.getexif()
    exif[0x0112] = 6  # lies on its side
    image.save(tmp_path / "a.jpg", exif=exif)
    assert read_image(tmp_path / "a.jpg", 1).shape == (1, 10, 6)
    assert read_image(tmp_path / "a.jpg").dtype == torch.uint8


@pytest.mark.parametrize("ending", ["png", "tif", "pgm"])
def test_sixteen_bits_keep_their_greys(ending: str, tmp_path: Path) -> None:
    file, tally = tmp_path / f"a.{ending}", Tally()
    if ending == "pgm":
        file.write_bytes(b"P5 16 16 65535\n" + RAMP.astype(">u2").tobytes())
    else:
        Image.fromarray(RAMP).save(file)
    assert np.array_equal(read_image(file, 1, tally)[0], GREY)
    assert torch.equal(read_image(file), torch.from_numpy(GREY).expand(3, -1, -1))
    assert str(tally) == f"1 x of 16 bits, scaled to 8 ({file})"


def png(file: Path, bits: int, kind: int, rows: np.ndarray) -> None:
    """Writes a PNG without Pillow, which saves no colour of 16 bits; kind 0 is grey, 2 RGB."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width = rows.shape[:2]
    head = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    lines = b"".join(b"\0" + row.tobytes() for row in rows.astype(">u2" if bits == 16 else "u1"))
    content = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + content)


def test_sixteen_bits_of_colour(tmp_path: Path) -> None:
    png(tmp_path / "a.png", 16, 2, np.stack([RAMP, RAMP[::-1], RAMP.T], 2))
    expected = np.stack([GREY, GREY[::-1], GREY.T])
    assert np.array_equal(read_image(tmp_path / "a.png"), expected)


def test_white_is_zero_in_some_tiffs(tmp_path: Path) -> None:
    Image.fromarray(RAMP).save(tmp_path / "a.tif", tiffinfo={262: 0})
    assert np.array_equal(read_image(tmp_path / "a.tif", 1)[0], 255 - GREY)


@pytest.mark.parametrize(("mode", "ending"), [("F", "tif"), ("I", "tif"), ("F", "pfm")])
def test_values_without_a_range_are_refused(mode: str, ending: str, tmp_path: Path) -> None:
    Image.new(mode, (4, 4), 7).save(tmp_path / f"a.{ending}")
    with pytest.raises(ValueError, match=rf"a\.{ending}: .* of no known range: save it with 8 or 16 bits"):
        read_image(tmp_path / f"a.{ending}")


@pytest.mark.parametrize("mode", ["1", "LA", "P", "PA", "RGBA", "CMYK"])
def test_other_modes_keep_what_is_seen(mode: str, tmp_path: Path) -> None:
    file = tmp_path / ("a.tif" if mode in ("CMYK", "PA") else "a.png")
    white = Image.new("RGB", (4, 2), "white")
    white.putpixel((1, 0), (0, 0, 0))
    white.convert("LA" if mode == "PA" else mode).save(file)
    assert read_image(file)[:, 0].tolist() == [[255, 0, 255, 255]] * 3


def test_transparency_and_frames_are_counted(tmp_path: Path) -> None:
    tally = Tally()
    Image.new("RGBA", (4, 4)).save(tmp_path / "a.png")
    frames = [Image.new("RGB", (4, 4), (60 * i, 0, 0)) for i in range(3)]
    frames[0].save(tmp_path / "b.gif", save_all=True, append_images=frames[1:])
    for name in ("a.png", "b.gif", "b.gif"):
        assert read_image(tmp_path / name, 3, tally).shape == (3, 4, 4)
    assert str(tally) == (
        f"1 x of several frames, the first taken ({tmp_path / 'b.gif'}); "
        f"1 x with transparency, which is left out ({tmp_path / 'a.png'})"
    )


@pytest.mark.parametrize("ending", ["jpg", "png", "tif", "webp"])
def test_sizes_are_those_of_decoded_images(ending: str, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 8
    Image.new("RGB", (10, 6)).save(tmp_path / f"a.{ending}", exif=exif)
    assert read_image_size(tmp_path / f"a.{ending}") == (6, 10)
    assert read_image(tmp_path / f"a.{ending}").shape == (3, 10, 6)


@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
def test_tiff_on_its_side(compression: str | None, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    grey = np.arange(60, dtype=np.uint8).reshape(6, 10)
    Image.fromarray(grey).save(tmp_path / "a.tif", exif=exif, compression=compression)
    assert np.array_equal(read_image(tmp_path / "a.tif", 1)[0], np.rot90(grey, -1))
    assert read_image_size(tmp_path / "a.tif") == (6, 10)


def test_damaged_exif_leaves_the_image(tmp_path: Path) -> None:
    Image.new("RGB", (10, 6)).save(tmp_path / "a.jpg", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\xff\x01\x12")
    assert read_image(tmp_path / "a.jpg").shape == (3, 6, 10)
    assert read_image_size(tmp_path / "a.jpg") == (10, 6)


def bomb(file: Path) -> None:
    png(file, 8, 0, np.zeros((2, 2)))
    content = bytearray(file.read_bytes())
    content[16:24] = struct.pack(">II", 60000, 60000)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    file.write_bytes(content)


def textchunk(file: Path) -> None:
    info = PngInfo()
    info.add_text("comment", "x" * 3_000_000, zip=True)
    Image.new("L", (4, 4)).save(file, pnginfo=info)


@pytest.mark.parametrize("damage", [bomb, textchunk, lambda file: file.write_bytes(b""), lambda file: file.mkdir()])
def test_whatever_is_wrong_names_the_file(damage: object, tmp_path: Path) -> None:
    damage(tmp_path / "a.png")  # type: ignore[operator]
    with pytest.raises(ValueError, match=r"a\.png: this image cannot be read \(.+\); repair, shrink or remove it"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "the file is empty"),
        (bytes(5000), "begins with zeros"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "pointer of Git LFS: git lfs pull"),
        (b"\n<!DOCTYPE html><html>404</html>", "web page"),
        (b"<?xml version='1.0'?>\n<svg width='9'/>", "drawing"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC photograph: convert it to JPEG"),
        (b"\0\0\0\nftypmif1\0\0\0\0", "HEIC photograph"),
        (b"PK\x03\x04rest", "archive: unpack it"),
        (b"%PDF-1.7", "PDF"),
        (b"hello", "no format that Pillow knows"),
    ],
)
def test_what_is_no_image_is_told_by_how_it_begins(content: bytes, what: str, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    for read in (read_image, read_image_size):
        with pytest.raises(ValueError, match=f"cannot be read .*{what}"):
            read(tmp_path / "a.jpg")
