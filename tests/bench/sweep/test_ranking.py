"""Which job of a sweep is best, and what a terminal shows of jobs that run."""

import sys
from pathlib import Path

import pytest

from leyden.bench.config.compose import compose
from leyden.bench.run.record import Record
from leyden.bench.sweep.ranking import rank, ranking
from leyden.bench.sweep.status import Status


def job(folder: Path, words: list[str], value: float | None, monitor: str = "val/fid", mode: str = "min") -> Record:
    """A record as a job leaves it, without the job."""
    record = Record.create(compose(words), folder)
    record.add_environment(monitor={"metric": monitor, "mode": mode})
    if value is not None:
        record.set_metrics({f"best/{monitor}": value, "test/accuracy": 1 - value, monitor: 100.0})
        record.set_status("done")
    return record


def test_best_checkpoint_ranks(tmp_path: Path) -> None:
    jobs = [
        job(tmp_path / "0_a", ["seed=0"], 0.5),
        job(tmp_path / "1_a", ["seed=1"], 0.25),
        job(tmp_path / "2_a", ["seed=2"], None),
        job(tmp_path / "3_a", ["seed=3"], float("nan")),
        job(tmp_path / "4_b", ["seed=4", "model.lr=0.5"], 0.75, "val/map", "max"),
        job(tmp_path / "5_b", ["seed=5"], 0.875, "val/map", "max"),
    ]
    assert [result.record.folder.name[0] for result in ranking(jobs)] == ["1", "0", "5", "4"]
    text = rank(tmp_path, jobs)
    assert (tmp_path / "ranking.csv").read_text().splitlines() == [
        "rank,job,seed,model.lr,metric,value",
        "1,1_a,1,,best/val/fid,0.25",
        "2,0_a,0,,best/val/fid,0.5",
        "1,5_b,5,,best/val/map,0.875",
        "2,4_b,4,0.5,best/val/map,0.75",
    ]
    assert f"{text}\n" == (tmp_path / "ranking.md").read_text()


def test_metric_of_the_lab_ranks(tmp_path: Path) -> None:
    words = ["sweep.metric=test/accuracy", "sweep.mode=max"]
    jobs = [job(tmp_path / f"{seed}_a", [*words, f"seed={seed}"], seed / 4) for seed in range(3)]
    assert [result.record.folder.name for result in ranking(jobs)] == ["0_a", "1_a", "2_a"]
    other = [job(tmp_path / "3_a", ["sweep.metric=test/acuracy"], 0.5)]
    assert "no job has the metric test/acuracy; did you mean test/accuracy?" in rank(tmp_path, other)
    assert not (tmp_path / "ranking.md").exists()


def test_terminal_shows_running_jobs(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "150")
    first, second = (job(tmp_path / f"{seed}_a", [f"seed={seed}", "model.lr=1.0"], seed) for seed in (0, 1))
    with Status([first, second]) as status:
        status.started(first)
        (first.folder / "console.log").write_text("epoch 1  step 5/9\nepoch 2  step 8/9  val/fid 3  1 s left\nother\n")
        status.show()
        assert "0_a  seed=0    0 s  epoch 2  step 8/9  val/fid 3  1 s left" in capsys.readouterr().out
        status.ended(first, 10.0)
    shown = capsys.readouterr().out
    assert "0_a (seed=0)  best/val/fid 0  10 s  [1 done of 2, about 10 s left]" in shown
