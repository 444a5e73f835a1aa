from pathlib import Path
from typing import Any

import pytest

from leyden.core.start.places import folder_problem, missing_places

SOURCE = "leyden.data.source.files.image_folder.ImageFolder"


def told(**node: Any) -> list[tuple[str, str]]:
    return [*missing_places({"model": {"_target_": "x.Net", **node}})]


def test_a_source_needs_its_folder(tmp_path: Path) -> None:
    node = {"_target_": SOURCE, "root": str(tmp_path / "nowhere")}
    [(key, problem)] = missing_places({"data": {"source": node}})
    assert key == "data.source.root"
    assert problem == f"data.source.root={tmp_path / 'nowhere'}: no such folder (looked from {Path.cwd()})"
    for other in ({"root": str(tmp_path)}, {"download": True}, {"_target_": "mine.Source"}):
        assert [*missing_places({"data": {"source": {**node, **other}}})] == []


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "data.zip").touch()
    assert "this is a file: unpack it" in str(folder_problem(str(tmp_path / "data.zip")))


@pytest.mark.parametrize(
    "value", ["net.pt", "/x/net", "./net", "../net", "~/net.safetensors", "~nobody/net.pt", "a\0.pt"]
)
def test_weights_that_are_a_path_must_be_there(value: str) -> None:
    [(key, problem)] = told(weights=value)
    assert key == "model.weights"
    assert problem.startswith(f"model.weights: no file or folder {value!r}")


@pytest.mark.parametrize(
    "value", ["imagenet", "IMAGENET1K_V2", "source_task", "none", None, "google/vit", 5, "open_clip:RN50/net.pt"]
)
def test_names_of_weights_are_no_paths(value: Any) -> None:
    assert told(weights=value) == []


@pytest.mark.parametrize("key", ["teacher", "checkpoint", "tokenizer", "backbone_weights"])
def test_whatever_was_trained_must_be_there(key: str, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").touch()
    missing = str(tmp_path / "nowhere")
    assert told(**{key: missing}) == [
        (f"model.{key}", f"model.{key}: no file or folder {missing!r} (looked from {Path.cwd()})")
    ]
    assert told(**{key: str(tmp_path)}) == told(**{key: str(tmp_path / "tokenizer.json")}) == []
    assert told(**{key: "train"}) == told(**{key: "distilgpt2"}) == []


def test_a_source_needs_its_file(tmp_path: Path) -> None:
    (tmp_path / "texts.csv").touch()
    node = {"_target_": "leyden.data.source.text.csv_text.CsvText", "file": "no.csv"}
    [(key, problem)] = missing_places({"data": {"source": node}})
    assert (key, problem) == ("data.source.file", f"data.source.file=no.csv: no such file (looked from {Path.cwd()})")
    assert [*missing_places({"data": {"source": {**node, "file": str(tmp_path / "texts.csv")}}})] == []
