"""Jobs on Slurm, held against a mock of its commands: what is queued runs at once, on this machine."""

import os
import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from stubs import put_on_path, statuses, store, when

from leyden.bench.config.compose import ConfigError, compose
from leyden.bench.config.groups import file_of
from leyden.bench.run.record import Record, RecordError
from leyden.bench.sweep import sweep
from leyden.bench.sweep.job import StoppedError
from leyden.bench.sweep.slurm import JOB_FILE, Slurm, Task
from leyden.bench.sweep.store import run_stored

SETTINGS = {"jobs": 1, "fail_fast": False}

MOCK = {
    "sbatch": """
        text = pathlib.Path(sys.argv[1]).read_text()
        (here / "script").write_text(text)
        flags = dict(re.findall(r"^#SBATCH --([\\w-]+)(?:=(.*))?$", text, re.M))
        nodes, tasks = int(flags["nodes"]), int(flags["ntasks-per-node"])
        own = {"SLURM_JOB_ID": "7", "SLURM_NTASKS": str(nodes * tasks), "SLURM_NTASKS_PER_NODE": str(tasks)}
        array = range(int(flags["array"].partition("%")[0].partition("-")[2]) + 1) if "array" in flags else [None]
        for index in array:
            number = {} if index is None else {"SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": str(index)}
            own = dict(os.environ) | own | number
            quiet = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
            subprocess.Popen(["bash", sys.argv[1]], env=own, start_new_session=True, **quiet)
        print("Submitted batch job 7")
    """,
    "srun": """
        words = sys.argv[sys.argv.index("--error") + 2:]
        words = words[[word.startswith("--") for word in words].index(False):]
        ranks = range(int(os.environ["SLURM_NTASKS"]))
        own = [{"SLURM_PROCID": str(n), "SLURM_LOCALID": str(n), "SLURM_NODEID": "0"} for n in ranks]
        for task in [subprocess.Popen(words, env={**os.environ, **names}) for names in own]:
            task.wait()
    """,
    "sacct": """
        print("JobID|State|NodeList")
        for name in ("7", "7_0", "7_1"):
            print(f"{name}|{(here / 'state').read_text()}|")
    """,
    "scancel": """
        (here / "cancelled").write_text(" ".join(sys.argv[1:]))
        (here / "state").write_text("CANCELLED")
    """,
}
"""Slurm's commands, as far as submitit uses them: what is queued runs at once, all of it on this machine."""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in."""
    monkeypatch.chdir(tmp_path)
    put_on_path(tmp_path / "stub", monkeypatch)
    return tmp_path


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with Slurm's commands, and what they leave."""
    folder = tmp_path / "slurm"
    folder.mkdir()
    (folder / "state").write_text("RUNNING")
    for name, code in MOCK.items():
        lines = [line[8:] for line in code.splitlines()]
        head = [
            f"#!{sys.executable}",
            "import os, pathlib, re, subprocess, sys",
            "here = pathlib.Path(__file__).parent",
        ]
        (folder / name).write_text("\n".join([*head, *lines]))
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def slurm(**other: Any) -> Slurm:
    """With the settings of the YAML file, but for these."""
    settings = yaml.safe_load(file_of("hydra/launcher", "slurm").read_text())
    del settings["_target_"]
    return Slurm(**{**settings, **other})


def test_array_is_queued_and_each_job_says_how_it_went(cluster: Path, capsys: pytest.CaptureFixture) -> None:
    records = store(("none", "raise"))
    executor = slurm(
        partition="gpu",
        timeout_min=90,
        mem_gb=16,
        gpus_per_node=1,
        array_parallelism=9,
        setup=["touch was_set_up"],
        additional_parameters={"account": "thesis"},
    )
    run_stored(records, SETTINGS, executor)
    assert statuses(records) == ["done", "failed"]
    shown = capsys.readouterr()
    assert "2 jobs, 1 at a time if Slurm finds room, 4 threads each\n" in shown.out
    assert "  | the end of the log" in shown.err
    assert "what a library says" in (records[1].folder / "console.log").read_text()
    assert Path("was_set_up").exists()
    assert not list(Path("jobs").rglob(JOB_FILE))
    lines = (cluster / "script").read_text().splitlines()
    for line in (
        "partition=gpu",
        "time=90",
        "mem=16GB",
        "gpus-per-node=1",
        "cpus-per-task=4",
        "nodes=1",
        "ntasks-per-node=1",
        "array=0-1%1",
        "account=thesis",
        "requeue",
        "signal=USR2@90",
    ):
        assert f"#SBATCH --{line}" in lines
    [command] = [line for line in lines if line.startswith("srun")]
    assert {"--cpus-per-task=4", "--kill-on-bad-exit=1"} <= set(shlex.split(command))


