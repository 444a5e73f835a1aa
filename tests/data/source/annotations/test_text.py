"""Text, numbers and paths as other programs write them."""

import json
import re
from pathlib import Path

import pytest
from painted import NAMES, SCENES, write_coco, write_voc, write_yolo

from leyden.data.source.annotations.box_source import BoxSource
from leyden.data.source.annotations.coco import COCO
from leyden.data.source.annotations.lines import read_json_lists, read_xml
from leyden.data.source.annotations.text import MalformedError, clean_name, identifier, read_lines, whole_number
from leyden.data.source.annotations.voc import VOC
from leyden.data.source.annotations.yolo_txt import YOLO


def classes(source: BoxSource) -> list[str]:
    source.prepare()
    assert sum(len(e.target["labels"]) for stage in SCENES for e in source.split(stage).examples) == 11
    return list(source.class_names)


def encode(root: Path, encoding: str, *endings: str) -> None:
    for path in [path for path in root.rglob("*") if path.suffix in endings]:
        path.write_bytes(path.read_text().encode(encoding))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_byte_order_marks_in_all_formats(encoding: str, tmp_path: Path) -> None:
    encode(write_yolo(tmp_path / "yolo"), encoding, ".yaml", ".txt")
    encode(write_coco(tmp_path / "coco"), encoding, ".json")
    encode(write_voc(tmp_path / "voc"), encoding, ".txt")
    if encoding != "utf-32":  # which XML is not written in
        encode(tmp_path / "voc", encoding, ".xml")
    assert classes(YOLO(str(tmp_path / "yolo"))) == NAMES
    assert classes(COCO(str(tmp_path / "coco"))) == NAMES
    assert classes(VOC(str(tmp_path / "voc"))) == sorted(NAMES)
    (tmp_path / "yolo/data.yaml").rename(tmp_path / "data.yaml")
    (tmp_path / "yolo/classes.txt").write_bytes("\r\n".join(NAMES).encode(encoding))
    assert classes(YOLO(str(tmp_path / "yolo"))) == NAMES


@pytest.mark.parametrize(
    ("encoding", "declared", "word"),
    [
        ("gb2312", "GB2312", "红"),
        ("gbk", "gbk", "紅"),
        ("gb18030", "GB18030", "红"),
        ("big5", "Big5", "紅"),
        ("shift_jis", "Shift_JIS", "赤"),
        ("cp932", "shift-jis", "①赤"),
        ("euc-jp", "EUC-JP", "赤"),
        ("euc-kr", "euc-kr", "빨강"),
        ("utf-16", "UTF-16", "红"),
        ("utf-16-le", "utf-16", "红"),
        ("cp1251", "windows-1251", "красный"),
        ("latin-1", "ISO-8859-1", "gelée"),
        ("utf-8", "gb2312", "红色"),
        ("utf-8", "ISO-8859-1", "gelée"),
        ("utf-8", "utf-16", "红"),
        ("utf-8", "no-such-thing", "红"),
        ("utf-8-sig", "gb2312", "红"),
        ("utf-8", "us-ascii", "红"),
    ],
)
def test_xml_in_other_encodings(encoding: str, declared: str, word: str, tmp_path: Path) -> None:
    root = write_voc(tmp_path / "set")
    for path in (root / "Annotations").iterdir():
        text = (
            path.read_text()
            .replace("<name>red<", f"<name>{word}<")
            .replace("<filename>", "<path>D:\\x\\</path><filename>")
        )
        path.write_bytes(f"<?xml version='1.0' encoding='{declared}'?>\n{text}".encode(encoding))
    source = VOC(str(root))
    assert classes(source) == sorted(set(NAMES) - {"red"} | {word})
    wrong = {issue.what for issue in source.inspect()[1] if issue.kind == "wrong encoding"}
    said = encoding.startswith("utf-8") and declared != "us-ascii"
    assert wrong == ({f"declares {declared}, but its text is {encoding.upper()}"} if said else set())


