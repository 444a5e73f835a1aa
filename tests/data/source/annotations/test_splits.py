"""Splits as data from elsewhere names them: by a YAML file, by lists, by folders, by JSON files' names."""

import json
import os
import shutil
from pathlib import Path

import pytest
from painted import NAMES, SCENES, paint, voc_xml, write_coco, write_voc, write_yolo

from leyden.data.issues import DataIssue
from leyden.data.source.annotations.box_source import BoxSource
from leyden.data.source.annotations.coco import COCO
from leyden.data.source.annotations.voc import VOC
from leyden.data.source.annotations.yolo_txt import YOLO

ALL = {stage: sorted(scene.name for scene in part) for stage, part in SCENES.items()}


def stems(source: BoxSource) -> dict[str, list[str]]:
    splits, _ = source.inspect()
    return {stage: sorted(e.entry.path.stem for e in split.examples) for stage, split in splits.items()}


def boxes(source: BoxSource) -> int:
    return sum(len(e.target["labels"]) for split in source.inspect()[0].values() for e in split.examples)


def kinds(issues: list[DataIssue]) -> set[tuple[str, str]]:
    return {(issue.kind, issue.effect) for issue in issues} - {("no object", "note")}


def rename(root: Path, names: dict[str, str]) -> None:
    """The folders train, val and test below images and labels."""
    for kind in ("images", "labels"):
        for stage, name in names.items():
            (root / kind / stage).rename(root / kind / name)


@pytest.mark.parametrize(
    "names",
    [
        {"train": "train2017", "val": "val2017", "test": "test2017"},
        {"train": "Training", "val": "Validation", "test": "Testing"},
        {"train": "TRAIN", "val": "VALID", "test": "TEST"},
        {"train": "01_train_set", "val": "02-val-set", "test": "my.test"},
    ],
)
@pytest.mark.parametrize("described", [True, False])
def test_yolo_folders_of_any_spelling(names: dict[str, str], described: bool, tmp_path: Path) -> None:
    root = write_yolo(tmp_path / "set")
    rename(root, names)
    lines = [f"{stage}: images/{name}\n" for stage, name in names.items() if described]
    (root / "data.yaml").write_text(f"path: .\n{''.join(lines)}names: {NAMES}\n")
    source = YOLO(str(root))
    assert stems(source) == ALL
    assert boxes(source) == 11
    assert not kinds(source.inspect()[1])


@pytest.mark.parametrize(
    "yaml",
    [
        "path: /home/somebody/datasets/set\ntrain: images/train\nval: images/val\ntest: images/test\n",
        "path: D:\\data\\set\ntrain: images\\train\nval: images\\val\ntest: images\\test\n",
        "train: ../set/images/train\nval: ../set/images/val\ntest: ../set/images/test\n",
        "train: /content/drive/set/images/train\nval: /content/drive/set/images/val\ntest: /content/set/images/test\n",
        "train: [images/train]\nval:\n  - images/val\ntest: [images/test]\n",
        "train: ./images/train/\nval: ./images/val/\ntest: ./images/test/\n",
        "Train: images/train\nVALID: images/val\ntesting: images/test\n",
        "train: images/train\n",
    ],
)
def test_paths_in_a_yaml_file(yaml: str, tmp_path: Path) -> None:
    root = write_yolo(tmp_path / "set")
    (root / "data.yaml").write_text(f"{yaml}nc: 8\nnames: {NAMES}\n")
    source = YOLO(str(root))
    assert stems(source) == ALL
    assert boxes(source) == 11
    assert all(effect == "note" for _, effect in kinds(source.inspect()[1]))


def test_the_yaml_file_decides_against_the_folders(tmp_path: Path) -> None:
    root = write_yolo(tmp_path / "set")
    (root / "data.yaml").write_text(f"train: [images/train, images/test]\nval: images/val\nnames: {NAMES}\n")
    found = stems(YOLO(str(root)))
    assert sorted([*found["train"], *found["val"]]) == [*ALL["train"], *ALL["test"]]
    assert found["test"] == ALL["val"]