def test_each_device_has_a_task(cluster: Path) -> None:
    [record] = store(("none",), ("trainer=ddp_cpu", "trainer.devices=3"))
    run_stored([record], SETTINGS, slurm())
    assert statuses([record]) == ["done"]
    when(lambda: len(list(record.folder.glob("rank*"))) == 3).join()
    assert sorted(file.name for file in record.folder.glob("rank*")) == ["rank0", "rank1", "rank2"]
    assert "#SBATCH --ntasks-per-node=3" in (cluster / "script").read_text()


def test_preempted_job_is_queued_again_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    [record] = store(("wait",))
    task = Task.of(record, threads=1)
    again = task.checkpoint().function
    assert again == Task.of(record, threads=1)
    monkeypatch.setattr(Task, "run", lambda self: 130)
    with pytest.raises(SystemExit):  # it leaves no result, which would be the job's end
        task()


def test_jobs_outlive_the_sweep_and_are_found_again(
    cluster: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = store(("wait", "wait"))
    when(lambda: statuses(records) == ["running", "running"], lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        run_stored(records, SETTINGS, slurm())
    assert statuses(records) == ["running", "running"]
    assert "the jobs go on on the cluster: " in (shown := capsys.readouterr().err)
    assert "`scancel 7` ends them" in shown
    with pytest.raises(RecordError, match="jobs/0 is Slurm's job 7_0"):
        run_stored(records, SETTINGS)

    (cluster / "script").unlink()
    executor = slurm()
    start = executor.start

    def end_and_start(batch: Sequence[Record]) -> None:
        for record in batch:
            (record.folder / "again").touch()
        start(batch)

    monkeypatch.setattr(executor, "start", end_and_start)
    run_stored(records, SETTINGS, executor)
    assert statuses(records) == ["done", "done"]
    assert "going on: 0 done, 2 running\n" in capsys.readouterr().out
    assert not (cluster / "script").exists()  # nothing was queued


def test_fail_fast_cancels_the_others(cluster: Path) -> None:
    records = store(("raise", "wait"))
    with pytest.raises(StoppedError, match="jobs/0"):
        run_stored(records, {"jobs": "auto", "fail_fast": True}, slurm())
    assert (cluster / "cancelled").read_text() == "7"
    (records[1].folder / "again").touch()


def test_devices_must_be_a_number(cluster: Path) -> None:
    assert slurm().expect([compose([f"trainer={name}"]).config for name in ("ddp_cpu", "gpu")]) == []
    [mistake] = slurm().expect([compose(["trainer=ddp"]).config] * 2)
    assert mistake.startswith("trainer.devices: auto is no number")


def test_wrong_setting_is_told_before_anything_is_stored(cluster: Path) -> None:
    with pytest.raises(ConfigError, match=r"hydra\.launcher: .*timeout_min"):
        sweep.run(["-m", "hydra/launcher=slurm", "hydra.launcher.timeout_min=soon", "seed=0,1"])
    assert not list(Path("outputs", "sweeps").iterdir())


@pytest.mark.parametrize(("launcher", "library", "extra"), [("ray", "ray", "ray"), ("slurm", "submitit", "slurm")])
def test_missing_library_names_the_cure(
    launcher: str, library: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.delitem(sys.modules, f"leyden.bench.sweep.{launcher}", raising=False)
    with pytest.raises(ConfigError, match=rf"{library}.*pip install 'leyden\[{extra}\]'"):
        sweep.run(["-m", f"hydra/launcher={launcher}", "seed=0,1"])
    assert not list(Path("outputs", "sweeps").iterdir())


def test_without_slurm(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(place))
    with pytest.raises(ConfigError, match="srun"):
        slurm()
    [record] = store(("none",))
    (record.folder / JOB_FILE).write_text("{}")
    with pytest.raises(RecordError, match="no sacct to ask"):
        run_stored([record], SETTINGS)
