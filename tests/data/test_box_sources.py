"""What the sources of images with boxes have in common, whatever the format."""

import logging
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from painted import NAMES, SCENES, Scene, paint, seen_box, voc_xml, write_coco, write_voc, write_yolo
from PIL import Image

from leyden.data.issues import DataIssue
from leyden.data.source.annotations.annotated import learnable, validate_box
from leyden.data.source.annotations.box_source import BoxSource
from leyden.data.source.annotations.coco import COCO
from leyden.data.source.annotations.voc import VOC
from leyden.data.source.annotations.yolo_txt import YOLO
from leyden.data.source.files.decoder import read_image_size

FORMATS = {
    "voc": (write_voc, lambda root, **keys: VOC(str(root), classes=NAMES, **keys)),
    "coco": (write_coco, lambda root, **keys: COCO(str(root), **keys)),
    "yolo": (write_yolo, lambda root, **keys: YOLO(str(root), **keys)),
}


def only(issues: list[DataIssue], kind: str) -> DataIssue:
    [found] = [finding for finding in issues if finding.kind == kind]
    return found


def bad_voc(root: Path, *boxes: tuple[str, str, str, str], size: tuple[int, int] = (40, 30)) -> Path:
    """An image in train with one good box and these, as they stand in the file; a good one in val and in test."""
    good = Scene("x", size, [(1, (2, 2, 20, 20))])
    write_voc(root, {"train": [good], "val": [good._replace(name="y")], "test": [good._replace(name="z")]})
    file = root / "Annotations" / "x.xml"
    objects = "".join(
        f"<object><name>red</name>\n<bndbox><xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax><ymax>{d}</ymax></bndbox>"
        "</object>\n"
        for a, b, c, d in boxes
    )
    file.write_text(file.read_text().replace("</annotation>", f"{objects}</annotation>"))
    return root


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_says_where_the_pixels_are(name: str, tmp_path: Path) -> None:
    write, make = FORMATS[name]
    source = make(write(tmp_path / "set"))
    source.prepare()
    assert source.class_names == NAMES
    for stage, scenes in SCENES.items():
        split = source.split(stage)
        assert len(split) == len(scenes)
        for (image, target), scene in zip(split, scenes, strict=True):
            assert (image.shape, image.dtype) == ((3, *scene.size[::-1]), torch.uint8)
            assert target["labels"].tolist() == [label for label, _ in scene.boxes]
            assert (target["boxes"].dtype, target["labels"].dtype) == (torch.float32, torch.int64)
            painted = torch.tensor([box for _, box in scene.boxes], dtype=torch.float32).reshape(-1, 4)
            torch.testing.assert_close(target["boxes"], painted, atol=1e-4, rtol=0)
            for box, label in zip(target["boxes"], target["labels"].tolist(), strict=True):
                if target["labels"].tolist().count(label) == 1:
                    assert seen_box(image, label) == box.round().int().tolist()


@pytest.mark.parametrize("name", FORMATS)
def test_without_own_splits_a_hash_shares_the_images_out(name: str, tmp_path: Path) -> None:
    write, make = FORMATS[name]
    scenes = [Scene(f"p{i:02d}", (20, 20), [(i % 8, (2, 2, 10, 10))]) for i in range(40)]
    root = write(tmp_path / "set", {"train": scenes})
    if name == "yolo":
        for kind in ("images", "labels"):
            for file in (root / kind / "train").iterdir():
                shutil.move(file, root / kind / file.name)
            (root / kind / "train").rmdir()
    source = make(root)
    splits = {stage: [e.entry.path.name for e in source.split(stage).examples] for stage in ("train", "val", "test")}
    assert [len(part) for part in splits.values()] == [24, 4, 12]
    assert sorted(name for part in splits.values() for name in part) == [f"{scene.name}.png" for scene in scenes]
    again = make(root)
    assert [e.entry.path.name for e in again.split("test").examples] == splits["test"]
    other = make(root, seed=1)
    assert [e.entry.path.name for e in other.split("test").examples] != splits["test"]


@pytest.mark.parametrize(("count", "parts"), [(3, [1, 1, 1]), (4, [2, 1, 1]), (6, [4, 1, 1]), (10, [6, 1, 3])])
def test_few_images_are_shared_out_too(count: int, parts: list[int], tmp_path: Path) -> None:
    scenes = [Scene(f"p{i}", (20, 20), [(1, (2, 2, 10, 10))]) for i in range(count)]
    source = VOC(str(write_voc(tmp_path / "set", {"train": scenes})))
    assert [len(source.split(stage)) for stage in ("train", "val", "test")] == parts


@pytest.mark.parametrize(("count", "empty"), [(1, "val"), (2, "test")])
def test_too_few_images_to_share_stop_a_run(count: int, empty: str, tmp_path: Path) -> None:
    scenes = [Scene(f"p{i}", (20, 20), [(1, (2, 2, 10, 10))]) for i in range(count)]
    with pytest.raises(ValueError, match=f"there is no {empty} image: add images .*three"):
        VOC(str(write_voc(tmp_path / "set", {"train": scenes}))).prepare()


