"""The jobs of a sweep before they run (composed, checked, stored), their share of the machine, and their ranking."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from leyden.bench.config.compose import ConfigError, compose
from leyden.bench.config.groups import CONF
from leyden.bench.run.record import Record
from leyden.bench.sweep import resources as shares
from leyden.bench.sweep import sweep
from leyden.bench.sweep.plan import Composer, Plan
from leyden.bench.sweep.ranking import rank, ranking
from leyden.bench.sweep.resources import share
from leyden.bench.sweep.status import Watch
from leyden.bench.sweep.store import records_in, store


@contextmanager
def hydra(*words: str) -> Iterator[tuple[Any, DictConfig]]:
    """Hydra's loader, and the config of a sweep with these words."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3", job_name="leyden"):
        bench = GlobalHydra.instance().hydra
        assert bench is not None
        config = bench.compose_config("config", list(words), RunMode.MULTIRUN, with_log_configuration=False)
        yield bench.config_loader, config


@pytest.mark.parametrize(
    "words",
    [
        ["seed=3"],
        ["experiment=tour_gan", "model.base_channels=8", "seed=2"],
        ["model.lr=0.5", "debug=smoke", "+trainer.benchmark=true", "~callbacks.summary", "lab.title='a, b'"],
        ["data/source=faces", "data.labels_per_class=null", "+lab.expect={a: {min: 1}}", "hydra.job.name=other"],
    ],
)
def test_a_job_is_composed_as_hydra_composes_it(words: list[str]) -> None:
    with hydra("seed=0,1", "hydra.sweep.subdir=x") as (loader, master):
        composer = Composer(loader, master)
        composer.compose([word for word in words if word != "seed=3"] or ["seed=7"])  # fills what is kept
        found, expected = composer.compose(words), loader.load_sweep_config(master, words)
        assert OmegaConf.to_container(found) == OmegaConf.to_container(expected)


def test_the_mistakes_of_all_jobs_are_told_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as error:
        sweep.run(["-m", "trainer.max_epochs=2,soon", "seed=x,1", "sweep.name=mine"])
    first, second = error.value.mistakes
    assert first == "seed (command line): should be int, is 'x'  [trainer.max_epochs=2 seed=x and 1 more]"
    assert second.startswith("trainer.max_epochs (command line): should be")
    assert second.endswith("[trainer.max_epochs=soon seed=x and 1 more]")
    assert not list((tmp_path / "outputs" / "sweeps").iterdir())


def test_what_cannot_be_composed_is_told_with_the_rest() -> None:
    with hydra() as (loader, master):
        plan = Plan(loader, master, [["seed=0"], ["seed=1", "model.lrr=1"], ["seed=2", "model.lr=fast"]])
        with pytest.raises(ConfigError) as error:
            plan.check()
    first, second = error.value.mistakes
    assert "model.lrr" in first
    assert first.endswith("[seed=1 model.lrr=1]")
    assert second == "model.lr (command line): should be float, is 'fast'  [seed=2 model.lr=fast]"


def test_a_sweep_without_jobs_is_refused() -> None:
    with hydra() as (loader, master), pytest.raises(ConfigError, match="no jobs"):
        Plan(loader, master, [])


def test_a_job_with_the_same_config_is_the_stored_one(tmp_path: Path) -> None:
    with hydra(f"hydra.sweep.dir={tmp_path}") as (loader, master):
        first = store(Plan(loader, master, [["seed=0"], ["seed=1"]]).jobs, tmp_path)
        assert [record.folder.name for record in first] == ["0_tour_transfer", "1_tour_transfer"]
        # Another order and words that change nothing of what is learnt.
        words = [["seed=2"], ["seed=1", "sweep.jobs=3", "lab.title=new"], ["seed=1", "model.lr=0.5"], ["seed=1"]]
        second = store(Plan(loader, master, words).jobs, tmp_path)
        assert [record.folder.name[0] for record in second] == ["2", "1", "3", "4"]
        assert second[2].config["model"]["lr"] == 0.5
        assert len(records_in(tmp_path)) == 5


def test_two_jobs_never_lie_in_one_folder(tmp_path: Path) -> None:
    with hydra(f"hydra.sweep.dir={tmp_path}", "hydra.sweep.subdir=${hydra:runtime.choices.experiment}") as all_of_it:
        jobs = Plan(*all_of_it, [["seed=0"], ["seed=1"]]).jobs
        with pytest.raises(ConfigError, match="two jobs would lie in"):
            store(jobs, tmp_path)


@pytest.mark.parametrize("name", ["../mine", "a/b", ".hidden", "-m"])
def test_a_sweeps_name_is_no_path(name: str, leyden: Callable, tmp_path: Path) -> None:
    done = leyden("run", "-m", f"sweep.name={name}")
    assert "sweep.name: should be letters, digits" in done.stderr
    assert not list(tmp_path.iterdir())


def trainer(accelerator: str = "cpu", devices: Any = 1) -> dict[str, Any]:
    return {"trainer": {"accelerator": accelerator, "devices": devices}}


