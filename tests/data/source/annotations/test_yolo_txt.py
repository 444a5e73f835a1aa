from pathlib import Path

import pytest
import torch
from painted import NAMES, SCENES, write_yolo

from leyden.data.source.annotations.coco import COCO
from leyden.data.source.annotations.layouts.yolo import usual_places
from leyden.data.source.annotations.yolo_txt import YOLO, from_fractions


def test_fractions_to_corners() -> None:
    assert from_fractions(["0.5", "0.5", "1", "1"], (640, 480)) == (0, 0, 640, 480)
    assert from_fractions(["0.25", "0.5", "0.5", "0.5"], (8, 4)) == (0, 1, 4, 3)
    assert all(x != x for x in from_fractions(["0.5", "x", "1", "1"], (640, 480)))


@pytest.mark.parametrize(
    ("line", "kind", "message"),
    [
        ("1 0.5 0.5 0.2", "broken annotation", "should be five numbers"),
        ("1 0.5 0.5 0.2 0.2 0.9", "broken annotation", "should be five numbers"),
        ("8 0.5 0.5 0.2 0.2", "unknown class", "class 8 [0.5 0.5 0.2 0.2] is none of the 8 classes"),
        ("-1 0.5 0.5 0.2 0.2", "unknown class", "class -1"),
        ("1.5 0.5 0.5 0.2 0.2", "unknown class", "class 1.5"),
        ("1 nan 0.5 0.2 0.2", "not a number", "nan"),
        ("1 0.5 0.5 0 0.2", "no area", "blue"),
        ("1 48 32 20 10", "outside", "blue"),
        ("1 0.9 0.5 0.4 0.2", "sticks out", "blue"),
    ],
)
def test_a_bad_line_is_named(line: str, kind: str, message: str, tmp_path: Path) -> None:
    root = write_yolo(tmp_path / "set")
    file = root / "labels/train/a.txt"
    file.write_text(f"{file.read_text()}\n{line}\n")
    [found] = [finding for finding in YOLO(str(root)).inspect()[1] if finding.kind == kind]
    assert (found.file, found.line) == (file, 4)
    assert message in found.what


@pytest.mark.parametrize("layout", ["folders of splits", "lists", "beside"])
def test_other_layouts(layout: str, tmp_path: Path) -> None:
    root = write_yolo(tmp_path / "set")
    for stage in SCENES:
        if layout == "lists":
            paths = sorted((root / "images" / stage).iterdir())
            (root / f"{stage}.txt").write_text("".join(f"./{path.relative_to(root)}\n" for path in paths))
        else:
            target = root / ("valid" if stage == "val" else stage) if layout == "folders of splits" else root / "all"
            for kind in ("images", "labels"):
                inner = target / kind if layout == "folders of splits" else target
                inner.mkdir(parents=True, exist_ok=True)
                for file in (root / kind / stage).iterdir():
                    file.rename(inner / file.name)
                (root / kind / stage).rmdir()
    if layout != "lists":
        (root / "images").rmdir()
    source = YOLO(str(root))
    expected = [4, 1, 2] if layout == "beside" else [4, 2, 1]
    assert [len(source.split(stage)) for stage in SCENES] == expected
    found = [example for stage in SCENES for example in source.split(stage).examples]
    assert sum(len(example.target["labels"]) for example in found) == 11


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("classes.txt", "".join(f"{name}\n" for name in NAMES)),
        ("my.names", "\n".join(NAMES)),
        ("data.yaml", f"names: {dict(enumerate(NAMES))}"),
    ],
)
def test_names_are_found_or_given(name: str, content: str, tmp_path: Path) -> None:
    root = write_yolo(tmp_path / "set")
    (root / "data.yaml").unlink()
    with pytest.raises(FileNotFoundError, match=r"set data\.source\.names="):
        YOLO(str(root)).prepare()
    (tmp_path / name).write_text(content)
    for names in (NAMES, str(tmp_path / name), f"../{name}"):
        source = YOLO(str(root), names)  # type: ignore[arg-type]
        source.prepare()
        assert source.class_names == NAMES
    (tmp_path / name).rename(root / name)
    source = YOLO(str(root))
    source.prepare()
    assert source.class_names == NAMES


def test_names_that_are_no_names(tmp_path: Path) -> None:
    root = write_yolo(tmp_path / "set")
    (root / "data.yaml").write_text("names: {0: a, 2: b}")
    with pytest.raises(ValueError, match=r"numbered 0 \.\. 1, but are 0, 2"):
        YOLO(str(root)).prepare()
    (root / "data.yaml").write_text("names: [")
    with pytest.raises(ValueError, match=r"data\.yaml:1: this is not YAML"):
        YOLO(str(root)).prepare()


def test_where_the_text_file_of_an_image_lies(tmp_path: Path) -> None:
    root = tmp_path / "images" / "set"  # a folder above the root may be called so too
    assert usual_places(root / "images/train/a.png", root)[0] == root / "labels/train/a.txt"
    assert usual_places(root / "train/images/a.png", root)[0] == root / "train/labels/a.txt"
    assert usual_places(root / "a.png", root)[0] == root / "a.txt"


def test_coco8_is_the_same_in_both_formats(dev_data: Path) -> None:
    root, names = str(dev_data / "coco8"), str(dev_data / "weights" / "coco80.names")
    yolo, coco = YOLO(root, names), COCO(root)
    for stage in SCENES:
        for theirs, ours in zip(coco.split(stage).examples, yolo.split(stage).examples, strict=True):
            assert theirs.entry.path == ours.entry.path
            assert theirs.target["labels"].tolist() == ours.target["labels"].tolist()
            torch.testing.assert_close(ours.target["boxes"], theirs.target["boxes"], atol=2e-3, rtol=0)
    assert sum(len(e.target["labels"]) for stage in SCENES for e in yolo.split(stage).examples) == 30