@pytest.mark.parametrize("missing", ["val", "test"])
def test_validation_never_is_the_test(missing: str, tmp_path: Path) -> None:
    scenes = {stage: part for stage, part in SCENES.items() if stage != missing}
    root = write_voc(tmp_path / "set", scenes)
    [tested] = [stage for stage in scenes if stage != "train"]
    source = VOC(str(root), classes=NAMES)
    assert [len(source.split(stage)) for stage in ("train", "val", "test")] == [3, 1, len(SCENES[tested])]


@pytest.mark.parametrize(
    ("box", "kind", "clipped"),
    [
        (("nan", "2", "9", "9"), "not a number", None),
        (("oops", "2", "9", "9"), "not a number", None),
        (("inf", "2", "9", "9"), "not a number", None),
        (("5", "5", "5", "9"), "no area", None),
        (("5", "9", "9", "5"), "no area", None),
        (("60", "5", "80", "9"), "outside", None),
        (("-9", "5", "0", "9"), "outside", None),
        (("35", "5", "60", "9"), "sticks out", [34, 4, 40, 9]),
        (("0", "5", "9", "9"), "sticks out", [0, 4, 9, 9]),
    ],
)
def test_bad_boxes_are_found_and_treated_by_the_policy(
    box: tuple[str, str, str, str],
    kind: str,
    clipped: list[int] | None,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    root = bad_voc(tmp_path / "set", box)
    place = rf"Annotations/x\.xml:15: red \[{' '.join(box)}\] in 40x30"
    with pytest.raises(ValueError, match=place):
        VOC(str(root), on_bad_box="fail").prepare()
    for policy in ("drop", "clip"):
        caplog.clear()
        source = VOC(str(root), on_bad_box=policy)  # type: ignore[arg-type]
        with caplog.at_level(logging.INFO):
            source.prepare()
            source.prepare()
        [said] = [text for text in caplog.messages if kind in text]
        assert ": 1, first" in said
        assert f"red [{' '.join(box)}]" in said
        kept = source.split("train").examples[0].target["boxes"].tolist()
        assert kept[0] == [2, 2, 20, 20]
        assert kept[1:] == ([clipped] if clipped and policy == "clip" else [])
        _, issues = source.inspect()
        found = only(issues, kind)
        assert found.effect == ("note" if clipped and policy == "clip" else "left out")
        assert (found.file.name, found.line, found.image.name) == ("x.xml", 15, "x.png")


def test_boxes_that_survive_are_proper_and_inside() -> None:
    random.seed(0)
    for _ in range(3000):
        size = random.randint(1, 60), random.randint(1, 60)
        corners = tuple(random.choice([random.uniform(-50, 100), random.randint(-2, 62)]) for _ in range(4))
        flaw, (x1, y1, x2, y2) = validate_box(corners, size, 0.01)
        if flaw in (None, "sticks out"):
            assert 0 <= x1 < x2 <= size[0]
            assert 0 <= y1 < y2 <= size[1]
        assert (flaw is None) == (
            max(-corners[0], -corners[1], corners[2] - size[0], corners[3] - size[1]) <= 0.5
            and min(x2 - x1, y2 - y1) > 0.01
        )


def test_rounding_is_no_flaw() -> None:
    assert validate_box((-0.4, 0, 40.3, 30), (40, 30), 0.01) == (None, (0, 0, 40, 30))


def test_images_without_objects_train(tmp_path: Path) -> None:
    empty = Scene("none", (30, 30), [])
    source = VOC(str(write_voc(tmp_path / "set", {**SCENES, "train": [*SCENES["train"], empty]})), classes=NAMES)
    _, target = source.split("train")[4]
    assert (target["boxes"].shape, target["labels"].shape) == ((0, 4), (0,))
    assert only(source.inspect()[1][-1:], "no object").effect == "note"


def test_missing_and_broken_files_are_all_found_at_once(tmp_path: Path) -> None:
    root = write_voc(tmp_path / "set")
    (root / "JPEGImages/a.png").unlink()
    (root / "Annotations/b.xml").unlink()
    (root / "Annotations/c.xml").write_text("<annotation>\n<object>\n</annotation>")
    source = VOC(str(root))
    splits, issues = source.inspect()
    assert [example.entry.path.name for example in splits["train"].examples] == ["d.png"]
    assert {(f.kind, f.file.name, f.line) for f in issues if f.effect == "stops"} == {
        ("missing image", "train.txt", 1),
        ("missing annotation", "train.txt", 2),
        ("broken annotation", "c.xml", 3),
    }
    with pytest.raises(ValueError, match=r"leyden check-data") as caught:
        source.prepare()
    assert all(place in str(caught.value) for place in ("train.txt:1:", "train.txt:2:", "c.xml:3: this is"))


def test_unknown_classes(tmp_path: Path) -> None:
    source = VOC(str(write_voc(tmp_path / "set")), classes=NAMES[:7])
    with pytest.raises(ValueError, match=r"d\.xml:17: white \[3 61 25 85\] is none of the 7 classes"):
        source.prepare()
    text = (tmp_path / "set/Annotations/d.xml").read_text().replace("<name>white</name>", "")
    (tmp_path / "set/Annotations/d.xml").write_text(text)
    with pytest.raises(ValueError, match="unknown class"):
        VOC(str(tmp_path / "set")).prepare()


def test_a_class_that_training_lacks(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    scenes = {**SCENES, "train": SCENES["train"][1:]}
    source = VOC(str(write_voc(tmp_path / "set", scenes)), classes=NAMES)
    source.prepare()
    assert "untrained class (warning): 1, first" in caplog.text
    assert "blue" in only(source.inspect()[1], "untrained class").what


@pytest.mark.parametrize("name", FORMATS)
def test_no_box_at_all_is_an_error(name: str, tmp_path: Path) -> None:
    write, make = FORMATS[name]
    empty = {stage: [scene._replace(boxes=[]) for scene in part] for stage, part in SCENES.items()}
    with pytest.raises(ValueError, match="none of 4 train images has a box"):
        make(write(tmp_path / "set", empty)).prepare()


def test_names_that_stand_twice(tmp_path: Path) -> None:
    root = write_voc(tmp_path / "set")
    (root / "ImageSets/Main/train.txt").write_text("a\nb\nc\nd\nb\n")
    (root / "ImageSets/Main/test.txt").write_text("g\na\n")
    paint(root / "JPEGImages/c.jpg", SCENES["train"][2])
    source = VOC(str(root), classes=NAMES)
    splits, issues = source.inspect()
    assert [len(splits[stage]) for stage in ("train", "val", "test")] == [3, 2, 2]
    assert only(issues, "listed twice").what.startswith("b.png")
    assert "a.png is in test and in train: it stays in test" in only(issues, "in two splits").what
    assert "c.jpg and c.png" in only(issues, "doubtful name").what
    with pytest.raises(ValueError, match="two classes are called 'red'"):
        VOC(str(root), classes=[*NAMES, "red"]).prepare()


def test_a_image_of_another_size_than_its_boxes_speak_of(tmp_path: Path) -> None:
    root = write_voc(tmp_path / "set")
    paint(root / "JPEGImages/a.png", SCENES["train"][1])
    with pytest.raises(ValueError, match=r"a\.png: this image has 80x80 pixels .*a\.xml:1 speaks of 96x64"):
        VOC(str(root), classes=NAMES).split("train")[0]


def test_unreadable_images_are_named_where_their_size_is_needed(tmp_path: Path) -> None:
    root = write_yolo(tmp_path / "set")
    (root / "images/train/a.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"images/train/a\.png: this image cannot be read"):
        YOLO(str(root)).prepare()


def test_sizes_are_those_of_upright_images(tmp_path: Path) -> None:
    image = Image.new("L", (10, 6))
    exif = image.getexif()
    exif[0x0112] = 6  # lies on its side
    image.save(tmp_path / "a.jpg", exif=exif)
    assert read_image_size(tmp_path / "a.jpg") == (6, 10)


def test_training_learns_neither_difficult_objects_nor_crowds() -> None:
    target = {"boxes": torch.arange(12.0).view(3, 4), "labels": torch.tensor([4, 5, 6])}
    assert learnable(target)["labels"].tolist() == [4, 5, 6]
    hard = {**target, "difficult": torch.tensor([True, False, False]), "crowd": torch.tensor([False, False, True])}
    assert learnable(hard)["labels"].tolist() == [5]
    assert learnable(hard)["boxes"].tolist() == [[4, 5, 6, 7]]


@pytest.mark.parametrize("make", [VOC, COCO, YOLO])
def test_nothing_to_read(make: Callable[..., BoxSource], tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"data\.source\.root=.*nowhere: no such folder"):
        make(str(tmp_path / "nowhere")).prepare()
    with pytest.raises(FileNotFoundError, match=r"no XML files|there are: none|no names of classes"):
        make(str(tmp_path)).prepare()
    for holdout in (0, 1):
        with pytest.raises(ValueError, match=rf"data\.source\.holdout={holdout}: .* such as 0\.1"):
            make(str(tmp_path), holdout=holdout)


def test_grey_images(tmp_path: Path) -> None:
    source = VOC(str(write_voc(tmp_path / "set")), classes=NAMES, channels=1)
    assert source.split("val")[0].images.shape == (1, 90, 90)


def test_a_difficult_object_is_marked(tmp_path: Path) -> None:
    root = write_voc(tmp_path / "set")
    (root / "Annotations/a.xml").write_text(voc_xml(SCENES["train"][0], difficult=True))
    source = VOC(str(root), classes=NAMES)
    assert source.split("train")[0][1]["difficult"].tolist() == [True, True]
    assert source.split("train")[1][1]["difficult"].tolist() == [False, False]
