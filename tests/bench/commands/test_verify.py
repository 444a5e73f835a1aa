from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from leyden.bench.commands.verify import verify
from leyden.bench.config.compose import compose
from leyden.bench.run.record import Record

COMPOSED = compose()


def job(folder: Path, lab: str, expect: dict[str, dict[str, float]], **metrics: float) -> Record:
    """A record as a job leaves it, without the job; one without metrics is not done."""
    config = {**COMPOSED.config, "lab": {"name": lab, "expect": expect}}
    record = Record.create(replace(COMPOSED, config=config), folder)
    if metrics:
        record.set_metrics(metrics)
    return record


BRIEF = ["trainer.max_epochs=1", "data.epoch_size=32", "model.weights=null"]
LAB = """\
# @package _global_
lab:
  expect:
    test/accuracy: {min: 0.0}
    test/nothing: {max: 1}
report:
  _target_: leyden.report.table.SweepTable
  rows: seed
  columns: model.strategy
  metric: test/accuracy
hydra:
  sweeper:
    params:
      model.strategy: head,full
"""


def test_lab_is_verified_without_its_sweep(leyden: Callable, records: Callable, tmp_path: Path) -> None:
    folder = tmp_path / "own" / "experiment"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text(LAB)
    words = [f"hydra.searchpath=[file://{folder.parent}]", "experiment=mine", *BRIEF, "seed=1,0", "sweep.name=proof"]
    done = leyden("verify", *words, "--record")
    assert done.returncode == 1, done.stderr
    assert [folder.parent.name for folder in records()] == ["proof", "proof"]
    reached = ", ".join(f"{Record(folder).metrics['test/accuracy']:.4g}" for folder in records())
    lines = [line for line in done.stdout.splitlines() if line.startswith("| mine ")]
    assert [[cell.strip() for cell in line.split("|")[2:-1]] for line in lines] == [
        ["test/accuracy", reached, "at least 0.0", "yes"],
        ["test/nothing", "-, -", "at most 1", "NO"],
    ]
    assert f"# {reached}\n" in done.stdout


@pytest.mark.parametrize(("value", "status", "proven"), [(2.0, 0, True), (0.5, 0, False), (2.0, 1, False)])
def test_verified_if_all_jobs_keep_all_bounds(
    value: float, status: int, proven: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given: list[str] = []

    def run(words: list[str]) -> int:
        given.extend(words)
        job(tmp_path / "outputs" / "sweeps" / "proof" / "0", "one", {"a": {"min": 1.0}}, a=value)
        return status

    monkeypatch.setattr("leyden.bench.sweep.sweep.run", run)
    assert verify(["experiment=one", "sweep.name=proof"]) is proven
    assert "seed=0,1,2" in given
