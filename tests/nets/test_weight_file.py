import argparse
import gzip
import os
import pickle
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from datetime import datetime
from io import BytesIO
from pathlib import Path, PosixPath
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save
from torch import nn

from leyden.nets.weight_file import read_tensors


def saved(stored: Any, zipped: bool = True) -> bytes:
    file = BytesIO()
    torch.save(stored, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


def zip_of(*names: str) -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return file.getvalue()


def tar_of(name: str) -> bytes:
    file = BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(name))
    return file.getvalue()


def script() -> bytes:
    file = BytesIO()
    with warnings.catch_warnings(action="ignore"):
        torch.jit.save(torch.jit.script(nn.Linear(2, 2)), file)
    return file.getvalue()


WEIGHTS = {"weight": torch.arange(6000.0).view(60, 100)}
FOREIGN: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is empty: fetch it again"),
    "git lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n", "a Git-LFS pointer, .*git lfs pull"),
    "page": (b"<!DOCTYPE html><html><title>Virus scan &amp; warning</title>", 'a web page "Virus scan & warning", not'),
    "page of spaces": (b"\n \t<HTML>\n" + b"x" * 5000, "a web page, not the file itself: download the file behind"),
    "page in utf-16": ("<html><title>é</title>".encode("utf-16"), 'a web page "é"'),
    "page with a mark": (b"\xef\xbb\xbf<html>", "a web page"),
    "refusal": (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "a web page"),
    "text": (b"hello world\n", 'is text that begins "hello world": give a file of weights'),
    "json": (b'{"message": "Not Found"}', "is text that begins"),
    "short zip": (saved(WEIGHTS)[:9000], r"is cut short \(9000 bytes\): fetch it again"),
    "short head": (b"PK\x03\x04" + bytes(60), r"is cut short \(64 bytes\)"),
    "short old": (saved(WEIGHTS, zipped=False)[:9000], r"is cut short or damaged \(9000 bytes\): fetch it again"),
    "short safetensors": (save(WEIGHTS)[:9000], "is a broken safetensors file .*: fetch it again"),
    "gzip": (gzip.compress(saved(WEIGHTS)), "is compressed by gzip: unpack it"),
    "tar": (tar_of("weights.pth"), "is a tar archive: unpack it"),
    "zip": (zip_of("weights.pth", "README"), "is a zip archive of weights.pth, README: unpack it"),
    "torchscript": (script(), r"is a TorchScript program: .*torch\.jit\.load"),
    "keras": (b"\x89HDF\r\n\x1a\n" + bytes(60), "is an HDF5 file, as Keras writes it: give weights of PyTorch"),
    "keras 3": (zip_of("config.json", "model.weights.h5"), "is a network of Keras: give weights of PyTorch"),
    "onnx": (b"\x08\x0a\x12\x07pytorch\x1a\x032.0" + bytes(60), "is a network in ONNX: give weights of PyTorch"),
    "npy": (b"\x93NUMPY\x01\x00" + bytes(60), "is an array of NumPy: give weights of PyTorch"),
    "npz": (zip_of("a.npy"), "is arrays of NumPy: give weights of PyTorch"),
    "pickle": (pickle.dumps({"a": np.ones(3)}), r"is a pickle that torch.save has not written: .*torch\.save\("),
    "picture": (b"\x89PNG\r\n\x1a\n" + bytes(range(200)), "is an image: give a file of weights"),
    "zeros": (bytes(5000), "is no file of weights that PyTorch or safetensors wrote"),
    "noise": (np.random.default_rng(0).bytes(5000), "is no file of weights that PyTorch or safetensors wrote"),
    "module": (saved({"model": nn.Linear(2, 2), "epoch": -1}), r"holds Python objects \(torch\.nn\.\S+Linear\).*SAVE"),
    "old module": (saved(nn.Linear(2, 2), zipped=False), r"holds Python objects \(torch\.nn\.\S+Linear\).*SAVE"),
    "no tensors": (saved({"lr": 0.1, "model": "resnet18"}), "holds no tensors but a dict of lr, model: give a file of"),
    "a word": (saved("resnet18"), "holds no tensors but a str"),
}  # fmt: skip


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_a_file_is_instead(kind: str, tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    content, message = FOREIGN[kind]
    (tmp_path / "w.pth").write_bytes(content)
    message = message.replace("SAVE", r"save its tensors alone: torch\.save\(network\.state_dict\(\)")
    with pytest.raises(
        ValueError, match=rf"^model\.weights: \S+w\.pth {message}|^model\.weights: \S+w\.pth is {message}"
    ) as error:
        read_tensors(tmp_path / "w.pth", "model.weights")
    said = str(error.value)
    assert "\x1b" not in said
    assert "\n" not in said
    assert "weights_only" not in said
    assert "trusted source" not in said
    assert not recwarn.list


@pytest.mark.parametrize("zipped", [False, True])
def test_plain_data_beside_the_tensors(zipped: bool, tmp_path: Path) -> None:
    beside = {
        "args": argparse.Namespace(lr=0.1, folder=PosixPath("runs"), when=datetime(2024, 5, 1)),
        "best": [np.float64(0.9), np.float32(0.5), np.int64(3), np.str_("val"), np.arange(4.0)],
        "rng": (torch.get_rng_state(), np.random.default_rng(0).bit_generator.state),
        "device": torch.device("cuda"),
    }
    (tmp_path / "w.pth").write_bytes(saved({"state_dict": WEIGHTS, **beside}, zipped))
    assert torch.equal(read_tensors(tmp_path / "w.pth", "model.weights")["state_dict.weight"], WEIGHTS["weight"])


class Payload:
    """Runs when it is unpickled carelessly."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return os.mkdir, (str(self.trace),)


@pytest.mark.parametrize("zipped", [False, True])
def test_files_with_code_are_refused(zipped: bool, tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_bytes(saved({"w": Payload(tmp_path / "ran"), **WEIGHTS}, zipped))
    with pytest.raises(ValueError, match=r"w\.pth holds Python objects \(posix\.mkdir\), and opening these could run"):
        read_tensors(tmp_path / "w.pth", "model.weights")
    assert not (tmp_path / "ran").exists()
    torch.load(tmp_path / "w.pth", weights_only=False)
    assert (tmp_path / "ran").exists()  # it would have
