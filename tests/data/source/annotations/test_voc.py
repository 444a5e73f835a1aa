from pathlib import Path

import pytest
import torch
from painted import NAMES, SCENES, paint, voc_xml, write_voc
from torchvision.datasets import VOCDetection
from torchvision.ops import box_iou

from leyden.data.source.annotations.lines import read_xml
from leyden.data.source.annotations.text import MalformedError
from leyden.data.source.annotations.voc import VOC, from_pascal


def test_overlaps_are_those_of_the_development_kit() -> None:
    """VOCevaldet.m: iw = min(x2) - max(x1) + 1, areas likewise with + 1."""
    corner = torch.randint(1, 60, (200, 2), generator=torch.Generator().manual_seed(0))
    boxes = torch.cat([corner, corner + torch.randint(1, 40, (200, 2))], 1).double()
    a, b = boxes[:100, None], boxes[None, 100:]
    sides = torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2]) + 1
    shared = torch.where((sides > 0).all(-1), sides.prod(-1), 0)
    area = [(c[..., 2:] - c[..., :2] + 1).prod(-1) for c in (a, b)]
    continuous = torch.tensor([from_pascal(*box) for box in boxes.tolist()], dtype=torch.float64)
    torch.testing.assert_close(box_iou(continuous[:100], continuous[100:]), shared / (area[0] + area[1] - shared))


def test_a_box_around_everything_is_the_whole_image() -> None:
    assert from_pascal(1, 1, 640, 480) == (0, 0, 640, 480)


@pytest.mark.parametrize("layout", ["beside", "folders", "beside in splits", "years"])
def test_other_layouts(layout: str, tmp_path: Path) -> None:
    if layout == "years":
        write_voc(tmp_path / "VOCdevkit" / "VOC2007", {"train": SCENES["train"][:2], "test": SCENES["test"]})
        write_voc(tmp_path / "VOCdevkit" / "VOC2012", {"train": SCENES["train"][2:], "val": SCENES["val"]})
    for stage, part in SCENES.items() if layout != "years" else []:
        for scene in part:
            folder = tmp_path / stage if layout == "beside in splits" else tmp_path
            paint((folder / "images" if layout == "folders" else folder) / f"{scene.name}.png", scene)
            annotations = folder / "annotations" if layout == "folders" else folder
            annotations.mkdir(exist_ok=True)
            (annotations / f"{scene.name}.xml").write_text(voc_xml(scene))
    source = VOC(str(tmp_path), classes=NAMES)
    expected = [4, 2, 1] if layout in ("years", "beside in splits") else [4, 1, 2]
    assert [len(source.split(stage)) for stage in ("train", "val", "test")] == expected
    if layout == "years":
        assert [len(VOC(str(tmp_path), ["2007"], NAMES).split(stage)) for stage in ("train", "val", "test")] == [
            1,
            1,
            1,
        ]
        with pytest.raises(FileNotFoundError, match=r"has no VOC2010, only 2007, 2012"):
            VOC(str(tmp_path), ["2010"]).prepare()


def test_trainval_is_taken_where_train_is_missing(tmp_path: Path) -> None:
    root = write_voc(
        tmp_path / "set", {"trainval": SCENES["train"], "val": SCENES["train"][:1], "test": SCENES["test"]}
    )
    source = VOC(str(root), classes=NAMES)
    assert [len(source.split(stage)) for stage in ("train", "val", "test")] == [3, 1, 1]


def test_class_names_come_from_the_files_and_the_image_from_its_tag(tmp_path: Path) -> None:
    root = write_voc(tmp_path / "set")
    (root / "Annotations/e.xml").rename(root / "Annotations/renamed.xml")
    (root / "ImageSets/Main/val.txt").write_text("renamed\nf\n")
    source = VOC(str(root))
    source.prepare()
    assert source.class_names == sorted(NAMES)
    assert source.split("val").examples[0].entry.path.name == "e.png"


def test_a_size_of_zero_is_read_off_the_image(tmp_path: Path) -> None:
    root = write_voc(tmp_path / "set")
    file = root / "Annotations/a.xml"
    file.write_text(file.read_text().replace("<width>96</width>", "<width>0</width>"))
    assert VOC(str(root), classes=NAMES).split("train").examples[0].size == (96, 64)


def test_a_part_of_an_object_is_not_its_box(tmp_path: Path) -> None:
    root = write_voc(tmp_path / "set")
    file = root / "Annotations/e.xml"
    part = "<part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></part>"
    file.write_text(file.read_text().replace("<name>blue</name>", f"{part}<name>blue</name>"))
    source = VOC(str(root), classes=NAMES)
    assert source.split("val")[0][1]["boxes"].tolist() == [[10, 10, 40, 40]]


def test_lines_of_xml(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text("<a>\n <b>\n  x</b>\n <b/></a>")
    assert [element.get("line") for element in read_xml(tmp_path / "a.xml")[0].iter()] == ["1", "2", "4"]
    (tmp_path / "b.xml").write_text("<a>\n<b>\n</a>")
    with pytest.raises(MalformedError, match="not XML: mismatched tag") as caught:
        read_xml(tmp_path / "b.xml")
    assert caught.value.line == 3


def test_blood_cells_as_torchvision_reads_them(dev_data: Path) -> None:
    root = dev_data / "bccd"
    source = VOC(str(root))
    splits, issues = source.inspect()
    assert [len(splits[stage]) for stage in ("train", "val", "test")] == [205, 87, 72]
    assert source.class_names == ["Platelets", "RBC", "WBC"]
    assert {(f.kind, f.effect, f.file.stem, f.line) for f in issues} == {
        ("no area", "left out", "BloodImage_00338", 163),
        ("no area", "left out", "BloodImage_00343", 55),
    }
    total = 0
    for stage in ("train", "val", "test"):
        for example, (_, theirs) in zip(splits[stage].examples, VOCDetection(str(root), "2007", stage), strict=True):
            rows = [
                (o["name"], [float(o["bndbox"][side]) for side in ("xmin", "ymin", "xmax", "ymax")])
                for o in theirs["annotation"]["object"]
            ]
            kept = [(name, box) for name, box in rows if box[0] < box[2]]
            total += len(rows)
            inclusive = example.target["boxes"] + torch.tensor([1, 1, 0, 0])
            assert inclusive.tolist() == [box for _, box in kept]
            assert [source.class_names[label] for label in example.target["labels"]] == [name for name, _ in kept]
    assert total == 4888