@pytest.mark.parametrize("listed", ["beside", "inside"])
def test_lists_in_a_yaml_file(listed: str, tmp_path: Path) -> None:
    root = write_yolo(tmp_path / "set")
    for kind in ("images", "labels"):
        for file in [*(root / kind).glob("*/*")]:
            file.rename(root / kind / file.name)
    folder = root if listed == "beside" else root / "lists"
    folder.mkdir(exist_ok=True)
    for stage, names in ALL.items():
        (folder / f"{stage}_a.txt").write_text("".join(f"./images/{name}.png\r\n" for name in names))
    lines = [f"{stage}: {(folder / f'{stage}_a.txt').relative_to(root)}\n" for stage in ALL]
    (root / "data.yaml").write_text(f"{''.join(lines)}names: {NAMES}\n")
    assert stems(YOLO(str(root))) == ALL


def test_a_split_of_the_yaml_file_that_is_not_there(tmp_path: Path) -> None:
    root = write_yolo(tmp_path / "set")
    (root / "data.yaml").write_text(f"train: images/train\nval: images/dev\ntest: images/none\nnames: {NAMES}\n")
    told = {(issue.line, issue.effect) for issue in YOLO(str(root)).inspect()[1] if issue.kind == "missing split"}
    assert told == {(2, "stops"), (3, "warning")}
    with pytest.raises(ValueError, match=r"data\.yaml:2: val: there is no images/dev .*correct this line, or remove"):
        YOLO(str(root)).prepare()
    (root / "data.yaml").write_text(f"train: images/train\nnames: {NAMES}\n")  # the advice
    assert stems(YOLO(str(root))) == ALL
    for kind in ("images", "labels"):
        for file in [*(root / kind).glob("*/*")]:
            file.rename(root / kind / file.name)
            shutil.rmtree(file.parent) if not any(file.parent.iterdir()) else None
    (root / "data.yaml").write_text(f"train: images/train\nval: images/val\nnames: {NAMES}\n")
    with pytest.raises(ValueError, match="train: there is no images/train"):  # and not a random split
        YOLO(str(root)).prepare()


@pytest.mark.parametrize(
    ("yaml", "expected"),
    [
        ("nc: 8\n", [f"class {number}" for number in range(8)]),
        ("names: {" + ", ".join(f"{i}: {name}" for i, name in reversed([*enumerate(NAMES)])) + "}\n", NAMES),
        ("names: [yes, no, on, off, 1.10, null, 007, ~]\n", ["yes", "no", "on", "off", "1.10", "null", "007", "~"]),
    ],
)
def test_names_in_a_yaml_file(yaml: str, expected: list[str], tmp_path: Path) -> None:
    root = write_yolo(tmp_path / "set")
    (root / "data.yaml").write_text(yaml)
    source = YOLO(str(root))
    source.prepare()
    assert source.class_names == expected


def test_names_that_are_not_as_many_as_nc_says(tmp_path: Path) -> None:
    root = write_yolo(tmp_path / "set")
    (root / "data.yaml").write_text(f"names: {NAMES}\nnc: 7\n")
    with pytest.raises(ValueError, match=r"data\.yaml:1: nc says 7 classes, but 8 have a name"):
        YOLO(str(root)).prepare()


@pytest.mark.parametrize("layout", ["images/train", "train/images", "train", "set/images/train", "train/images/part"])
def test_yolo_siblings_at_any_level(layout: str, tmp_path: Path) -> None:
    write_yolo(tmp_path / "old")
    root = tmp_path / "set"
    for stage in SCENES:
        for kind in ("images", "labels"):
            folder = root / layout.replace("train", stage).replace("images", kind)
            shutil.copytree(tmp_path / "old" / kind / stage, folder, dirs_exist_ok=True)
    (root / "classes.txt").write_text("\n".join(NAMES))
    source = YOLO(str(root))
    assert stems(source) == ALL
    assert boxes(source) == 11


