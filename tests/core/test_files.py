"""Files are whole or not there, and what a kill leaves beside them goes."""

import os
from pathlib import Path

import pytest

from leyden.core.files import clear_leftovers, write_whole


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "inner" / "metrics.json"
    write_whole(file, lambda partial: partial.write_text("old") and None)

    def fail(partial: Path) -> None:
        partial.write_text("ne")
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        write_whole(file, fail)
    assert file.read_text() == "old"
    assert list(tmp_path.rglob("*.*")) == [file]


def test_only_leftovers_are_cleared(tmp_path: Path) -> None:
    kept = [tmp_path / ".lock", tmp_path / "a" / ".gitignore", tmp_path / "a" / "1.metrics.json"]
    for file in [*kept, tmp_path / f".{os.getpid()}.status.json", tmp_path / "a" / ".17.last.ckpt"]:
        file.parent.mkdir(exist_ok=True)
        file.touch()
    clear_leftovers(tmp_path)
    assert sorted(file for file in tmp_path.rglob("*") if file.is_file()) == sorted(kept)
