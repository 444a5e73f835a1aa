from pathlib import Path

import pytest

from leyden.data.issues import Tally
from leyden.data.source.files.layout import find_files, is_clutter, stage_of

NAMES = {
    "train": "train Training TRAIN train_images train2017 01-train trainset TrainImages XTrain seg_train trn trainval "
    "train_val images.train Training_Data train1 Ｔrain",
    "val": "VaL val valid valid_ Validation validation_set val2017 dev devset VALID valset my-val eval",
    "test": "tEsT test Testing TEST test_set testset seg_test tests 2test Test-Images",
}


@pytest.mark.parametrize(("stage", "name"), [(stage, name) for stage, names in NAMES.items() for name in names.split()])
def test_names_of_splits(stage: str, name: str) -> None:
    assert stage_of(name) == stage


@pytest.mark.parametrize(
    "name", ["cats", "latest", "strain", "contest", "valley", "trained", "invalid", "train_test_split", "2017", "x"]
)
def test_names_that_are_no_split(name: str) -> None:
    assert stage_of(name) is None


FOREIGN = [".DS_Store", "._a.png", ".ipynb_checkpoints/a-checkpoint.png", "__MACOSX/a.png", "deep/@eaDir/a.png",
           "deep/Thumbs.db", "desktop.ini", "$RECYCLE.BIN/a.png", "lost+found/a.png", ".hidden/deep/a.png"]  # fmt: skip


def test_what_other_programs_leave_is_passed_over(tmp_path: Path) -> None:
    for name in [*FOREIGN, "a.png", "deep/er/b.JPG", "deep/notes.txt"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    tally = Tally()
    assert find_files(tmp_path, tally=tally) == [tmp_path / "a.png", tmp_path / "deep/er/b.JPG"]
    assert "10 x hidden or of another program, not read" in str(tally)
    assert f"1 x with another ending, not read ({tmp_path / 'deep/notes.txt'})" in str(tally)
    assert find_files(tmp_path, (".txt",)) == [tmp_path / "deep/notes.txt"]
    assert find_files(tmp_path / "nowhere") == []


def test_usual_names_are_not_foreign() -> None:
    assert not any(map(is_clutter, ["cats", "_x.png", "thumbs", "10.png", "a.b"]))
