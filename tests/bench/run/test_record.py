import json
import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from leyden.bench.config.compose import Composed, compose
from leyden.bench.run.record import Record, RecordError
from leyden.core.files import write_file


@pytest.fixture
def composed(tmp_path: Path) -> Composed:
    return compose([f"paths.outputs={tmp_path}"])


def test_a_record_says_what_the_run_is(composed: Composed) -> None:
    record = Record.create(composed)
    assert record.folder.parent.name == composed.config["lab"]["name"]
    assert record.config == composed.config
    assert record.status["status"] == "pending"
    environment = json.loads((record.folder / "environment.json").read_text())
    assert environment["packages"]["torch"]
    assert environment["command"]
    assert set(environment) >= {"python", "cpu", "cores", "git", "platform"}


def test_runs_of_the_same_second_do_not_collide(composed: Composed) -> None:
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda _: Record.create(composed).folder, range(16)))
    assert len(set(folders)) == 16


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "status.json"
    write_file(file, "old")

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_file(file, "new")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_wrong_folder_names_the_nearest_record(composed: Composed, tmp_path: Path) -> None:
    record = Record.create(composed)
    with pytest.raises(RecordError, match=f"did you mean {record.folder}"):
        Record(tmp_path)
    with pytest.raises(RecordError, match="no record of a run"):
        Record(tmp_path / "nowhere")


def test_a_living_run_is_not_run_twice(composed: Composed) -> None:
    record = Record.create(composed)
    record.set_status("running")
    record.refuse_if_running()  # it is this process
    status = {**record.status, "process": os.getppid()}
    write_file(record.folder / "status.json", json.dumps(status))
    with pytest.raises(RecordError, match="still running as process"):
        record.refuse_if_running()


def test_unwritable_outputs_is_one_error(leyden: Callable, tmp_path: Path) -> None:
    (tmp_path / "outputs").write_text("a file stands in the way")
    done = leyden("run", "debug=smoke")
    assert done.returncode == 1
    assert "outputs" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_folder_is_one_clear_error(leyden: Callable, tmp_path: Path) -> None:
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    done = leyden("run", "debug=smoke")
    tmp_path.chmod(stat.S_IRWXU)
    assert done.returncode == 1
    assert "Permission denied" in done.stderr
