"""Launchers: every engine runs the same stored jobs, shows and resumes them alike; Slurm's is held against a mock."""

import os
import shlex
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from commands import FAST

from leyden.bench.config.compose import ConfigError, compose
from leyden.bench.config.groups import file_of
from leyden.bench.run.record import Record, RecordError
from leyden.bench.sweep import sweep
from leyden.bench.sweep.executor import Engine
from leyden.bench.sweep.job import StoppedError, StoredJob
from leyden.bench.sweep.ray_executor import Joblib, Ray
from leyden.bench.sweep.slurm import TICKET, Debug, Local, Slurm
from leyden.bench.sweep.store import run_stored

SUPPORT = str(Path(__file__).parents[1] / "support")
FAULT = ["+callbacks.fault._target_=faults.Fault", "+callbacks.fault.notes=notes", "+callbacks.fault.step=1"]
SETTINGS = {"jobs": 1, "fail_fast": False}

STUB = '''
"""Runs without torch, in processes that find this file on their path: what engines do needs no training."""
import os, pathlib, signal, sys, time, types

def run(record):
    (record.folder / f"rank{rank()}").touch()
    if rank():
        return
    kind, again = record.config["callbacks"]["fault"]["kind"], record.folder / "again"
    try:
        record.set_status("running")
        if kind == "raise":
            print("what a library says")
            raise ValueError("this is what went wrong")
        if kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        while kind == "wait" and not again.exists():
            time.sleep(0.05)
    except KeyboardInterrupt:
        record.set_status("interrupted")
        again.touch()
        raise
    except ValueError as error:
        record.set_status("failed", error=str(error))
        (record.folder / "run.log").write_text("the end of the log")
        raise
    record.set_status("done")

def rank():
    return int(os.environ.get("RANK", 0))

sys.modules["leyden.bench.run.run"] = types.SimpleNamespace(run=run, rank=rank)
'''
"""A run that waits until it is interrupted ends at once when it goes on."""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder to be in, and a short one for Ray, whose sockets' names must not be long."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", SUPPORT)
    monkeypatch.setenv("LEYDEN_ALLOW", "faults")
    monkeypatch.setenv("COLUMNS", "200")
    short = tempfile.mkdtemp(prefix="ray")
    monkeypatch.setenv("RAY_TMPDIR", short)
    yield tmp_path
    shutil.rmtree(short, ignore_errors=True)


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Record]]:
    """Makes records of jobs that do what their words say, without torch."""
    (tmp_path / "stub").mkdir()
    (tmp_path / "stub" / "sitecustomize.py").write_text(STUB)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'stub'}:{SUPPORT}")

    def store(*kinds: str, words: tuple[str, ...] = ()) -> list[Record]:
        fault = [[*FAULT, f"+callbacks.fault.kind={kind}"] for kind in kinds]
        return [Record.create(compose([*own, *words]), Path("jobs", str(n))) for n, own in enumerate(fault)]

    return store


def statuses(records: list[Record]) -> list[str]:
    return [record.status["status"] for record in records]


def joblib() -> Engine:
    return Joblib(n_jobs=1)


def local() -> Engine:
    return Local(timeout_min=60, max_num_timeout=3, setup=[])


def ray() -> Engine:
    pytest.importorskip("ray", reason="the extra ray is not installed")
    return Ray({"address": "local", "num_cpus": 1, "num_gpus": None}, {"num_cpus": 1, "num_gpus": None})


@pytest.mark.parametrize(
    "launcher", [["joblib"], ["submitit_local"], ["submitit_debug"], ["ray", "hydra.launcher.init.num_cpus=1"]]
)
def test_a_sweep_is_the_same_with_every_launcher(
    launcher: list[str], place: Path, capsys: pytest.CaptureFixture
) -> None:
    if launcher[0] == "ray":
        pytest.importorskip("ray", reason="the extra ray is not installed")
    words = ["-m", f"hydra/launcher={launcher[0]}", *launcher[1:], *FAST, *FAULT, "sweep.name=mine"]
    assert sweep.run([*words, "+callbacks.fault.kind=none,raise"]) == 1
    told = capsys.readouterr()
    done, failed = (Record(Path("outputs", "sweeps", "mine", f"{n}_tour_transfer")) for n in range(2))
    assert statuses([done, failed]) == ["done", "failed"]
    assert "test/accuracy" in done.metrics
    assert "best/val/accuracy" in (done.folder / "console.log").read_text()
    line = f"failed: {failed.folder} (+callbacks.fault.kind=raise): ValueError: this is what went wrong\n"
    assert "  | ValueError: this is what went wrong\n" in told.err.partition(line)[2]
    assert "1 of 2 jobs done" in told.err
    before = (done.folder / "status.json").read_bytes()

    shutil.rmtree(failed.folder)
    assert sweep.run([*words, "+callbacks.fault.kind=none"]) == 0
    assert (done.folder / "status.json").read_bytes() == before
    assert "started" not in capsys.readouterr().out