@pytest.mark.parametrize(
    "folder", ["labels/train", "Labels/train", "annotations/train", "annots", "train_txt", "yolo_labels/train"]
)
def test_yolo_text_files_lie_anywhere(folder: str, tmp_path: Path) -> None:
    root = write_yolo(tmp_path / "set")
    (root / folder).parent.mkdir(exist_ok=True)
    (root / "labels/train").rename(root / folder)
    assert boxes(YOLO(str(root))) == 11


def test_text_files_of_other_names_are_said(tmp_path: Path) -> None:
    root = write_yolo(tmp_path / "set")
    (root / "labels/train/a.txt").rename(root / "labels/train/other.txt")
    assert ("text without image", "left out") in kinds(YOLO(str(root)).inspect()[1])
    for file in [*(root / "labels").glob("*/*.txt")]:
        file.rename(file.with_stem(f"label_{file.stem}"))
    with pytest.raises(ValueError, match=r"label_\w\.txt: no image has the name of this"):
        YOLO(str(root)).prepare()


def test_darknets_data_file(tmp_path: Path) -> None:
    root = write_yolo(tmp_path / "set")
    (root / "data.yaml").unlink()
    for stage in ("train", "test"):
        inner = root / f"obj_{stage}_data"
        shutil.copytree(root / "images" / stage, inner)
        shutil.copytree(root / "labels" / stage, inner, dirs_exist_ok=True)
        lines = [f"data/{inner.name}/{path.name}\n" for path in sorted(inner.glob("*.png"))]
        (root / f"{stage}.txt").write_text("".join(lines))
    shutil.rmtree(root / "images")
    shutil.rmtree(root / "labels")
    (root / "obj.names").write_text("\n".join(NAMES))
    (root / "obj.data").write_text(
        "classes = 8\ntrain = data/train.txt\nvalid = data/test.txt\nnames = data/obj.names\n"
    )
    source = YOLO(str(root))
    found = stems(source)
    assert sorted([*found["train"], *found["val"]]) == ALL["train"]
    assert found["test"] == ALL["test"]
    assert source.class_names == NAMES


