"""What a run does on a full disk, where it may not write, and when the clock is set back."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from commands import FAST, read_json
from typist import LEYDEN, Typist
from undisturbed import assert_same

WORDS = [
    *FAST, "trainer.max_steps=12", "trainer.max_epochs=4", "trainer.limit_train_batches=null",
    "checkpoint.every_n_steps=3", "+callbacks.fill._target_=faults.Fill",
]  # fmt: skip


SUPPORT = {
    "PYTHONPATH": str(Path(__file__).parents[1] / "support"),
    "LEYDEN_ALLOW": "faults,killer",
    "OMP_NUM_THREADS": "1",
}


@pytest.fixture(scope="module")
def on_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., CompletedProcess]]:
    """Runs Python with arguments in the folder of a disk: ``small`` has 30 MB, ``locked`` takes none."""
    folder = tmp_path_factory.mktemp("disks")
    for name in ("small", "locked"):
        (folder / name).mkdir()
    own = ["unshare", "--user", "--map-root-user", "--mount"]
    disks = f"mount -t tmpfs -o size=30m none {folder}/small && mount -t tmpfs -o ro none {folder}/locked"
    try:
        subprocess.run([*own, "bash", "-c", disks], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"this machine lets us make no file system: {error}")
    environment = {**os.environ, **SUPPORT}
    typist = Typist(environment, [*own, "bash", "-c", f'{disks} && exec "$0" "$@"'])

    def run(disk: str, *arguments: str) -> CompletedProcess:
        with typist.start(arguments, folder / disk, environment) as process:
            return process.result()

    yield run
    typist.close()


def test_full_disk_can_go_on_with_room(on_disk: Callable, tmp_path: Path, leyden: Callable) -> None:
    full = on_disk("small", *LEYDEN, "run", *WORDS)
    assert full.returncode == 1
    [error] = [line for line in full.stderr.splitlines() if line.startswith("error: ")]
    assert "No space left on device: what was written is whole; make room, then `leyden resume outputs/" in error
    assert "Traceback" not in full.stderr
    record = error.partition("`leyden resume ")[2].partition("`")[0]
    make_room = "import os, shutil, sys; os.remove('filling'); shutil.copytree(*sys.argv[1:])"
    assert on_disk("small", "-c", make_room, record, str(tmp_path / "record")).returncode == 0
    (tmp_path / "filled").touch()  # here nothing happens
    done = leyden("resume", "record")
    assert done.returncode == 0, done.stderr
    assert "going on from" in done.stderr

    assert leyden("run", *WORDS).returncode == 0
    [whole] = (file.parent for file in tmp_path.glob("outputs/*/*/status.json"))
    assert_same(tmp_path / "record", whole, "a full disk")


def test_unwritable_place_is_one_error(on_disk: Callable) -> None:
    done = on_disk("locked", *LEYDEN, "run", "debug=smoke")
    assert done.returncode == 1
    assert done.stderr.strip().endswith("name another place, paths.outputs=...")
    assert done.stderr.startswith("error: outputs/transfer_fonts cannot be made (Read-only file system)")


def test_clock_set_back_changes_nothing(
    tmp_path: Path, leyden: Callable, typist: Typist, records: Callable[[], list[Path]]
) -> None:
    (tmp_path / "filled").touch()
    assert leyden("run", *WORDS).returncode == 0
    [whole] = records()
    killer = "+callbacks.killer._target_=killer.Killer"
    assert leyden("run", *WORDS, killer, LEYDEN_KILL_AT_STEP="7").returncode == -9
    [folder] = [folder for folder in records() if folder != whole]
    yesterday = "import time; now = time.time; time.time = lambda: now() - 86400; from leyden.cli import main; main()"
    with typist.start(["-c", yesterday, "resume", str(folder)], tmp_path, {**os.environ, **SUPPORT}) as process:
        done = process.result()
    assert read_json(folder / "status.json")["status"] == "done", done.stderr
    assert read_json(folder / "metrics.json")["train_seconds"] > 0
    assert_same(folder, whole, "a clock that was set back")
