import json
from collections.abc import Callable
from pathlib import Path

import pytest
from painted import NAMES, SCENES, Scene, write_coco
from pycocotools import coco as reference

from leyden.data.source.annotations.coco import COCO
from leyden.data.source.annotations.lines import read_json_lists
from leyden.data.source.annotations.text import MalformedError


def rewrite(file: Path, **lists: list) -> None:
    content = json.loads(file.read_text())
    file.write_text(json.dumps({**content, **{key: [*content[key], *more] for key, more in lists.items()}}, indent=0))


def test_crowds_areas_and_numbers_are_carried(tmp_path: Path) -> None:
    root = write_coco(tmp_path / "set")
    crowd = {"id": 90, "image_id": 10, "category_id": 2, "bbox": [1.5, 2, 3.25, 4], "iscrowd": 1}
    rewrite(root / "annotations/instances_test.json", annotations=[crowd])
    _, target = COCO(str(root)).split("test")[0]
    assert target["crowd"].tolist() == [False, False, True]
    assert target["area"].tolist() == [7.5, 7.5, 13]
    assert target["boxes"][2].tolist() == [1.5, 2, 4.75, 6]
    assert target["image_id"].item() == 10


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        ({"image_id": 99, "category_id": 2, "bbox": [0, 0, 5, 5]}, "is of image 99, which is not listed"),
        ({"category_id": 2, "bbox": [0, 0, 5, 5]}, "needs image_id, category_id and bbox"),
        ({"image_id": 10, "category_id": 7, "bbox": [0, 0, 5, 5]}, r"category 7 \[annotation 90: 0 0 5 5\] is none of"),
        ("nonsense", "needs image_id, category_id and bbox"),
    ],
)
def test_a_broken_annotation_is_named_with_its_line(annotation: object, message: str, tmp_path: Path) -> None:
    root = write_coco(tmp_path / "set")
    file = root / "annotations/instances_train.json"
    rewrite(file, annotations=[{"id": 90, **annotation} if isinstance(annotation, dict) else annotation])
    with pytest.raises(ValueError, match=message) as caught:
        COCO(str(root)).prepare()
    [told] = [line for line in str(caught.value).splitlines() if "instances_train.json:" in line]
    begin = file.read_text().splitlines()[int(told.split(".json:")[1].split(":")[0]) - 1]
    assert begin == ('"nonsense"' if annotation == "nonsense" else "{")


@pytest.mark.parametrize(
    "bbox", [None, [1, 2, 3], [1, 2, "x", 4], [float("nan"), 1, 2, 3], [1, 2, True, 4], [5, 5, -3, 4]]
)
def test_bad_numbers_are_bad_boxes(bbox: object, tmp_path: Path) -> None:
    root = write_coco(tmp_path / "set")
    rewrite(
        root / "annotations/instances_train.json",
        annotations=[{"id": 90, "image_id": 10, "category_id": 2, "bbox": bbox}],
    )
    source = COCO(str(root))
    assert len(source.split("train")[0][1]["labels"]) == 2
    [found] = source.inspect()[1][:1]
    assert found.kind == ("no area" if bbox == [5, 5, -3, 4] else "not a number")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": [{"id": 10, "file_name": "z.png"}]}, "image id 10 is z.png here and a.png before"),
        ({"images": [{"file_name": "z.png"}]}, "an image needs id and file_name"),
        ({"images": [{"id": 77, "file_name": "z.png"}]}, "there is no .*z.png"),
        ({"categories": [{"id": 2, "name": "other"}]}, "category 2 is 'other' here and 'black' before"),
        ({"categories": [{"name": "other"}]}, "a category needs id and name"),
    ],
)
def test_broken_lists(change: dict, message: str, tmp_path: Path) -> None:
    root = write_coco(tmp_path / "set")
    rewrite(root / "annotations/instances_train.json", **change)
    with pytest.raises(ValueError, match=message):
        COCO(str(root)).prepare()


def test_a_image_that_is_listed_under_two_numbers(tmp_path: Path) -> None:
    root = write_coco(tmp_path / "set")
    rewrite(root / "annotations/instances_train.json", images=[{"id": 77, "file_name": "a.png"}])
    splits, issues = COCO(str(root)).inspect()
    assert [finding.kind for finding in issues if finding.effect == "left out"] == ["listed twice"]
    assert len(splits["train"]) == 4


def test_what_is_no_json_object(tmp_path: Path) -> None:
    for text, line in (("[1, 2]", 1), ('{"a": [1,\n2,,3]}', 2), ('{"a": [1, 2', 1), ("", 1), ('{"a" 1}', 1)):
        (tmp_path / "a.json").write_text(text)
        with pytest.raises(MalformedError, match="this is not a JSON object") as caught:
            read_json_lists(tmp_path / "a.json")
        assert caught.value.line == line
    (tmp_path / "a.json").write_text('{"a": [ ], "b":\n[{"x": [1]},\n\n2 ], "c": {"d": [1]}}')
    assert read_json_lists(tmp_path / "a.json") == {"a": [], "b": [({"x": [1]}, 2), (2, 4)]}
    with pytest.raises(ValueError, match="there is no list 'images'"):
        COCO(str(tmp_path)).prepare()


