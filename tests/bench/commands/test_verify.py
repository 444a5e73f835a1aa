from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from leyden.bench.commands.verify import Held, expectations, hold, table, verify
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


def test_each_metric_of_each_lab_is_held_against_its_bounds_over_all_seeds(tmp_path: Path) -> None:
    one, other = {"a": {"min": 1.0}, "b": {"min": 0.0, "max": 0.5}}, {"a": {"max": 3.0}}
    records = [
        job(tmp_path / "0", "one", one, a=1.0, b=0.4),
        job(tmp_path / "1", "one", one, a=2.0, b=0.6),
        job(tmp_path / "2", "other", other, a=3.0),
        job(tmp_path / "3", "other", other),
        job(tmp_path / "4", "nothing", {}, a=3.0),
    ]
    held = hold(records)
    assert held == [
        Held("one", "a", [1.0, 2.0], {"min": 1.0}),
        Held("one", "b", [0.4, 0.6], {"min": 0.0, "max": 0.5}),
        Held("other", "a", [3.0, None], {"max": 3.0}),
    ]
    assert [line.kept for line in held] == [True, False, False]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table(held).splitlines()[2:]]
    assert cells == [
        ["one", "a", "1, 2", "at least 1.0", "yes"],
        ["one", "b", "0.4, 0.6", "at least 0.0 and at most 0.5", "NO"],
        ["other", "a", "3, -", "at most 3.0", "NO"],
    ]


def test_what_is_to_be_pasted_is_the_labs_own_expect_with_values_behind_it() -> None:
    bounds = {"test/modes": {"min": 10}, "test/ratio": {"min": 0.9, "max": 2.0}}
    held = [
        Held("tour_gan", "test/modes", [10.0, 9.0], bounds["test/modes"]),
        Held("tour_gan", "test/ratio", [1.26789, 1.0], bounds["test/ratio"]),
    ]
    text = expectations(held, "experiment=glob(tour_*) seed=0,1 trainer.max_epochs=3")
    assert yaml.safe_load(text) == {"expect": bounds}
    lines = text.splitlines()
    assert lines[0] == "# tour_gan.yaml"
    assert lines[1].endswith("# measured: leyden verify experiment=tour_gan seed=0,1 trainer.max_epochs=3")
    assert [line.partition("  # ")[2] for line in lines[2:]] == ["10, 9", "1.268, 1"]


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


def test_a_lab_is_run_over_seeds_without_its_own_sweep(leyden: Callable, records: Callable, tmp_path: Path) -> None:
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
def test_a_lab_is_proven_where_all_jobs_are_done_and_keep_all(
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
