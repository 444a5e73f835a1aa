"""A file of weights, of whatever program: its tensors by dotted names, or what the file is instead.

Files are read with ``weights_only=True`` or as safetensors, so they cannot run code.
"""

import argparse
import html
import re
import tarfile
import zipfile
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

HARMLESS: list[Any] = [
    *(argparse.Namespace, datetime, timedelta, timezone),
    *((PurePosixPath, f"{module}.PosixPath") for module in ("pathlib", "pathlib._local")),
    *((PureWindowsPath, f"{module}.WindowsPath") for module in ("pathlib", "pathlib._local")),
    *(np.dtype, np.ndarray, *(type(np.dtype(code)) for code in "?bBhHiIlLqQefdUS")),
    *((np.float64(0).__reduce__()[0], f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
    *((np.zeros(0).__reduce__()[0], f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")),
]
"""What training scripts store beside the tensors, and torch does not know to be plain data: options, numbers."""

UNPACK = "unpack it and give the file of weights inside"
SAVE = "where the network can be built, save its tensors alone: torch.save(network.state_dict(), 'weights.pth')"
STARTS = {
    b"version https://git-lfs": ("a Git-LFS pointer, not the file itself", "run `git lfs pull`, or download the file"),
    b"\x89HDF\r\n\x1a\n": ("an HDF5 file, as Keras writes it", "give weights of PyTorch"),
    b"\x93NUMPY": ("an array of NumPy", "give weights of PyTorch: a dict of names and tensors, by torch.save"),
    b"\x1f\x8b": ("compressed by gzip", UNPACK),
    b"BZh": ("compressed by bzip2", UNPACK),
    b"\xfd7zXZ\x00": ("compressed by xz", UNPACK),
    b"\x28\xb5\x2f\xfd": ("compressed by zstd", UNPACK),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", UNPACK),
    b"Rar!": ("a RAR archive", UNPACK),
    b"GGUF": ("a GGUF file of llama.cpp", "give weights of PyTorch"),
    b"\x89PNG": ("an image", "give a file of weights"),
    b"\xff\xd8\xff": ("an image", "give a file of weights"),
    b"%PDF": ("a PDF", "give a file of weights"),
}
"""First bytes of what is often taken for weights: what it is, and the cure."""
OLD = b"l\xfc\x9cF\xf9 j\xa8P\x19"
"""In the first bytes of files by ``torch.save`` before zip archives: 0x1950a86a20f9469cfc6c."""


def read_tensors(path: Path, key: str) -> dict[str, Tensor]:
    """All tensors of a file, under the names that lead to them through dicts and lists, joined by dots.

    Args:
        path: a file by ``torch.save``, old or new, or of safetensors, whatever its ending says.
        key: the config key that names the file, for messages.

    Returns:
        tensors without history; those of floats are float32.

    Raises:
        ValueError: it is something else, broken, or holds no tensors; the message says what it is, and the cure.
    """
    found, cure = _kind(path)
    if found:
        raise ValueError(f"{key}: {path} is {found}: {cure}")
    if _is_safetensors(path):
        try:
            stored: Any = load_file(path)
        except SafetensorError as error:
            raise ValueError(f"{key}: {path} is a broken safetensors file ({error}): fetch it again") from error
    else:
        stored = load_stored(path, key)
    tensors = dict(_walk(stored, ""))
    if not tensors:
        raise ValueError(f"{key}: {path} holds no tensors but {_outline(stored)}: give a file of weights")
    return tensors


def load_stored(path: Path, key: str) -> Any:
    """What ``torch.save`` wrote, with plain data beside the tensors.

    Args:
        path: the file.
        key: the config key that names it, for messages.

    Raises:
        ValueError: it is broken, or holds more than tensors and plain data.
    """
    with torch.serialization.safe_globals(HARMLESS):
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # unpickling damaged bytes raises anything
            reason = error
        try:
            foreign = torch.serialization.get_unsafe_globals_in_checkpoint(path)
        except Exception:  # old files, and broken ones
            foreign = []
    with path.open("rb") as file:
        start = file.read(2)
    named = sorted(foreign) or re.findall(r"(?:GLOBAL|class|function) ([\w.]+\.\w+)", str(reason))
    if named:
        what = ", ".join(named[:3]) + (", ..." if len(named) > 3 else "")
        message = f"holds Python objects ({what}), and opening these could run code: {SAVE}"
    elif start == b"PK" or start[:1] == b"\x80":
        message = f"is cut short or damaged ({path.stat().st_size} bytes): fetch it again"
    else:
        message = "is no file of weights that PyTorch or safetensors wrote: give one"
    raise ValueError(f"{key}: {path} {message}") from reason


def _walk(value: Any, name: str) -> Iterator[tuple[str, Tensor]]:
    """The tensors in nested dicts and lists, with their dotted names."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
        value = torch.from_numpy(np.ascontiguousarray(value))
    if isinstance(value, Tensor):
        yield name, value.detach().float() if value.is_floating_point() else value.detach()
    elif isinstance(value, dict | list | tuple):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _walk(inner, f"{name}.{key}" if name else str(key))


def _outline(stored: Any) -> str:
    if isinstance(stored, dict):
        return f"a dict of {', '.join(map(str, list(stored)[:6])) or 'nothing'}"
    return f"a {type(stored).__name__}"


def _is_safetensors(path: Path) -> bool:
    """Eight bytes with the header's length, then the header, which is JSON."""
    with path.open("rb") as file:
        start = file.read(9)
    return len(start) == 9 and start[8:] == b"{" and int.from_bytes(start[:8], "little") < 100_000_000


def _kind(path: Path) -> tuple[str, str]:
    """What a file is that holds no weights, and the cure; ("", "") if it may hold some."""
    with path.open("rb") as file:
        start = file.read(2048)
    if not start:
        return "empty", "fetch it again"
    for magic, what in STARTS.items():
        if start.startswith(magic):
            return what
    if start[:2] == b"PK":
        return _kind_of_zip(path)
    if start[:1] == b"\x80" and OLD not in start[:40]:
        return "a pickle that torch.save has not written", SAVE
    if path.suffix == ".onnx" or (start[:1] == b"\x08" and re.search(rb"onnx|pytorch|torch\.onnx", start[:200])):
        return "a network in ONNX", f"give weights of PyTorch; {SAVE}"
    if start[4:8] == b"TFL3" or path.suffix == ".pb":
        return "a network of TensorFlow", "give weights of PyTorch"
    if start[257:262] == b"ustar" and not {"storages", "tensors"} <= set(_members(path)):  # torch's own before 2017
        return "a tar archive", UNPACK
    if _is_safetensors(path):
        return "", ""
    return _kind_of_text(start)


def _kind_of_zip(path: Path) -> tuple[str, str]:
    if not zipfile.is_zipfile(path):
        return f"cut short ({path.stat().st_size} bytes)", "fetch it again"
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    inner = {name.partition("/")[2] for name in names}
    if "constants.pkl" in inner:
        extract = f"torch.save(torch.jit.load('{path.name}').state_dict(), 'weights.pth')"
        return "a TorchScript program", f"if you trust it, save its tensors alone: {extract}"
    if "data.pkl" in inner:
        return "", ""
    if any(name.endswith(("model.weights.h5", "variables.h5")) for name in names):
        return "a network of Keras", "give weights of PyTorch"
    if any(name.endswith(".npy") for name in names):
        return "arrays of NumPy", "give weights of PyTorch: a dict of names and tensors, by torch.save"
    if "archive_format" in inner:
        return "a program of torch.export", SAVE
    return f"a zip archive of {', '.join(names[:4])}{', ...' if len(names) > 4 else ''}", UNPACK


def _members(path: Path) -> list[str]:
    with tarfile.open(path, "r:") as archive:
        return archive.getnames()


def _kind_of_text(start: bytes) -> tuple[str, str]:
    """Of pages and other text, its first line."""
    for encoding in ("utf-16", "utf-8-sig") if start[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig",):
        text = start.decode(encoding, errors="ignore").strip()
        if len(text.encode(encoding)) < 0.9 * len(start.strip()) or not _printable(text):
            continue
        line = " ".join(text.split())[:60]
        if text[:1] == "<":
            title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
            page = f' "{html.unescape(title[1]).strip()[:60]}"' if title else ""
            return f"a web page{page}, not the file itself", "download the file behind the link"
        return f'text that begins "{line}"', "give a file of weights"
    return "", ""


def _printable(text: str) -> bool:
    return all(letter.isprintable() or letter.isspace() for letter in text)
