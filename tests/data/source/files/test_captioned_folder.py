"""Images with captions from folders: tables, text files, splits, what is damaged or missing."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from leyden.data.batches.captions import Captions
from leyden.data.inspection.inspect import inspect
from leyden.data.source.files.captioned_folder import CaptionedFolder, described
from leyden.data.splits import STAGES, InMemory
from leyden.report.inspection.report import inspection_report, inspection_sheet


def write(root: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (10 + number % 3, 8), (7 * number % 256, 90, 10 * number % 256)).save(root / name)
    return root


def texts(source: CaptionedFolder) -> dict[str, list[str]]:
    source.prepare()
    return {stage: source.captions(stage) for stage in STAGES}


def in_order(root: Path, count: int = 10) -> list[str]:
    return [f"{i}.png" for i in range(count)] if write(root, *(f"{i}.png" for i in range(count))) else []


@pytest.mark.parametrize("table", ["captions.csv", "metadata.csv", "metadata.jsonl", "captions.tsv"])
def test_a_table_at_the_root(table: str, tmp_path: Path) -> None:
    names = in_order(tmp_path)
    if table.endswith("jsonl"):
        lines = [json.dumps({"file_name": name, "text": f"number {i}, drawn"}) for i, name in enumerate(names)]
    else:
        sign, quote = ("\t", "") if table.endswith("tsv") else (",", '"')
        lines = [
            f"file_name{sign}text",
            *(f"{name}{sign}{quote}number {i}, drawn{quote}" for i, name in enumerate(names)),
        ]
    (tmp_path / table).write_text("\n".join(lines) + "\n")
    source = CaptionedFolder(str(tmp_path))
    found = texts(source)
    assert [len(part) for part in found.values()] == [6, 1, 3]
    assert sorted(caption for part in found.values() for caption in part) == [f"number {i}, drawn" for i in range(10)]
    for stage in STAGES:
        split = source.split(stage)
        for i, caption in enumerate(found[stage]):
            number = int(caption.split(",")[0].removeprefix("number "))
            assert split[i].images[:, 0, 0].tolist() == [7 * number % 256, 90, 10 * number % 256]
            assert source.class_names[int(split[i].labels)] == caption
    assert not source.inspect()[1]


def test_a_table_in_each_split(tmp_path: Path) -> None:
    for stage, count in zip(("train", "validation", "test"), (3, 1, 2), strict=True):
        names = in_order(tmp_path / stage, count)
        rows = [f"{name},{stage} {i}" for i, name in enumerate(names)]
        (tmp_path / stage / "metadata.csv").write_text("\n".join(["file_name,text", *rows]))
    found = texts(CaptionedFolder(str(tmp_path)))
    assert found == {"train": ["train 0", "train 1", "train 2"], "val": ["validation 0"], "test": ["test 0", "test 1"]}


def test_text_files_beside_images(tmp_path: Path) -> None:
    for name in in_order(tmp_path / "train"):
        (tmp_path / "train" / name).with_suffix(".txt").write_text(f"one of {name}\n\nanother of {name}\n")
    for name in in_order(tmp_path / "test", 2):
        (tmp_path / "test" / name).with_suffix(".txt").write_text("a test")
    source = CaptionedFolder(str(tmp_path))
    found = texts(source)
    assert {len(found["train"]) + len(found["val"]), len(found["test"])} == {20, 2}
    assert len(found["val"]) == 2  # a tenth of the images, both captions of it
    for stage in STAGES[:2]:  # both captions of an image say the same
        assert len(set(source.split(stage).labels.tolist())) == len(found[stage]) / 2
    assert len(set(source.split("test").labels.tolist())) == 1


def test_which_captions_say_the_same() -> None:
    labels, names = described(["1", "1", "2", "3", "4"], ["A dog", "An animal", "a dog.", "a cat", "the sea"])
    assert labels.tolist() == [0, 0, 0, 1, 2]
    assert names == ["A dog", "a cat", "the sea"]


def test_what_lacks_its_partner_is_left_out(tmp_path: Path) -> None:
    names = in_order(tmp_path, 12)
    rows = [f"{name},number {i}" for i, name in enumerate(names[:10])] + ["gone.png,lost", "11.png,"]
    (tmp_path / "captions.csv").write_text("\n".join(["file_name,text", *rows]))
    source = CaptionedFolder(str(tmp_path))
    splits, issues = source.inspect()
    assert sum(map(len, splits.values())) == 10
    kinds = {issue.kind: issue for issue in issues}
    assert kinds["caption without image"].line == 12
    assert kinds["empty caption"].line == 13
    assert {issue.file.name for issue in issues if issue.kind == "image without caption"} == {"10.png", "11.png"}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (None, "has no captions: add captions.csv"),
        ("file_name,caption\n0.png,a", "no column 'text', which data.source.text_column names"),
        ("file_name,text\nx.png,a", "none has an image"),
        ("file_name,text\n0.png,a", "no image with a caption is left for"),
    ],
)
def test_mistakes_name_the_cure(table: str | None, message: str, tmp_path: Path) -> None:
    in_order(tmp_path)
    if table:
        (tmp_path / "captions.csv").write_text(table)
    with pytest.raises(ValueError, match=message):
        CaptionedFolder(str(tmp_path)).prepare()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"data\.source\.root"):
        CaptionedFolder(str(tmp_path / "no")).prepare()


def test_splits_by_half_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "train/a.png", "test/b.png", "c.png")
    (tmp_path / "captions.csv").write_text("file_name,text\ntrain/a.png,a\ntest/b.png,b\nc.png,c")
    with pytest.raises(ValueError, match=r"c\.png is in none"):
        CaptionedFolder(str(tmp_path)).prepare()


@pytest.mark.parametrize("in_memory", [True, False])
def test_batches_of_tokens(in_memory: bool, tmp_path: Path) -> None:
    names = in_order(tmp_path)
    (tmp_path / "captions.csv").write_text("\n".join(["file_name,text", *(f"{n},of {n}" for n in names)]))
    data = Captions(CaptionedFolder(str(tmp_path)), "characters", context=12, image_size=8, in_memory=in_memory)
    data.prepare_data()
    assert isinstance(data.split("train"), InMemory) == in_memory
    batch = next(iter(data.loader("test")))
    assert batch.images.shape == (3, 3, 8, 8)
    rows = [data.split("train")[i] for i in range(6)]
    decoded = [data.tokenizer.decode(row.tokens[: int(row.lengths)].tolist()) for row in rows]
    assert decoded == data.source.captions("train")
    assert data.spec["unseen"] == sorted(batch.labels.tolist())
    assert torch.equal(batch.labels, data.source.split("test").labels)  # type: ignore[attr-defined]


def test_check_data_of_captions_that_all_differ(tmp_path: Path) -> None:
    names = in_order(tmp_path, 40)
    (tmp_path / "captions.csv").write_text(
        "\n".join(["file_name,text", *(f"{n},a long description of what {n} shows to us" for n in names)])
    )
    (tmp_path / "7.png").write_bytes(b"nothing of an image")
    source = CaptionedFolder(str(tmp_path))
    seen = inspect(source)
    report = inspection_report(source, seen)
    assert "40 descriptions that differ" in report
    assert "12 of the 12 in the test are in no training image" in report
    assert len(report.splitlines()) < 40
    assert [issue.effect for issue in seen.issues if issue.file.name == "7.png"] == ["stops"]
    assert inspection_sheet(source, seen).shape[0] == 3
