import csv
from collections.abc import Callable
from pathlib import Path

from painted import SCENES, write_coco, write_voc, write_yolo
from PIL import Image


def test_sound_data(leyden: Callable, tmp_path: Path) -> None:
    write_voc(tmp_path / "set", {**SCENES, "val": SCENES["val"][:1]})
    done = leyden("check-data", "data/source=voc", "data.source.root=set")
    assert done.returncode == 0, done.stderr
    assert "| train | 4      | 8     |" in done.stdout
    assert "| yellow  | 1     | 0   | 0    | 1                 |" in done.stdout
    assert "nothing wrong" in done.stdout
    folder = tmp_path / "outputs" / "check_data" / "voc"
    assert (folder / "report.md").read_text().strip() in done.stdout
    with Image.open(folder / "images.png") as sheet:
        assert sheet.width > 1000


def test_both_domains_are_looked_at(leyden: Callable, tmp_path: Path) -> None:
    for folder, count in (("A", 20), ("B", 30)):
        (tmp_path / folder).mkdir()
        for i in range(count):
            Image.new("RGB", (60, 50), (8 * i, count, 0)).save(tmp_path / folder / f"{i}.png")
    (tmp_path / "B" / "broken.png").write_bytes(b"")
    words = ["data=gan/unpaired", "data/source=image_files", "data.source.root=A"]
    done = leyden("check-data", *words, "data/source@data.target=image_files", "data.target.root=B")
    assert done.returncode == 1
    assert "nothing wrong" in done.stdout
    assert "broken.png" in done.stdout.partition("nothing wrong")[2]
    folder = tmp_path / "outputs" / "check_data" / "image_files"
    assert (folder / "images.png").exists()
    assert (folder / "target" / "issues.csv").exists()


def test_untrainable_data_has_file_and_line(leyden: Callable, tmp_path: Path) -> None:
    root = write_yolo(tmp_path / "set")
    (root / "labels/train/a.txt").write_text("0 0.2 0.2 0.1 0.1\n1 0.5 0.5 0 0.1\n")
    done = leyden("check-data", "data/source=yolo", "data.source.root=set", "--output", "seen")
    assert done.returncode == 1
    assert (
        "1 x no area (left out: does not train)\n  set/labels/train/a.txt:2: blue [0.5 0.5 0 0.1] in 96x64"
        in done.stdout
    )
    with (tmp_path / "seen" / "issues.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert ("no area", "set/labels/train/a.txt", "2") in {(row["kind"], row["file"], row["line"]) for row in rows}
    assert (tmp_path / "seen" / "images.png").is_file()


def test_notes_are_no_failure(leyden: Callable, tmp_path: Path) -> None:
    root = write_coco(tmp_path / "set")
    words = ["check-data", "data/source=coco", "data.source.root=set"]
    done = leyden(*words)
    assert done.returncode == 0
    assert "1 x no object (note: trains)" in done.stdout
    (root / "images/test/g.png").unlink()
    done = leyden(*words)
    assert done.returncode == 1
    assert "1 x missing image (stops: a run stops at it)\n  set/annotations/instances_test.json:" in done.stdout


def test_missing_folder_is_one_error(leyden: Callable) -> None:
    done = leyden("check-data", "data/source=voc", "data.source.root=nowhere")
    assert done.returncode == 1
    assert done.stderr.strip().startswith("error: data.source.root=nowhere: no such folder")
    done = leyden("check-data", "data/source=voc")
    assert done.returncode == 1
    assert "data.source.root: has no default" in done.stderr


def test_blood_cells(leyden: Callable, dev_data: Path) -> None:
    done = leyden("check-data", "data/source=voc", f"data.source.root={dev_data / 'bccd'}")
    assert done.returncode == 1
    assert "issues: 2 x left out, 2 x warning\n" in done.stdout
    assert "2 x nearly same image (warning" in done.stdout
    for place in ("BloodImage_00338.xml:163: RBC [504 337 504 337]", "BloodImage_00343.xml:55: RBC [181 329 181 329]"):
        assert place in done.stdout
    for row in ("| train | 205    | 2,804", "| val   | 87     | 1,137", "| test  | 72     | 945"):
        assert row in done.stdout