@pytest.mark.parametrize("encoding", ["gb18030", "shift_jis", "cp1252"])
def test_undeclared_bytes_are_named_and_never_replaced(encoding: str, tmp_path: Path) -> None:
    names = {"gb18030": ("猫", "狗"), "shift_jis": ("猫", "犬"), "cp1252": ("é", "è")}[encoding]
    voc, yolo = write_voc(tmp_path / "voc"), write_yolo(tmp_path / "yolo")
    for stem, name in zip("ab", names, strict=True):
        file = voc / f"Annotations/{stem}.xml"
        file.write_bytes(
            file.read_text()
            .replace("<name>green<", f"<name>{name}<")
            .replace("<name>black<", f"<name>{name}<")
            .encode(encoding)
        )
    shown = {"gb18030": "GB18030", "shift_jis": "CP932", "cp1252": "CP1252"}[encoding]
    with pytest.raises(ValueError, match=rf"b\.xml:5: byte 0x\w\w is no text in UTF-8.*{names[1]}<.*{shown}"):
        VOC(str(voc)).prepare()
    (yolo / "data.yaml").unlink()
    lines = "\n".join([*names, *NAMES[2:]])
    (yolo / "classes.txt").write_bytes(lines.encode(encoding))
    with pytest.raises(ValueError, match=r"classes\.txt:\d: byte .* save the file as UTF-8"):
        YOLO(str(yolo)).prepare()
    (yolo / "classes.txt").write_text(lines, encoding="utf-8")  # the advice
    assert classes(YOLO(str(yolo))) == [*names, *NAMES[2:]]


@pytest.mark.parametrize("file", ["classes.txt", "labels/train/a.txt", "train.txt", "data.yaml"])
@pytest.mark.parametrize("raw", [b"red\nbl\0ue\n", b"red\n\xff\xfe\xff\n", bytes(100)])
def test_damaged_text_is_named_with_its_line(file: str, raw: bytes, tmp_path: Path) -> None:
    root = write_yolo(tmp_path / "set")
    if file == "classes.txt":
        (root / "data.yaml").unlink()
    (root / file).write_bytes(raw)
    with pytest.raises(ValueError, match=rf"{file}:{1 if raw == bytes(100) else 2}: "):
        YOLO(str(root)).prepare()