@pytest.mark.parametrize("layout", ["coco", "roboflow", "one file", "named"])
def test_other_layouts(layout: str, tmp_path: Path) -> None:
    root, annotations = write_coco(tmp_path / "set"), None
    for stage in SCENES:
        file = root / "annotations" / f"instances_{stage}.json"
        if layout == "coco":
            (root / "images" / stage).rename(root / f"{stage}2017")
            file.rename(file.with_name(f"instances_{stage}2017.json"))
            (root / "annotations" / f"captions_{stage}2017.json").write_text("{}")
        elif layout == "roboflow":
            folder = (root / "images" / stage).rename(root / ("valid" if stage == "val" else stage))
            file.rename(folder / "_annotations.coco.json")
        elif layout == "named":
            file.rename(file.with_name(f"{len(stage)}_{stage[::-1]}.json"))
            annotations = {s: f"annotations/{len(s)}_{s[::-1]}.json" for s in SCENES}
        elif stage != "train":
            file.unlink()
    source = COCO(str(root), annotations)
    assert [len(source.split(stage)) for stage in SCENES] == ([2, 1, 1] if layout == "one file" else [4, 2, 1])
    assert source.class_names == NAMES


def test_files_that_cannot_be_told_apart(tmp_path: Path) -> None:
    root = write_coco(tmp_path / "set")
    train = root / "annotations/instances_train.json"
    train.with_name("instances_train_old.json").write_bytes(train.read_bytes())
    with pytest.raises(ValueError, match=r"instances_train_old\.json.* Set data\.source\.annotations="):
        COCO(str(root)).prepare()
    with pytest.raises(ValueError, match="give train, and val"):
        COCO(str(root), {"val": "a.json"}).prepare()


def test_coco_s_own_file_as_pycocotools_reads_it(dev_data: Path, tmp_path: Path) -> None:
    file = dev_data / "coco_eval" / "instances_val2014_100.json"
    theirs = reference.COCO(str(file))
    (tmp_path / "instances.json").write_bytes(file.read_bytes())
    for known in theirs.imgs.values():
        (tmp_path / known["file_name"]).touch()
    reading = COCO(str(tmp_path)).read()
    boxes = [box for entry in reading.parts["train"] for box in entry.boxes]
    assert (len(reading.parts["train"]), len(boxes), sum(box.crowd for box in boxes)) == (100, 839, 9)
    assert not reading.issues
    for entry in reading.parts["train"]:
        listed = theirs.loadAnns(theirs.getAnnIds(entry.number, iscrowd=None))
        assert [[*b.corners[:2], b.corners[2] - b.corners[0], b.corners[3] - b.corners[1]] for b in entry.boxes] == [
            pytest.approx(known["bbox"]) for known in listed
        ]
        assert [box.area for box in entry.boxes] == [known["area"] for known in listed]
        assert [box.name for box in entry.boxes] == [theirs.cats[known["category_id"]]["name"] for known in listed]


@pytest.mark.parametrize(
    ("segmentation", "box"),
    [
        ([[2, 3, 9, 4, 5, 11]], [2, 3, 9, 11]),
        ([[2, 3, 9, 4, 5, 8], [1, 1, 3, 1, 3, 2]], [1, 1, 9, 8]),
        ({"counts": [1, 2], "size": [20, 20]}, None),
        ([], None),
        ([[2, 3, 9]], None),
    ],
)
def test_box_around_an_outline_where_there_is_none(segmentation: object, box: list | None, tmp_path: Path) -> None:
    root = write_coco(tmp_path / "set")
    outline = {"id": 90, "image_id": 10, "category_id": 2, "segmentation": segmentation}
    rewrite(root / "annotations/instances_train.json", annotations=[outline])
    source = COCO(str(root))
    boxes = source.split("train")[0][1]["boxes"].tolist()
    assert boxes[2:] == ([] if box is None else [box])
    kinds = [issue.kind for issue in source.inspect()[1] if "annotation 90" in issue.what]
    assert kinds == (["not a number"] if box is None else ["box of an outline"])


def retell(root: Path, change: Callable[[list[float]], list[float]]) -> COCO:
    """Every bbox as another program would write it."""
    for file in root.rglob("*.json"):
        content = json.loads(file.read_text())
        for annotation in content["annotations"]:
            annotation["bbox"] = change(annotation["bbox"])
        file.write_text(json.dumps(content))
    return COCO(str(root))


def test_fractions_in_the_place_of_pixels_stop_a_run(tmp_path: Path) -> None:
    source = retell(write_coco(tmp_path / "set"), lambda bbox: [number / 100 for number in bbox])
    with pytest.raises(ValueError, match=r"these are fractions, but COCO has x, y, width and height in pixels"):
        source.prepare()


def test_corners_in_the_place_of_sizes_are_doubtful(tmp_path: Path) -> None:
    scenes = [Scene(f"s{i}", (40, 32), [(i % 8, (15, 11, 30, 25))]) for i in range(6)]
    root = write_coco(tmp_path / "set", {"train": scenes})
    assert not [issue for issue in COCO(str(root)).inspect()[1] if issue.kind == "doubtful coordinates"]
    _, issues = retell(root, lambda bbox: [*bbox[:2], bbox[0] + bbox[2], bbox[1] + bbox[3]]).inspect()
    [found] = [issue for issue in issues if issue.kind == "doubtful coordinates"]
    assert (found.effect, "6 of 6 boxes stick out" in found.what) == ("warning", True)
