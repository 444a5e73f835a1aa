"""A sweep from the command line: what a lab carries, what is typed, and the report at its end."""

from collections.abc import Callable
from pathlib import Path

import pytest
from commands import FAST, chosen, master, own_sweep
from PIL import Image

from leyden.bench.config.compose import compose
from leyden.bench.config.grid import grid
from leyden.bench.config.groups import options
from leyden.bench.run.record import Record
from leyden.bench.sweep.store import Jobs
from leyden.bench.sweep.sweep import report

LAB = """\
# @package _global_
data:
  source_classes: 5
  labels_per_class: 3
report:
  _target_: leyden.report.sweep.curve.SweepCurve
  x: data.labels_per_class
  lines: model.strategy
  metric: test/accuracy
  title: What a label is worth
  x_name: labels per class
callbacks:
  fault: {_target_: faults.Fault, notes: notes, kind: raise, step: "${data.labels_per_class}"}
hydra:
  sweeper:
    params:
      data.labels_per_class: 2,1
      seed: range(0,2)
"""
"""Two values by two seeds; half of them fail at their first step, which is the only one."""


@pytest.fixture
def lab(tmp_path: Path) -> list[str]:
    """Words for a lab of one's own that is a sweep."""
    folder = tmp_path / "own" / "experiment"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text(LAB)
    return [f"hydra.searchpath=[file://{folder.parent}]", "experiment=mine"]


def test_lab_carries_its_sweep_and_report(
    lab: list[str], leyden_here: Callable, records: Callable, tmp_path: Path
) -> None:
    done = leyden_here("run", "-m", *lab, *FAST)
    assert done.returncode == 1  # not all that was asked for was done
    assert "2 of 4 jobs done" in done.stderr
    jobs = [Record(folder) for folder in records()]
    swept = [(job.config["data"]["labels_per_class"], job.config["seed"]) for job in jobs]
    assert swept == [(2, 0), (2, 1), (1, 0), (1, 1)]
    folder = jobs[0].folder.parent
    text = (folder / "report.md").read_text()
    assert text in done.stdout
    assert "from 2 of 4 runs" in text
    assert "Cells without it: labels_per_class=1, strategy=full." in text
    mean = sum(job.metrics["test/accuracy"] for job in jobs[:2]) / 2
    [line] = [line for line in (folder / "report.csv").read_text().splitlines() if line.startswith("2,full,")]
    assert float(line.split(",")[2]) == pytest.approx(mean)
    assert Image.open(folder / "report.png").size == (900, 600)
    for name in ("report.md", "report.csv", "report.png"):
        assert f"  {folder.relative_to(tmp_path) / name}\n" in done.stdout


def test_typed_overrides_replace_the_labs_own(lab: list[str], leyden_here: Callable, records: Callable) -> None:
    done = leyden_here("run", "-m", *lab, *FAST, "data.labels_per_class=2", "seed=5", "report=null")
    assert done.returncode == 0, done.stderr
    [folder] = records()
    assert Record(folder).config["seed"] == 5
    assert not list(folder.parent.glob("report*"))


def test_without_m_a_lab_is_one_job(lab: list[str], leyden: Callable, records: Callable) -> None:
    done = leyden("run", *lab, *FAST)
    assert done.returncode == 0, done.stderr
    [folder] = records()
    config = Record(folder).config
    assert (config["data"]["labels_per_class"], config["seed"]) == (3, 0)


def first_job(*overrides: str) -> Jobs:
    """The first job of a sweep, its lab's own sweep included."""
    config = master(*overrides)
    return Jobs(config, grid([*own_sweep(config), *overrides])[:1])


@pytest.mark.parametrize("experiment", options("experiment"))
def test_each_lab_sweeps_and_reports_what_it_has(experiment: str) -> None:
    first_job(*chosen(experiment)).check()


def test_mistake_in_the_labs_own_sweep(lab: list[str], tmp_path: Path, leyden: Callable, records: Callable) -> None:
    file = tmp_path / "own" / "experiment" / "mine.yaml"
    file.write_text(LAB.replace("data.labels_per_class: 2", "data.labels_per_clas: 2"))
    done = leyden("sweep", *lab, "seed=1,2")
    assert done.returncode == 1
    assert "data.labels_per_clas: unknown key; did you mean data.labels_per_class?" in done.stderr
    assert records() == []


def test_report_with_unknown_key_stops_the_sweep(lab: list[str], leyden: Callable, records: Callable) -> None:
    done = leyden("run", "-m", *lab, *FAST, "report.lines=model.stratgy")
    assert done.returncode == 1
    assert "did you mean model.strategy?" in done.stderr
    assert records() == []


def job(folder: Path, strategy: str, status: str, **metrics: float) -> None:
    """A record as a job leaves it, without the job."""
    table = "{_target_: leyden.report.sweep.table.SweepTable, rows: [seed], columns: model.strategy, metric: m}"
    record = Record.create(compose([f"model.strategy={strategy}", f"+report={table}"]), folder)
    record.set_metrics(metrics)
    record.set_status(status)


def test_report_is_made_from_records(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    job(tmp_path / "10_lab", "head", "done", m=1.0)
    job(tmp_path / "2_lab", "full", "done", m=0.5)
    job(tmp_path / "3_lab", "full", "failed", m=0.1)
    report(tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert "| seed | full" in text  # job 2 comes before job 10
    assert "0.500 (1 of 2)" in text
    assert "Runs without it: 3_lab." in text
    assert text in capsys.readouterr().out
    assert not list(tmp_path.glob(".*"))


def test_no_report(tmp_path: Path) -> None:
    Record.create(compose(), tmp_path / "0_lab")
    report(tmp_path)
    report(tmp_path / "0_lab" / "nothing")
    assert {file.name for file in tmp_path.iterdir()} == {"0_lab"}