@pytest.mark.parametrize(
    ("annotations", "images"),
    [
        ("annotations/instances_{}2017.json", "{}2017"),
        ("annotations/instances_{}2017.json", "images/{}2017"),
        ("annotations/{}.json", "images"),
        ("annots/{}_labels.json", "imgs/{}"),
        ("{}/_annotations.coco.json", "{}"),
        ("{}.json", "data/{}/images"),
        ("labels/{}/labels.json", "data/{}"),
    ],
)
def test_coco_files_and_folders_of_any_spelling(annotations: str, images: str, tmp_path: Path) -> None:
    write_coco(tmp_path / "old")
    root = tmp_path / "set"
    for stage, name in {"train": "Train", "val": "valid", "test": "TEST"}.items():
        shutil.copytree(tmp_path / "old/images" / stage, root / images.format(name), dirs_exist_ok=True)
        (root / annotations.format(name)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(tmp_path / f"old/annotations/instances_{stage}.json", root / annotations.format(name))
    source = COCO(str(root))
    assert stems(source) == ALL
    assert boxes(source) == 11
    assert not kinds(source.inspect()[1])


def test_one_json_file_for_folders_of_splits(tmp_path: Path) -> None:
    root = write_coco(tmp_path / "set")
    whole: dict[str, list] = {"images": [], "annotations": []}
    for number, stage in enumerate(SCENES):
        content = json.loads((root / f"annotations/instances_{stage}.json").read_text())
        for image in content["images"]:
            whole["images"].append(
                {**image, "id": image["id"] + 100 * number, "file_name": f"{stage}/{image['file_name']}"}
            )
        whole["annotations"] += [{**a, "image_id": a["image_id"] + 100 * number} for a in content["annotations"]]
        (root / f"annotations/instances_{stage}.json").unlink()
    (root / "annotations/all.json").write_text(json.dumps({**whole, "categories": content["categories"]}))
    assert stems(COCO(str(root))) == ALL


def test_an_image_of_another_split_is_not_taken(tmp_path: Path) -> None:
    root = write_coco(tmp_path / "set")
    shutil.copy(root / "images/train/a.png", root / "images/train/g.png")
    (root / "images/test/g.png").unlink()
    [issue] = [issue for issue in COCO(str(root)).inspect()[1] if issue.kind == "missing image"]
    assert "images/train/g.png has its name, but is in another split" in issue.what


@pytest.mark.parametrize(
    "names",
    [
        {"train": "Train", "val": "Val", "test": "Test"},
        {"train": "my_train", "val": "my_val", "test": "my_test"},
        {"train": "train2017", "val": "valid2017", "test": "test2017"},
    ],
)
def test_voc_lists_of_any_name(names: dict[str, str], tmp_path: Path) -> None:
    root = write_voc(tmp_path / "set")
    for stage, name in names.items():
        (root / f"ImageSets/Main/{stage}.txt").rename(root / f"ImageSets/Main/{name}.txt")
    assert stems(VOC(str(root))) == ALL


def test_voc_lists_of_single_classes(tmp_path: Path) -> None:
    root = write_voc(tmp_path / "set")
    for stage, names in ALL.items():
        (root / f"ImageSets/Main/red_{stage}.txt").write_text("".join(f"{name} -1\n" for name in names))
    assert stems(VOC(str(root))) == ALL
    assert not kinds(VOC(str(root)).inspect()[1])
    for stage in ALL:
        (root / f"ImageSets/Main/{stage}.txt").unlink()
    assert stems(VOC(str(root))) == ALL


def test_what_trainval_shares_with_val_validates(tmp_path: Path) -> None:
    root = write_voc(tmp_path / "set")
    (root / "ImageSets/Main/train.txt").rename(root / "ImageSets/Main/trainval.txt")
    (root / "ImageSets/Main/val.txt").write_text("b\n")
    assert stems(VOC(str(root))) == {"train": ["a", "c", "d"], "val": ["b"], "test": ["g"]}
    assert kinds(VOC(str(root)).inspect()[1]) == {("untrained class", "warning"), ("not in the data", "note")}


@pytest.mark.parametrize(
    "line",
    ["{}.png", "JPEGImages/{}.png", "{}.xml", "JPEGImages/{0}.png Annotations/{0}.xml", "C:\\a\\{}.jpg", "{}\t1"],
)
def test_lines_of_voc_lists(line: str, tmp_path: Path) -> None:
    root = write_voc(tmp_path / "set")
    for stage, names in ALL.items():
        (root / f"ImageSets/Main/{stage}.txt").write_text("".join(f"{line.format(name)}\n" for name in names))
    assert stems(VOC(str(root))) == ALL


def test_voc_names_with_spaces(tmp_path: Path) -> None:
    root = write_voc(tmp_path / "set")
    for path in [*(root / "JPEGImages").iterdir(), *(root / "Annotations").iterdir()]:
        path.rename(path.with_stem(f"IMG {path.stem} (1)"))
    for stage, names in ALL.items():
        (root / f"ImageSets/Main/{stage}.txt").write_text("".join(f"IMG {name} (1) \n" for name in names))
    assert sum(map(len, stems(VOC(str(root))).values())) == 7


@pytest.mark.parametrize("folder", ["annots", "xmls", "Annotation", "labels/xml", "ANNOTATIONS"])
@pytest.mark.parametrize("images", ["JPEGImages", "Images", "img", "photos"])
def test_xml_is_found_wherever_it_lies(folder: str, images: str, tmp_path: Path) -> None:
    root = write_voc(tmp_path / "set")
    (root / folder).parent.mkdir(exist_ok=True)
    (root / "Annotations").rename(root / folder)
    (root / "JPEGImages").rename(root / images)
    assert stems(VOC(str(root))) == ALL
    shutil.rmtree(root / "ImageSets")
    assert sum(map(len, stems(VOC(str(root))).values())) == 7


@pytest.mark.parametrize("layout", ["{}", "{}/Annotations", "Annotations/{}", "data/{}/xmls"])
def test_voc_folders_of_splits(layout: str, tmp_path: Path) -> None:
    for stage, name in {"train": "Training", "val": "dev", "test": "test_data"}.items():
        for scene in SCENES[stage]:
            inner = layout.format(name)
            paint(
                tmp_path / inner.replace("Annotations", "JPEGImages").replace("xmls", "x") / f"{scene.name}.png", scene
            )
            (tmp_path / inner).mkdir(parents=True, exist_ok=True)
            (tmp_path / inner / f"{scene.name}.xml").write_text(voc_xml(scene))
    assert stems(VOC(str(tmp_path))) == ALL


def test_equal_names_in_several_splits_and_masks(tmp_path: Path) -> None:
    for stage, part in SCENES.items():
        paint(tmp_path / stage / "JPEGImages/0001.png", part[0])
        paint(tmp_path / stage / "SegmentationClass/0001.png", part[0])
        (tmp_path / stage / "Annotations").mkdir()
        (tmp_path / stage / "Annotations/0001.xml").write_text(voc_xml(part[0]))
    splits, issues = VOC(str(tmp_path)).inspect()
    for stage, split in splits.items():
        assert [example.entry.path for example in split.examples] == [tmp_path / stage / "JPEGImages/0001.png"]
    assert ("doubtful name", "warning") not in kinds(issues)


@pytest.mark.parametrize("same", ["val", "test"])
def test_a_split_that_is_the_training_set_is_dropped(same: str, tmp_path: Path) -> None:
    root = write_yolo(tmp_path / "set")
    (root / "data.yaml").write_text(f"train: images/train\n{same}: images/train\nnames: {NAMES}\n")
    found = stems(YOLO(str(root)))
    assert sorted(name for names in found.values() for name in names) == ALL["train"]
    assert ("in two splits", "warning") in kinds(YOLO(str(root)).inspect()[1])


def test_val_that_is_test_is_drawn_from_train(tmp_path: Path) -> None:
    root = write_yolo(tmp_path / "set")
    (root / "data.yaml").write_text(f"train: images/train\nval: images/val\ntest: images/val\nnames: {NAMES}\n")
    found = stems(YOLO(str(root)))
    assert sorted([*found["train"], *found["val"]]) == ALL["train"]
    assert found["test"] == ALL["val"]


def test_a_split_behind_a_link_is_the_same_split(tmp_path: Path) -> None:
    root = write_yolo(tmp_path / "set")
    for kind in ("images", "labels"):
        shutil.rmtree(root / kind / "val") if (root / kind / "val").exists() else None
        (root / kind / "val").symlink_to("train")
    (root / "images/circle").symlink_to("..")
    found = stems(YOLO(str(root)))
    names = [name for names in found.values() for name in names]
    assert len(names) == len(set(names)) == 5


def test_a_link_to_an_image_of_train_is_that_image(tmp_path: Path) -> None:
    root = write_yolo(tmp_path / "set")
    (root / "images/val/link.png").symlink_to(root / "images/train/a.png")
    (root / "data.yaml").write_text(f"names: {NAMES}")
    assert stems(YOLO(str(root)))["train"] == ["b", "c", "d"]
    assert ("in two splits", "left out") in kinds(YOLO(str(root)).inspect()[1])


def flatten(root: Path) -> None:
    """Images and text files of all splits in one folder each; the YAML file names no split."""
    (root / "data.yaml").write_text(f"names: {NAMES}")
    for kind in ("images", "labels"):
        for file in [*(root / kind).glob("*/*")]:
            file.rename(root / kind / file.name)
        for folder in [path for path in (root / kind).iterdir() if path.is_dir()]:
            folder.rmdir()


def test_lists_without_a_list_of_train(tmp_path: Path) -> None:
    flatten(write_yolo(tmp_path / "yolo"))
    (tmp_path / "yolo/test.txt").write_text("images/g.png\n")
    (tmp_path / "yolo/val.txt").write_text("images/e.png\nimages/f.png\n")
    assert stems(YOLO(str(tmp_path / "yolo"))) == ALL
    (write_voc(tmp_path / "voc") / "ImageSets/Main/train.txt").unlink()
    assert stems(VOC(str(tmp_path / "voc"))) == ALL


def test_lists_of_names_without_ending(tmp_path: Path) -> None:
    root = write_yolo(tmp_path / "set")
    flatten(root)
    for stage, names in ALL.items():
        (root / f"{stage}.txt").write_text("".join(f"{name}\n" for name in names))
    assert stems(YOLO(str(root))) == ALL


@pytest.mark.parametrize("value", ["images/{}/*.png", "images\\{}\\*.*", "Images/{}", "data/images/{}/"])
def test_folders_by_patterns_and_in_another_case(value: str, tmp_path: Path) -> None:
    root = write_yolo(tmp_path / "set")
    lines = "".join(f"{stage}: {value.format(stage)}\n" for stage in ALL)
    (root / "data.yaml").write_text(f"{lines}names: {NAMES}\n")
    assert stems(YOLO(str(root))) == ALL
    assert stems(YOLO(str(tmp_path))) == ALL  # unpacked one folder deeper


def test_splits_of_a_yaml_file_that_became_one_folder(tmp_path: Path) -> None:
    root = write_yolo(tmp_path / "set")
    flatten(root)
    (root / "data.yaml").write_text(f"train: ../train/images\nval: ../valid/images\nnames: {NAMES}\n")
    with pytest.raises(ValueError, match=r"data\.yaml:1: train: there is no \.\./train/images"):
        YOLO(str(root)).prepare()


def test_drawings_and_what_trainings_write_are_no_data(tmp_path: Path) -> None:
    root = write_yolo(tmp_path / "set")
    (root / "data.yaml").write_text(f"names: {NAMES}")
    for place in ("runs/detect/train/batch.png", "logo.png", "drawn/a.png"):
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / "images/train/a.png", root / place)
    source = YOLO(str(root))
    assert stems(source) == ALL
    assert "3 x beside the folders of images, not read" in str(source.tally)