def test_only_line_ends_end_lines(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("a\u2028b\x0bc\rd\r\ne\x85\n\nf".encode())
    assert read_lines(tmp_path / "a.txt") == ["a\u2028b\x0bc", "d", "e\x85", "", "f"]


@pytest.mark.parametrize(
    ("expected", "values"),
    [
        (7, (7, 7.0, "7", " 7.0 ", "007", "7.000e+00")),
        (str(10**30), (10**30, str(10**30))),
        ("a1", ("a1", " a1 ")),
        ("1.5", ("1.5",)),
        (None, (None, True, 1.5, "", [], {}, float("nan"), float("inf"))),
    ],
)
def test_ids_are_of_one_type(expected: object, values: tuple) -> None:
    assert [identifier(value) for value in values] == [expected] * len(values)


def test_whole_numbers_in_text() -> None:
    assert [whole_number(word) for word in ("1.000e+00", "+2", "3.0", "1e1")] == [1, 2, 3, 10]
    assert [whole_number(word) for word in ("1_0", "0x1", "x", "nan", "1e400", "9" * 40, "1,0")] == [None] * 7


def test_names_that_look_the_same_are_the_same() -> None:
    assert {clean_name(name) for name in ("café", "cafe\u0301", " café\t", "\ufeffcafé", "ca\u200bfé", "café\xa0")} == {
        "café"
    }


@pytest.mark.parametrize("kind", [str, float, lambda number: f" {number}.0 ", lambda number: f"img-{number}"])
def test_coco_ids_of_other_types(kind: type, tmp_path: Path) -> None:
    root = write_coco(tmp_path / "set")
    for file in (root / "annotations").iterdir():
        content = json.loads(file.read_text())
        for image in content["images"]:
            image["id"] = kind(image["id"])
        for annotation in content["annotations"][1:]:
            annotation["image_id"] = kind(annotation["image_id"])
            annotation["category_id"] = str(annotation["category_id"])
        if kind(1) == "img-1":
            content["annotations"][0]["image_id"] = kind(content["annotations"][0]["image_id"])
        content["categories"].append({"id": "background", "name": "background"})
        content["categories"].append({"id": None, "name": "nothing"})
        file.write_text(json.dumps(content))
    source = COCO(str(root))
    splits, issues = source.inspect()
    assert source.class_names == [*NAMES, "background"]
    assert sum(len(e.target["labels"]) for split in splits.values() for e in split.examples) == 11
    assert [issue.what for issue in issues if issue.effect == "stops"] == ["a category needs id and name"] * 3
    assert ("image_id" in splits["train"].examples[0].target) == (kind(1) != "img-1")


def rename_category(root: Path, **changes: object) -> None:
    for file in (root / "annotations").iterdir():
        content = json.loads(file.read_text())
        for number, category in enumerate(content["categories"]):
            category.update(changes if number == 0 else {})
        content["categories"].insert(0, {"id": 0, "name": "red", "supercategory": "none"})
        for category in content["categories"][1:]:
            category["supercategory"] = "red"
        file.write_text(json.dumps(content))


def test_roboflows_group_of_a_class_name_is_no_class(tmp_path: Path) -> None:
    root = write_coco(tmp_path / "set")
    rename_category(root)
    source = COCO(str(root))
    assert classes(source) == NAMES
    assert ("group of categories", "note") in {(issue.kind, issue.effect) for issue in source.inspect()[1]}


def test_two_categories_of_one_name_and_the_cure(tmp_path: Path) -> None:
    root = write_coco(tmp_path / "set")
    rename_category(root, name="red ")  # white was the first
    with pytest.raises(
        ValueError, match=r"json:1: two classes are called 'red': rename one, or set data\.source\.classes=\[(.*)\] to"
    ) as caught:
        COCO(str(root)).prepare()
    advice = str(caught.value).partition("classes=[")[2].partition("]")[0]
    assert classes(COCO(str(root), classes=[name.strip("'") for name in advice.split(",")])) == [*NAMES[:7]]


def test_names_that_differ_by_case_are_said(tmp_path: Path) -> None:
    root = write_voc(tmp_path / "set")
    file = root / "Annotations/a.xml"
    file.write_text(file.read_text().replace("<name>blue<", "<name>Blue<"))
    [issue] = [issue for issue in VOC(str(root)).inspect()[1] if issue.kind == "doubtful name"]
    assert "'Blue' and 'blue' differ by case or spaces only" in issue.what
    with pytest.raises(ValueError, match=r"a\.xml:\d+: Blue .* is none of the 8 classes: .*; is 'blue' meant\?"):
        VOC(str(root), classes=NAMES).prepare()


@pytest.mark.parametrize(
    "form",
    [
        "images\\{stage}\\{name}",
        "C:\\Users\\me\\set\\images\\{stage}\\{name}",
        "C:/Users/me/set/images/{stage}/{name}",
        "\\\\server\\share\\images\\{stage}\\{name}",
        "file:///home/me/images/{stage}/{name}",
        "file:///C:/data/{stage}/{name}",
        "file://localhost/data/{stage}/{name}",
        "./images/{stage}/{name}",
        ".\\images\\{stage}\\{name}",
        "../../images/{stage}/{name}",
        "/mnt/data/{stage}/{name}",
        "images//{stage}//{name}",
        "images/{stage}/%20{name}",
        '"images/{stage}/{name}"',
        "  images/{stage}/{name}  ",
        "IMAGES/{stage}/{name}",
        "{name}",
    ],
)
@pytest.mark.parametrize("kind", ["yolo", "coco"])
def test_paths_of_other_systems(form: str, kind: str, tmp_path: Path) -> None:
    space = " " if "%20" in form else ""
    root = {"yolo": write_yolo, "coco": write_coco}[kind](tmp_path / "set")
    if space:
        for path in [*root.rglob("*.png"), *root.glob("labels/*/*.txt")]:
            path.rename(path.with_name(f" {path.name}"))
    for stage, part in SCENES.items():
        names = {scene.name: form.format(stage=stage, name=f"{scene.name}.png") for scene in part}
        if kind == "yolo":
            (root / "data.yaml").write_text(f"names: {NAMES}")
            (root / f"{stage}.txt").write_text("".join(f"{name}\n" for name in names.values()))
        else:
            file = root / f"annotations/instances_{stage}.json"
            content = json.loads(file.read_text())
            for image in content["images"]:
                image["file_name"] = names[image["file_name"].removesuffix(".png")]
            file.write_text(json.dumps(content))
    source = YOLO(str(root)) if kind == "yolo" else COCO(str(root))
    assert classes(source) == NAMES
    assert [len(source.split(stage)) for stage in SCENES] == [4, 2, 1]
    effects = {issue.effect for issue in source.inspect()[1]}
    assert effects <= {"note"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("https://x.org/none.png", "is an address, not a file: download it"),
        ("images/train/none.png", "there is no .*none.png.*, nor 'none.png' anywhere below"),
        ("images/train/a.jpg", r"there is no .*a\.jpg, but .*images/train/a\.png: correct the ending"),
        ("images/train/", "is no file's name"),
        ("x" * 5000 + ".png", "there is no"),
        ("a\ud800.png".encode("utf-8", "surrogatepass").decode("latin-1"), "there is no"),
    ],
)
def test_what_is_odd_about_a_path(line: str, message: str, tmp_path: Path) -> None:
    root = write_yolo(tmp_path / "set")
    (root / "data.yaml").write_text(f"names: {NAMES}")
    (root / "train.txt").write_text(f"images/train/b.png\n{line}\n", encoding="utf-8")
    [issue] = [issue for issue in YOLO(str(root)).inspect()[1] if issue.kind == "missing image"]
    assert (issue.file.name, issue.line, issue.effect) == ("train.txt", 2, "stops")
    assert re.search(message, issue.what)


