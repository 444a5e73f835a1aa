"""What a run does on a full disk, where it may not write, and when the clock is set back."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import FAST, read_json
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


@pytest.fixture
def on_small_disk(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess]:
    """Runs lines of shell in an empty folder on a disk of 30 MB, which they may remount; "$0" is our Python."""
    probe = ["unshare", "--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", str(tmp_path)]
    try:
        subprocess.run(probe, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"this machine lets us make no file system: {error}")

    def run(lines: str) -> subprocess.CompletedProcess:
        disk = tmp_path / "disk"
        disk.mkdir()
        script = f"mount -t tmpfs -o size=30m none {disk}; cd {disk}; {lines}"
        return subprocess.run(
            [*probe[:4], "bash", "-c", script, sys.executable],
            env={**os.environ, **SUPPORT, "OUT": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_full_disk_can_go_on_with_room(on_small_disk: Callable, tmp_path: Path, leyden: Callable) -> None:
    words = " ".join(WORDS)
    done = on_small_disk(
        f"""
        "$0" -m leyden run {words}; echo "status $?"
        rm filling
        "$0" -m leyden resume outputs/*/*; echo "status $?"
        cp -r outputs/*/* "$OUT/record"
        """
    )
    assert done.stdout.count("status 1\n") == done.stdout.count("status 0\n") == 1, done.stderr
    [error] = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "No space left on device: what was written is whole; make room, then `leyden resume outputs/" in error
    assert "Traceback" not in done.stderr
    assert "going on from" in done.stderr

    (tmp_path / "filled").touch()  # here nothing happens
    assert leyden("run", *WORDS, OMP_NUM_THREADS="1").returncode == 0
    [whole] = tmp_path.glob("outputs/*/*")
    assert_same(tmp_path / "record", whole, "a full disk")


def test_unwritable_place_is_one_error(on_small_disk: Callable) -> None:
    done = on_small_disk('mount -o remount,ro .; "$0" -m leyden run debug=smoke; echo "status $?"')
    assert "status 1\n" in done.stdout
    assert done.stderr.strip().endswith("name another place, paths.outputs=...")
    assert done.stderr.startswith("error: outputs/tour_transfer cannot be made (Read-only file system)")


def test_clock_set_back_changes_nothing(tmp_path: Path, leyden: Callable) -> None:
    (tmp_path / "filled").touch()
    assert leyden("run", *WORDS, OMP_NUM_THREADS="1").returncode == 0
    [whole] = tmp_path.glob("outputs/*/*")
    killer = "+callbacks.killer._target_=killer.Killer"
    killed = leyden("run", *WORDS, killer, LEYDEN_KILL_AT_STEP="7", OMP_NUM_THREADS="1")
    assert killed.returncode == -9
    [folder] = [folder for folder in tmp_path.glob("outputs/*/*") if folder != whole]
    yesterday = "import time; now = time.time; time.time = lambda: now() - 86400; from leyden.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", yesterday, "resume", str(folder)],
        env={**os.environ, **SUPPORT},
        capture_output=True,
        text=True,
        check=False,
    )
    assert read_json(folder / "status.json")["status"] == "done", done.stderr
    assert read_json(folder / "metrics.json")["train_seconds"] > 0
    assert_same(folder, whole, "a clock that was set back")
