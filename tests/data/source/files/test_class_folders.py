"""Class folders whose parts share no class."""

import logging
from pathlib import Path
from zipfile import ZipFile

import pytest
from PIL import Image

from leyden.data.source.files.class_folders import ClassFolders
from leyden.data.splits import STAGES, labels_of
from leyden.transfer.few_shot.episode_images import EpisodeImages


def paint(root: Path, *folders: str, count: int = 3) -> None:
    for folder in folders:
        (root / folder).mkdir(parents=True)
        for i in range(count):
            Image.new("L", (20, 10), 10 * i).save(root / folder / f"{i}.png")


def classes(source: ClassFolders) -> dict[str, list[str]]:
    return {
        stage: [source.class_names[label] for label in labels_of(source.split(stage)).unique().tolist()]
        for stage in STAGES
    }


def test_groups_validate_as_a_whole_and_known_classes_do_not_test(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As Omniglot lies: alphabets in two parts, some in both."""
    alphabets = ["Greek", "Latin", "Korean"]
    paint(tmp_path, *(f"small1/{alphabet}/character{i}" for alphabet in alphabets for i in (1, 2)))
    paint(tmp_path, "small2/Greek/character1", "small2/Tagalog/character1", "small2/Sanskrit/character1")
    source = ClassFolders(str(tmp_path), "small1", "small2", channels=1)
    with caplog.at_level(logging.INFO):
        found = classes(source)
    assert found["test"] == ["Sanskrit/character1", "Tagalog/character1"]
    (held_out,) = {name.split("/")[0] for name in found["val"]}
    assert sorted(found["train"] + found["val"]) == sorted(f"{a}/character{i}" for a in alphabets for i in (1, 2))
    assert held_out not in {name.split("/")[0] for name in found["train"]}
    assert "1 classes of test left out, as they are in another part" in caplog.text
    assert [len(source.split(stage)) for stage in STAGES] == [12, 6, 6]
    image = source.split("test")[0].images
    assert image.shape == (1, 10, 20)
    assert classes(ClassFolders(str(tmp_path), "small1", "small2", channels=1)) == found


def test_three_parts_are_taken_as_they_are(tmp_path: Path) -> None:
    paint(tmp_path, "train/a", "train/b", "meta/val/c", "test/d", "more/e")
    source = ClassFolders(str(tmp_path), test=["test", "more"], val="meta/val")
    assert classes(source) == {"train": ["a", "b"], "val": ["c"], "test": ["d", "e"]}
    data = EpisodeImages(source, ways=1, queries=2, image_size=16)
    data.prepare_data()
    data.setup("fit")
    assert next(iter(data.test_dataloader())).query_images.shape == (2, 3, 16, 16)


def test_what_does_not_go_is_refused(tmp_path: Path) -> None:
    paint(tmp_path, "train/a", "train/b")
    (tmp_path / "test.zip").touch()
    with pytest.raises(FileNotFoundError, match=r"folder test: test.zip lies there: unpack it"):
        ClassFolders(str(tmp_path)).prepare()
    paint(tmp_path, "test/a", "test/b")
    with pytest.raises(ValueError, match="all 2 classes of test are in another part"):
        ClassFolders(str(tmp_path)).prepare()
    paint(tmp_path, "flat")
    with pytest.raises(ValueError, match="flat holds images beside class folders"):
        ClassFolders(str(tmp_path), test="flat").prepare()


def test_small_sets_of_omniglot_share_two_alphabets(tmp_path: Path, dev_data: Path) -> None:
    for part in ("small1", "small2"):
        with ZipFile(dev_data / "omniglot" / f"images_background_{part}.zip") as packed:
            packed.extractall(tmp_path)
    source = ClassFolders(str(tmp_path), "images_background_small1", "images_background_small2", channels=1)
    found = classes(source)
    assert len(found["train"] + found["val"]) == 136
    alphabets = {stage: {name.split("/")[0] for name in names} for stage, names in found.items()}
    assert alphabets["test"] == {"Japanese_(katakana)", "Sanskrit", "Tagalog"}
    assert alphabets["train"] | alphabets["val"] == {"Balinese", "Early_Aramaic", "Greek", "Korean", "Latin"}
    assert len(source.split("test")) == 20 * (47 + 42 + 17)
