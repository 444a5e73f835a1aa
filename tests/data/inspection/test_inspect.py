import shutil
from pathlib import Path

import pytest
import torch
from painted import NAMES, SCENES, Scene, write_voc
from PIL import Image
from skimage import data

from leyden.data.columns import Scenes
from leyden.data.inspection.inspect import examples_to_show, inspect
from leyden.data.source.annotations.annotated import AnnotatedImages
from leyden.data.source.annotations.voc import VOC
from leyden.data.source.builtin.digit_scenes import DigitScenes
from leyden.data.source.builtin.tables import Tables
from leyden.data.source.files.image_folder import ImageFolder
from leyden.data.splits import InMemory


def test_everything_is_counted(tmp_path: Path) -> None:
    big = Scene(
        "h", (200, 200), [(3, (0, 0, 32, 32)), (3, (0, 40, 31, 72)), (3, (50, 50, 146, 146)), (3, (0, 0, 200, 90))]
    )
    seen = inspect(VOC(str(write_voc(tmp_path / "set", {**SCENES, "test": [big]})), classes=NAMES))
    assert {stage: len(split) for stage, split in seen.splits.items()} == {"train": 4, "val": 2, "test": 1}
    assert seen.empty == {"train": 0, "val": 1, "test": 0}
    # COCO: small below 32 x 32, large from 96 x 96 on.
    assert seen.counts["test"][3].tolist() == [1, 1, 2]
    assert seen.counts["train"].sum(1).tolist() == [1] * 8
    assert [finding.kind for finding in seen.issues] == ["no object"]


def test_unreadable_and_equal_images_are_found(tmp_path: Path) -> None:
    root = write_voc(tmp_path / "set")
    (root / "JPEGImages/b.png").write_bytes((root / "JPEGImages/b.png").read_bytes()[:60])
    shutil.copy(root / "JPEGImages/a.png", root / "JPEGImages/g.png")
    (root / "Annotations/g.xml").write_text((root / "Annotations/a.xml").read_text())
    seen = inspect(VOC(str(root), classes=NAMES))
    told = {(f.kind, f.effect, f.file.name) for f in seen.issues if f.effect != "note"}
    assert told == {("unusable image", "stops", "b.png"), ("same image", "warning", "g.png")}


def test_images_with_findings_are_shown_first_and_unreadable_ones_not(tmp_path: Path) -> None:
    root = write_voc(tmp_path / "set")
    (root / "JPEGImages/b.png").write_bytes(b"")
    file = root / "Annotations/g.xml"
    file.write_text(file.read_text().replace("<xmax>70</xmax>", "<xmax>700</xmax>"))
    seen = inspect(VOC(str(root), classes=NAMES))
    shown = examples_to_show(seen, 4)
    assert [example.caption.split("\n")[0] for example in shown] == [
        "val: f.png",
        "test: g.png",
        "train: a.png",
        "train: d.png",
    ]
    assert shown[1].caption.endswith("sticks out")
    assert shown[1].bad == [(20, 10, 700, 50)]
    assert len(examples_to_show(seen, 100)) == 6


def test_sources_without_files_are_looked_at_too(monkeypatch: pytest.MonkeyPatch) -> None:
    source = DigitScenes(64, train=20, val=5, test=5, smallest=0.3)
    seen = inspect(source)
    assert seen.issues == []
    assert int(seen.counts["train"].sum()) == sum(len(t["labels"]) for t in source.split("train").columns.targets)
    bad = {"boxes": torch.tensor([[5.0, 5, 5, 9], [torch.nan, 0, 9, 9]]), "labels": torch.tensor([0, 0])}
    monkeypatch.setattr(
        source, "split", lambda stage: InMemory(Scenes(torch.zeros(1, 3, 9, 9, dtype=torch.uint8), [bad]))
    )
    kinds = [finding.kind for finding in inspect(source).issues]
    assert kinds.count("no area") == kinds.count("not a number") == 3
    assert kinds.count("same image") == 2


def test_classification_folders(tmp_path: Path) -> None:
    for i in range(40):
        file = tmp_path / ("ab"[i % 2]) / f"{i}.png"
        file.parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), (6 * i, 0, 0)).save(file)
    seen = inspect(ImageFolder(str(tmp_path)))
    assert seen.counts["train"][:, 0].tolist() == [12, 12]
    (tmp_path / "a" / "0.png").write_text("no image")
    shutil.copy(tmp_path / "b" / "1.png", tmp_path / "b" / "copy.png")
    found = {issue.kind: issue for issue in inspect(ImageFolder(str(tmp_path))).issues}
    assert set(found) == {"unusable image", "same image"}
    assert found["unusable image"].effect == "stops"
    assert str(found["unusable image"]).startswith(f"{tmp_path / 'a' / '0.png'}: this image cannot be read (")
    assert {"1.png", "copy.png"} <= set(str(found["same image"]).replace(":", "/").split("/"))


def test_changed_copies_in_folders_and_boxes_are_named(tmp_path: Path) -> None:
    for number, name in enumerate(("astronaut", "chelsea", "coffee", "rocket")):
        photo = Image.fromarray(getattr(data, name)())
        for stage, change in (("train", photo), ("test", photo.resize((150, 120)))):
            if stage == "train" or number == 2:
                file = tmp_path / "set" / stage / ("a" if number < 2 else "b") / f"{name}-{stage}.jpg"
                file.parent.mkdir(parents=True, exist_ok=True)
                change.save(file, quality=40)
    source = ImageFolder(str(tmp_path / "set"), holdout=0.3)
    [found] = [issue for issue in inspect(source).issues if issue.kind == "nearly same image"]
    assert (found.effect, found.file) == ("warning", tmp_path / "set/test/b/coffee-test.jpg")
    assert f"as {tmp_path / 'set/train/b/coffee-train.jpg'}: another encoding, size or cut" in found.what
    root = write_voc(tmp_path / "voc")
    for file, between in ((root / "JPEGImages/a.png", (300, 200)), (root / "JPEGImages/g.png", (70, 60))):
        size = Image.open(file).size
        Image.fromarray(data.coffee()).resize(between).resize(size).save(file)
    told = [issue for issue in inspect(VOC(str(root), classes=NAMES)).issues if issue.kind == "nearly same image"]
    assert [(issue.file.name, "a.png" in issue.what) for issue in told] == [("g.png", True)]


def test_whatever_an_example_raises_is_an_issue(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    source = VOC(str(write_voc(tmp_path / "set")), classes=NAMES)
    whole = AnnotatedImages.__getitem__

    def fails(self: AnnotatedImages, index: int) -> Scenes:
        if self.examples[index].entry.path.name == "b.png":
            raise IndexError
        return whole(self, index)

    monkeypatch.setattr(AnnotatedImages, "__getitem__", fails)
    [found] = [issue for issue in inspect(source).issues if issue.effect == "stops"]
    assert str(found).endswith("b.png: IndexError")


def test_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="produces rows; choose a data/source with images"):
        inspect(Tables("wine"))