def test_a_bare_name_that_several_files_have(tmp_path: Path) -> None:
    root = write_yolo(tmp_path / "set")
    for folder in ("one", "two"):
        (root / "images" / folder).mkdir()
        (root / "images" / folder / "x.png").write_bytes((root / "images/train/a.png").read_bytes())
    (root / "data.yaml").write_text(f"names: {NAMES}")
    (root / "train.txt").write_text("images/train/b.png\nelsewhere/x.png\nold/two/x.png\n")
    [issue] = [issue for issue in YOLO(str(root)).inspect()[1] if issue.kind == "missing image"]
    assert "'elsewhere/x.png' may be each of 2 files" in issue.what


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"images": ' + "[" * 100_000, "nested too deeply"),
        ('{"images": [' + "9" * 5000 + "]}", "a number that is too long"),
        ("<html>", "this is not a JSON object"),
        ('{"images": []}{"images": []}', "something follows its end"),
        ('{"images": [],\n"images": []}', "'images' stands here a second time"),
    ],
)
def test_json_that_python_cannot_hold(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(MalformedError, match=message):
        read_json_lists(tmp_path / "a.json")


def test_deep_xml_and_other_xml(tmp_path: Path) -> None:
    (tmp_path / "deep.xml").write_text("<a>" * 100_000 + "</a>" * 100_000)
    assert read_xml(tmp_path / "deep.xml")[0].tag == "a"
    (tmp_path / "laugh.xml").write_text('<!DOCTYPE a [<!ENTITY x "ha">]><a>&y;</a>')
    with pytest.raises(MalformedError, match="undefined entity"):
        read_xml(tmp_path / "laugh.xml")
    root = write_voc(tmp_path / "set")
    (root / "Annotations/a.xml").write_text("<annotations><image name='a.png'/></annotations>")
    with pytest.raises(ValueError, match=r"a\.xml:1: <annotations> begins this file, which is no annotation of VOC's"):
        VOC(str(root)).prepare()


@pytest.mark.parametrize("write", [write_yolo, write_coco, write_voc])
def test_what_programs_leave_behind_is_counted_and_not_read(write, tmp_path: Path) -> None:
    root = write(tmp_path / "set")
    source = {write_yolo: YOLO, write_coco: COCO, write_voc: VOC}[write](str(root))
    expected = classes(source)
    images = list(root.rglob("*.png"))
    for path in images:
        (path.parent / f"._{path.name}").write_bytes(b"\0\5\x16\7")
        (path.parent / ".ipynb_checkpoints").mkdir(exist_ok=True)
        (path.parent / ".ipynb_checkpoints" / f"{path.stem}-checkpoint.png").write_bytes(path.read_bytes())
    for path in [*root.rglob("*.xml"), *root.rglob("*.json"), *root.rglob("*.txt"), *root.rglob("*.yaml")]:
        (path.parent / f"._{path.name}").write_bytes(b"\0\5\x16\7")
    (root / "__MACOSX").mkdir()
    (root / "__MACOSX/train.json").write_text("{")
    (root / ".DS_Store").write_bytes(b"\0")
    again = type(source)(str(root))
    assert classes(again) == expected
    assert "hidden or of another program, not read" in str(again.tally)
    assert {issue.effect for issue in again.inspect()[1]} == {"note"}


@pytest.mark.parametrize("make", [VOC, COCO, YOLO])
def test_the_wrong_source_names_the_right_one(make: type, tmp_path: Path) -> None:
    write = {VOC: write_coco, COCO: write_voc, YOLO: write_voc}[make]
    write(tmp_path / "set")
    right = "coco" if write is write_coco else "voc"
    keys = {"names": NAMES} if make is YOLO else {}
    with pytest.raises((FileNotFoundError, ValueError), match=rf"perhaps data/source={right} reads it"):
        make(str(tmp_path / "set"), **keys).prepare()


def test_a_class_list_with_an_empty_line_is_named(tmp_path: Path) -> None:
    root = write_yolo(tmp_path / "set")
    (root / "data.yaml").unlink()
    (root / "classes.txt").write_text("\n".join([*NAMES[:3], "", *NAMES[3:]]))
    with pytest.raises(ValueError, match=r"classes\.txt:4: there is no name of a class in this line"):
        YOLO(str(root)).prepare()