@pytest.mark.parametrize(
    ("config", "count", "jobs", "given", "gpus", "expected"),
    [
        (trainer(), 20, "auto", None, "", (8, 1)),
        (trainer(), 3, "auto", None, "", (3, 2)),  # eight cores, two of which nobody could use fairly
        (trainer(), 1, "auto", None, "", (1, 8)),
        (trainer(), 20, 2, None, "", (2, 4)),
        (trainer(), 20, 16, None, "", (16, 1)),
        (trainer(), 20, "auto", "2", "", (4, 2)),
        (trainer(devices=2), 20, "auto", None, "", (4, 1)),
        (trainer(devices=2), 20, 1, None, "", (1, 4)),
        (trainer("gpu"), 20, "auto", None, "0,1,2,3", (4, 2)),
        (trainer("gpu", 2), 20, "auto", None, "0,1,2,3", (2, 2)),
        (trainer("gpu", "auto"), 20, "auto", None, "0,1,2,3", (1, 2)),
        (trainer("gpu"), 20, 8, None, "0,1,2,3", (8, 1)),
        (trainer("gpu"), 20, "auto", None, "", (8, 1)),
    ],
)
def test_each_job_has_its_share_of_eight_cores(
    config: dict[str, Any],
    count: int,
    jobs: Any,
    given: str | None,
    gpus: str,
    expected: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shares, "_cores", lambda: 8)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)
    monkeypatch.setenv("OMP_NUM_THREADS", given or "")
    division = share([config] * count, jobs)
    assert (division.jobs, division.threads) == expected


def test_each_job_has_gpus_of_its_own_while_there_are_any(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-5,7")
    one, two, every = trainer("gpu"), trainer("gpu", 2), trainer("gpu", [0, 2])
    division = share([one, two], "auto")
    assert division.take(one, []) == ["3"]
    assert division.take(two, ["3"]) == ["GPU-5", "7"]
    assert division.take(one, ["3", "GPU-5", "3", "7", "7"]) == ["GPU-5"]
    assert division.take(every, []) == ["3", "GPU-5", "7"]  # the list counts from the first of all
    assert division.take(trainer(), []) == []


@pytest.mark.parametrize("jobs", [0, -1, "many", True, 1.5])
def test_a_wrong_number_of_jobs_is_refused(jobs: Any) -> None:
    with pytest.raises(ConfigError, match=r"sweep\.jobs: should be auto or a number from 1 on"):
        share([trainer()], jobs)


def test_what_forks_jobs_has_one_thread_and_has_not_touched_a_gpu() -> None:
    code = (
        "from leyden.bench.sweep.job import preloads\n"
        "from leyden.bench.config.compose import compose\n"
        "from leyden.bench.config.groups import options\n"
        "import os, threading, torch\n"
        "for name in preloads(compose([f'experiment={e}']).config for e in ('tour_gan', 'tour_detection')):\n"
        "    __import__(name)\n"
        "assert threading.active_count() == len(os.listdir('/proc/self/task')) == 1\n"
        "assert not torch.cuda.is_initialized()\n"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def job(folder: Path, words: list[str], value: float | None, monitor: str = "val/fid", mode: str = "min") -> Record:
    """A record as a job leaves it, without the job."""
    record = Record.create(compose(words), folder)
    record.add_environment(monitor={"metric": monitor, "mode": mode})
    if value is not None:
        record.set_metrics({f"best/{monitor}": value, "test/accuracy": 1 - value, monitor: 100.0})
        record.set_status("done")
    return record


def test_the_best_checkpoint_ranks_a_job_in_the_direction_of_its_technique(tmp_path: Path) -> None:
    jobs = [
        job(tmp_path / "0_a", ["seed=0"], 0.5),
        job(tmp_path / "1_a", ["seed=1"], 0.25),
        job(tmp_path / "2_a", ["seed=2"], None),
        job(tmp_path / "3_a", ["seed=3"], float("nan")),
        job(tmp_path / "4_b", ["seed=4", "model.lr=0.5"], 0.75, "val/map", "max"),
        job(tmp_path / "5_b", ["seed=5"], 0.875, "val/map", "max"),
    ]
    assert [place.record.folder.name[0] for place in ranking(jobs)] == ["1", "0", "5", "4"]
    text = rank(tmp_path, jobs)
    assert (tmp_path / "ranking.csv").read_text().splitlines() == [
        "rank,job,seed,model.lr,metric,value",
        "1,1_a,1,,best/val/fid,0.25",
        "2,0_a,0,,best/val/fid,0.5",
        "1,5_b,5,,best/val/map,0.875",
        "2,4_b,4,0.5,best/val/map,0.75",
    ]
    assert f"{text}\n" == (tmp_path / "ranking.md").read_text()


def test_a_lab_may_name_what_ranks(tmp_path: Path) -> None:
    words = ["sweep.metric=test/accuracy", "sweep.mode=max"]
    jobs = [job(tmp_path / f"{seed}_a", [*words, f"seed={seed}"], seed / 4) for seed in range(3)]
    assert [place.record.folder.name for place in ranking(jobs)] == ["0_a", "1_a", "2_a"]
    other = [job(tmp_path / "3_a", ["sweep.metric=test/acuracy"], 0.5)]
    assert "no job has the metric test/acuracy; did you mean test/accuracy?" in rank(tmp_path, other)
    assert not (tmp_path / "ranking.md").exists()


def test_a_terminal_shows_how_far_jobs_are(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "150")
    first, second = (job(tmp_path / f"{seed}_a", [f"seed={seed}", "model.lr=1.0"], seed) for seed in (0, 1))
    with Watch([first, second]) as watch:
        watch.started(first)
        (first.folder / "console.log").write_text("epoch 1  step 5/9\nepoch 2  step 8/9  val/fid 3  1 s left\nother\n")
        watch.look()
        assert "0_a  seed=0    0 s  epoch 2  step 8/9  val/fid 3  1 s left" in capsys.readouterr().out
        watch.ended(first, 10.0)
    shown = capsys.readouterr().out
    assert "0_a (seed=0)  best/val/fid 0  10 s  [1 done of 2, about 10 s left]" in shown
