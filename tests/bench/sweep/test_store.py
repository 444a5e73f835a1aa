"""The jobs of a sweep before they run: composed, checked, stored."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from commands import FAST, master

from leyden.bench.config.compose import ConfigError, compose
from leyden.bench.config.grid import grid
from leyden.bench.config.variants import quoted
from leyden.bench.run import run
from leyden.bench.sweep import sweep
from leyden.bench.sweep.local import Pool
from leyden.bench.sweep.store import Jobs, records_in, store


def test_grid_is_every_combination() -> None:
    with pytest.raises(ConfigError, match=r"^model\.lr=interval\(0,1\): a grid has no intervals"):
        grid(["model.lr=interval(0,1)", "seed=1"])
    with pytest.raises(ConfigError, match="no jobs"):
        grid(["seed=range(3,3)"])
    jobs = grid(["seed=0,1", "model=a", "lab.title='a, b'", "seed=range(2,4)", "+x=choice(y,'z, z')"])
    assert jobs == [
        [f"seed={seed}", "model=a", "lab.title='a, b'", f"+x={x}"] for seed in (2, 3) for x in ("y", "'z, z'")
    ]


@pytest.mark.parametrize("text", ["plain", 'it\'s, "so"', "a=b {c}", "back\\slash", "ends\\", "\\'"])
def test_quoted_text_is_one_value(text: str) -> None:
    assert compose([f"lab.title={quoted(text)}"]).config["lab"]["title"] == text


def test_mistakes_of_all_jobs_come_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as error:
        sweep.run(["-m", "trainer.max_epochs=2,soon", "model.lr=fast,1", "sweep.name=mine"])
    first, second = sorted(error.value.mistakes)
    assert first == (
        "model.lr (command line): should be float, is 'fast'  [trainer.max_epochs=2 model.lr=fast and 1 more]"
    )
    assert second.startswith("trainer.max_epochs (command line): should be")
    assert second.endswith("[trainer.max_epochs=soon model.lr=fast and 1 more]")
    assert not list((tmp_path / "outputs" / "sweeps").iterdir())


def test_mistakes_of_composing_come_with_the_runs_own() -> None:
    jobs = Jobs(master(), [["seed=0"], ["seed=1", "model.lrr=1"], ["seed=x"]])
    with pytest.raises(ConfigError) as error:
        jobs.check()
    first, second = error.value.mistakes
    assert "model.lrr" in first
    assert first.endswith("[seed=1 model.lrr=1]")
    assert second == "seed (command line): should be int, is 'x'  [seed=x]"


class Here(Pool):
    """Runs nothing."""

    def expect(self, configs: Sequence[dict[str, Any]]) -> list[str]:
        return []


def test_jobs_are_built_before_any_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a config's types do not show: only the data know how many labels there are."""
    built: list[str] = []
    assemble = run.assemble

    def count(config: dict[str, Any], *others: Any) -> Any:
        built.append(config["data"]["labels_per_class"])
        return assemble(config, *others)

    monkeypatch.setattr(run, "assemble", count)
    config = master(f"hydra.sweep.dir={tmp_path}")
    jobs = Jobs(config, [[*FAST, f"seed={seed}", f"data.labels_per_class={n}"] for n in (2, 100000) for seed in (0, 1)])
    with pytest.raises(ConfigError) as error:
        jobs.check(Here())
    [mistake] = error.value.mistakes
    assert mistake.endswith("[seed=0 data.labels_per_class=100000 and 1 more]")
    assert built == [2, 100000]  # seeds differ in nothing that could be wrong
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("override", "why"),
    [
        ("hydra.sweeper.params=5", "hydra.sweeper.params: should be values by key, is 5"),
        ("hydra.sweeper.max_batch_size=-1", "hydra.sweeper.max_batch_size: should be a number from 1 on"),
        ("hydra.launcher.foo=1", "use [+]hydra.launcher.foo=1"),
        ("+hydra.launcher.foo=1", "hydra.launcher: .*unexpected keyword argument 'foo'"),
        ("hydra/launcher=basic", "hydra/launcher: should be one of processes, slurm, ray"),
    ],
)
def test_settings_of_hydras_own_without_sense(
    override: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=why):
        sweep.run(["-m", override, "seed=0,1"])
    assert not list(tmp_path.rglob("config.yaml"))


def test_all_batches_are_checked_before_the_first_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"model\.lr .*should be float, is 'fast'"):
        sweep.run(["-m", *FAST, "hydra.sweeper.max_batch_size=1", "model.lr=0.1,fast"])
    assert not list(tmp_path.rglob("config.yaml"))


def test_equal_config_is_the_stored_job(tmp_path: Path) -> None:
    config = master(f"hydra.sweep.dir={tmp_path}")
    first = store(Jobs(config, [["seed=0"], ["seed=1"]]))
    assert [record.folder.name for record in first] == ["0_transfer_fonts", "1_transfer_fonts"]
    assert first[1].overrides == ["seed=1"]
    # Another order, and overrides that change nothing of what is learnt.
    overrides = [["seed=2"], ["seed=1", "sweep.jobs=3", "lab.title=new"], ["seed=1", "model.lr=0.5"], ["seed=1"]]
    second = store(Jobs(config, overrides))
    assert [record.folder.name[0] for record in second] == ["2", "1", "3", "4"]
    assert second[2].config["model"]["lr"] == 0.5
    assert len(records_in(tmp_path)) == 5


@pytest.mark.parametrize(
    ("subdir", "name"),
    [
        ("${hydra.runtime.choices.experiment}/${hydra:job.num}", "tour_gan/7"),
        ("${hydra.job.override_dirname}", "experiment=tour_gan,seed=3"),
        ("${lab.name}_${seed}", "tour_gan_3"),
    ],
)
def test_subdir_is_hydras(subdir: str, name: str, tmp_path: Path) -> None:
    config = master(f"hydra.sweep.dir={tmp_path}", f"hydra.sweep.subdir={quoted(subdir)}")
    jobs = Jobs(config, [["seed=3", "experiment=tour_gan"]])
    assert jobs.place(jobs.composed[0], 7) == tmp_path / name


def test_two_jobs_never_lie_in_one_folder(tmp_path: Path) -> None:
    config = master(f"hydra.sweep.dir={tmp_path}", "hydra.sweep.subdir=${hydra.runtime.choices.experiment}")
    with pytest.raises(ConfigError, match="two jobs would lie in"):
        store(Jobs(config, [["seed=0"], ["seed=1"]]))


@pytest.mark.parametrize("name", ["../mine", "a/b", ".hidden", "-m"])
def test_sweep_name_is_no_path(name: str, leyden: Callable, tmp_path: Path) -> None:
    done = leyden("run", "-m", f"sweep.name={name}")
    assert "sweep.name: should be letters, digits" in done.stderr
    assert not list(tmp_path.iterdir())


def test_server_that_forks_jobs_has_one_thread_and_no_gpu() -> None:
    code = (
        "from leyden.bench.sweep.local import preloads\n"
        "from leyden.bench.config.compose import compose\n"
        "import os, threading\n"
        "for name in preloads(compose([f'experiment={e}']).config for e in ('tour_gan', 'tour_detection')):\n"
        "    __import__(name)\n"
        "import torch\n"
        "assert threading.active_count() == len(os.listdir('/proc/self/task')) == 1\n"
        "assert not torch.cuda.is_initialized()\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