@pytest.mark.parametrize("engine", [joblib, local, Debug, ray])
def test_jobs_end_with_the_sweep_and_go_on_with_it(
    engine: Callable[[], Engine], stored: Callable, capsys: pytest.CaptureFixture
) -> None:
    records = stored("wait", "raise")
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    when(lambda: statuses(records)[0] == "running", lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(KeyboardInterrupt):
        run_stored(records, SETTINGS, engine())
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert statuses(records) == ["interrupted", "pending"]
    assert not Path(f"/proc/{records[0].status['process']}").exists()
    assert "interrupted: jobs/0" in capsys.readouterr().err

    run_stored(records, SETTINGS, joblib())
    assert statuses(records) == ["done", "failed"]
    assert "going on: 0 done, 1 interrupted, 1 new\n" in capsys.readouterr().out


@pytest.mark.parametrize("engine", [joblib, local, Debug])
def test_fail_fast_leaves_the_others_for_later(
    engine: Callable[[], Engine], stored: Callable, capsys: pytest.CaptureFixture
) -> None:
    records = stored("kill", "none")
    with pytest.raises(StoppedError, match="jobs/0"):
        run_stored(records, {"jobs": 1, "fail_fast": True}, engine())
    assert statuses(records) == ["failed", "pending"]
    assert "failed: jobs/0 (+callbacks.fault.kind=kill): killed by SIGKILL" in capsys.readouterr().err


def test_what_submitit_queues_again_is_the_same_job(stored: Callable) -> None:
    job = StoredJob(str(stored("none")[0].folder), threads=2, gpus=("1",))
    again = job.checkpoint()
    assert again.function == job
    again.result()
    assert Record("jobs/0").status["status"] == "done"


def test_a_preempted_job_goes_on_by_itself(stored: Callable, capsys: pytest.CaptureFixture) -> None:
    records = stored("wait")

    def preempt() -> None:
        process = Path(f"/proc/{records[0].status['process']}/stat").read_text()
        os.kill(int(process.rpartition(")")[2].split()[1]), signal.SIGUSR2)  # submitit's, which looks after the job

    when(lambda: statuses(records)[0] == "running", preempt)
    run_stored(records, SETTINGS, local())
    assert statuses(records) == ["done"]
    assert "interrupted" not in capsys.readouterr().err
    assert (records[0].folder / "again").exists()  # what the run writes when it is interrupted


@pytest.mark.parametrize(
    ("launcher", "library", "extra"), [("ray", "ray", "ray"), ("submitit_slurm", "submitit", "slurm")]
)
def test_a_library_that_is_missing_is_told_with_the_cure(
    launcher: str, library: str, extra: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ConfigError, match=rf"{library}.*pip install 'leyden\[{extra}\]'"):
        sweep.run(["-m", f"hydra/launcher={launcher}", "seed=0,1"])
    assert not list(Path("outputs", "sweeps").iterdir())


def test_a_wrong_setting_is_told_before_anything_is_stored(place: Path) -> None:
    with pytest.raises(ConfigError, match=r"hydra\.launcher: .*timeout_min"):
        sweep.run(["-m", "hydra/launcher=submitit_local", "hydra.launcher.timeout_min=soon", "seed=0,1"])
    with pytest.raises(ConfigError, match=r"hydra\.launcher\.n_jobs: should be a number other than 0"):
        sweep.run(["-m", "hydra/launcher=joblib", "hydra.launcher.n_jobs=0", "seed=0,1"])
    assert not list(Path("outputs", "sweeps").iterdir())


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


def slurm(**other: Any) -> Engine:
    """With the settings of the YAML file, but for these."""
    settings = yaml.safe_load(file_of("hydra/launcher", "submitit_slurm").read_text())
    del settings["_target_"]
    return Slurm(**{**settings, **other})


def test_slurm_gets_an_array_and_each_job_says_how_it_went(
    stored: Callable, cluster: Path, capsys: pytest.CaptureFixture
) -> None:
    records = stored("none", "raise")
    engine = slurm(
        partition="gpu",
        timeout_min=90,
        mem_gb=16,
        gpus_per_node=1,
        array_parallelism=9,
        setup=["touch was_set_up"],
        additional_parameters={"account": "thesis"},
    )
    run_stored(records, {"jobs": 1, "fail_fast": False}, engine)
    assert statuses(records) == ["done", "failed"]
    told = capsys.readouterr()
    assert "2 jobs, 1 at a time if Slurm finds room, 4 threads each\n" in told.out
    assert "  | the end of the log" in told.err
    assert "what a library says" in (records[1].folder / "console.log").read_text()
    assert Path("was_set_up").exists()
    assert not list(Path("jobs").rglob(TICKET))
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


def test_each_device_of_a_distributed_job_has_a_task_of_its_own(stored: Callable, cluster: Path) -> None:
    [record] = stored("none", words=("trainer=ddp_cpu", "trainer.devices=3"))
    run_stored([record], SETTINGS, slurm())
    assert statuses([record]) == ["done"]
    when(lambda: len(list(record.folder.glob("rank*"))) == 3).join()
    assert sorted(file.name for file in record.folder.glob("rank*")) == ["rank0", "rank1", "rank2"]
    assert "#SBATCH --ntasks-per-node=3" in (cluster / "script").read_text()


def test_jobs_on_a_cluster_outlive_the_sweep_and_are_found_again(
    stored: Callable, cluster: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = stored("wait", "wait")
    when(lambda: statuses(records) == ["running", "running"], lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        run_stored(records, SETTINGS, slurm())
    assert statuses(records) == ["running", "running"]
    assert "the jobs go on on the cluster: " in (told := capsys.readouterr().err)
    assert "`scancel 7` ends them" in told
    with pytest.raises(RecordError, match="jobs/0 is Slurm's job 7_0"):
        run_stored(records, SETTINGS)

    (cluster / "script").unlink()
    engine = slurm()
    watch = engine.start

    def end_and_watch(batch: Sequence[Record]) -> None:
        for record in batch:
            (record.folder / "again").touch()
        watch(batch)

    monkeypatch.setattr(engine, "start", end_and_watch)
    run_stored(records, SETTINGS, engine)
    assert statuses(records) == ["done", "done"]
    assert "going on: 0 done, 2 running\n" in capsys.readouterr().out
    assert not (cluster / "script").exists()  # nothing was queued


def test_fail_fast_cancels_what_slurm_has(stored: Callable, cluster: Path) -> None:
    records = stored("raise", "wait")
    with pytest.raises(StoppedError, match="jobs/0"):
        run_stored(records, {"jobs": "auto", "fail_fast": True}, slurm())
    assert (cluster / "cancelled").read_text() == "7"
    (records[1].folder / "again").touch()


def test_numbers_that_contradict_the_trainers_are_refused(cluster: Path) -> None:
    ddp = compose(["trainer=ddp_cpu", "trainer.num_nodes=2"]).config
    assert slurm().mistakes([ddp, compose(["trainer=gpu"]).config]) == []
    assert slurm(nodes=2, tasks_per_node=2).mistakes([ddp]) == []
    first, second = slurm(nodes=1, tasks_per_node=4).mistakes([ddp, ddp])
    assert first.startswith("hydra.launcher.tasks_per_node: should be trainer.devices, 2, is 4")
    assert second.startswith("hydra.launcher.nodes: should be trainer.num_nodes, 2, is 1")
    [unknown] = slurm().mistakes([compose(["trainer=ddp"]).config])
    assert unknown.startswith("trainer.devices: auto is no number")
    assert slurm(tasks_per_node=4).mistakes([compose(["trainer=ddp"]).config]) == []


def test_without_slurm_there_is_no_sweep_on_it(place: Path, monkeypatch: pytest.MonkeyPatch, stored: Callable) -> None:
    monkeypatch.setenv("PATH", str(place))
    with pytest.raises(ConfigError, match="srun"):
        slurm()
    [record] = stored("none")
    (record.folder / TICKET).write_text("{}")
    with pytest.raises(RecordError, match="no sacct to ask"):
        run_stored([record], SETTINGS)


def when(true: Callable[[], bool], do: Callable[[], Any] = lambda: None) -> threading.Thread:
    """Waits beside the test, which times out where it never comes true."""

    def wait() -> None:
        while not true():
            time.sleep(0.05)
        do()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread
