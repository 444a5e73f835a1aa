"""Which job of a sweep is best."""

from pathlib import Path

import pytest

from leyden.bench.config.compose import compose
from leyden.bench.run.record import Record
from leyden.bench.sweep.ranking import rank, result_of
from leyden.bench.sweep.sweep import resume
from leyden.report.sweep.ranking import ranked


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
    assert [entry.job[0] for entry in ranked(list(map(result_of, jobs)))] == ["1", "0", "5", "4"]
    text = rank(tmp_path, jobs)
    assert (tmp_path / "ranking.csv").read_text().splitlines() == [
        "rank,job,seed,model.lr,metric,value",
        "1,1_a,1,0.001,best/val/fid,0.25",
        "2,0_a,0,0.001,best/val/fid,0.5",
        "1,5_b,5,0.001,best/val/map,0.875",
        "2,4_b,4,0.5,best/val/map,0.75",
    ]
    assert f"{text}\n" == (tmp_path / "ranking.md").read_text()


def test_metric_of_the_lab_ranks(tmp_path: Path) -> None:
    words = ["sweep.metric=val/fid", "sweep.mode=min"]
    jobs = [job(tmp_path / f"{seed}_a", [*words, f"seed={seed}"], seed / 4) for seed in range(3)]
    assert [result_of(own).value for own in jobs] == [100.0] * 3
    other = [job(tmp_path / "3_a", ["sweep.metric=val/acuracy"], 0.5)]
    text = rank(tmp_path, other)
    assert "no job has the metric val/acuracy" in text
    assert "test/" not in text
    assert not (tmp_path / "ranking.md").exists()


def test_ranking_by_the_test_split_says_so(tmp_path: Path) -> None:
    words = ["sweep.metric=test/accuracy", "sweep.mode=max", "sweep.select_on_test=true"]
    jobs = [job(tmp_path / f"{seed}_a", [*words, f"seed={seed}"], seed / 4) for seed in range(3)]
    text = rank(tmp_path, jobs)
    csv = (tmp_path / "ranking.csv").read_text()
    assert [line.split(",")[1] for line in csv.splitlines()[1:]] == ["0_a", "1_a", "2_a"]
    for shown in (text, (tmp_path / "ranking.md").read_text(), csv):
        assert "selected on the test split" in shown


def test_settings_are_what_jobs_differ_in(tmp_path: Path) -> None:
    """Whoever goes on with other settings of the sweep itself, or a search's own, changes no job."""
    common = ["experiment=tour_gan", "sweep.name=mine", f"paths.outputs={tmp_path}"]
    trial = ["+callbacks.pruning._target_=a.B", "+callbacks.pruning.trial=1"]
    jobs = [
        job(tmp_path / "0_a", [*common, "model.lr_generator=0.00012345678"], 0.5),
        job(tmp_path / "1_a", [*common, "sweep.jobs=1", "seed=3", "~trainer.log_every_n_steps", *trial], 0.25),
    ]
    keys = rank(tmp_path, jobs).splitlines()[0].strip("| ").split("|")
    assert [key.strip() for key in keys] == [
        "rank", "job", "model.lr_generator", "seed", "trainer.log_every_n_steps", "best/val/fid",
    ]  # fmt: skip
    assert "0.0001235" in (tmp_path / "ranking.md").read_text()
    assert "0.00012345678" in (tmp_path / "ranking.csv").read_text()


def test_labs_that_choose_by_other_metrics_have_sections(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    outputs = f"paths.outputs={tmp_path}"
    job(tmp_path / "0_a", ["experiment=tour_transfer", outputs], 0.1, "val/accuracy", "max")
    job(tmp_path / "1_b", ["experiment=tour_gan", outputs], 3.0)
    assert resume(tmp_path) == 0  # both are done
    text = capsys.readouterr().out
    assert "rank " not in text
    assert text.index("tour_transfer: Tell nine surfaces") < text.index("tour_gan: A minute of")
    assert "  test/accuracy  0.9      at least 0.8                    yes\n" in text
    assert (tmp_path / "ranking.md").is_file()

    job(tmp_path / "2_a", ["experiment=transfer_fonts", outputs], 0.2, "val/accuracy", "max")
    (tmp_path / "1_b" / "config.yaml").unlink()
    assert resume(tmp_path) == 0
    assert "| rank |" in capsys.readouterr().out  # labs with one metric are ranked


def test_failed_job_does_not_hide_the_ranking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    for seed in range(2):
        job(tmp_path / f"{seed}_a", [f"seed={seed}"], seed / 4)
    Record.create(compose(["seed=2"]), tmp_path / "2_a").set_status("failed", error="before it knew its metric")
    monkeypatch.setattr("leyden.bench.sweep.sweep.run_stored", lambda *_: None)
    assert resume(tmp_path) == 1
    assert "| rank |" in capsys.readouterr().out