def test_names_that_differ_by_case_alone(tmp_path: Path) -> None:
    root = write_voc(tmp_path / "set")
    shutil.copy(root / "JPEGImages/b.png", root / "JPEGImages/A.png")
    shutil.copy(root / "Annotations/b.xml", root / "Annotations/A.xml")
    assert stems(VOC(str(root))) == ALL
    assert kinds(VOC(str(root)).inspect()[1]) == {("not in the data", "note")}


def test_kaggles_folders_of_the_challenge(tmp_path: Path) -> None:
    for name, stages in (("VOC2012_train_val", ("train", "val")), ("VOC2012_test", ("test",))):
        write_voc(tmp_path / name / name, {stage: SCENES[stage] for stage in stages})
    assert stems(VOC(str(tmp_path))) == ALL


@pytest.mark.parametrize("kind", ["person_keypoints_{}2017.json", "{}_coco.json", "annotations_{}.JSON"])
def test_coco_files_of_other_names(kind: str, tmp_path: Path) -> None:
    root = write_coco(tmp_path / "set")
    for stage in ALL:
        (root / f"annotations/instances_{stage}.json").rename(root / "annotations" / kind.format(stage))
    (root / "package.json").write_text("{}")
    assert stems(COCO(str(root))) == ALL


def test_what_cannot_be_opened_is_told(tmp_path: Path) -> None:
    root = write_yolo(tmp_path / "set")
    (root / "images/train/gone.png").symlink_to("nowhere")
    (root / "labels/train/b.txt").unlink()
    (root / "labels/train/b.txt").mkdir()
    os.mkfifo(root / "images/train/pipe.png")
    assert ("unusable image", "stops") in kinds(YOLO(str(root)).inspect()[1])
    (tmp_path / "set.zip").touch()
    with pytest.raises(FileNotFoundError, match=r"set\.zip: this is a file: unpack it"):
        YOLO(str(tmp_path / "set.zip")).prepare()
