"""A trial that looks hopeless ends early, with a whole record."""

from collections.abc import Callable
from pathlib import Path

from commands import FAST
from optuna import create_study
from optuna.trial import TrialState

from leyden.bench.config.compose import compose
from leyden.bench.config.variants import quoted
from leyden.bench.run.record import Record
from leyden.bench.run.run import run
from leyden.bench.search.study import NAME, settle, study_in
from leyden.bench.sweep.store import DATABASE, PRUNING
from leyden.core.sweep.pruning import PRUNED, open_storage

SETTINGS = {"pruner": "median", "warmup_trials": 0, "warmup": 2}

EIGHT = [*FAST, "trainer.max_steps=8", "trainer.max_epochs=16"]
"""Eight steps, each with a validation behind it."""


def hopeless(sweep: Path, *words: str) -> Record:
    """The job of a trial beside two others that were always right."""
    sweep.mkdir()
    study = create_study(study_name=NAME, storage=open_storage(sweep / DATABASE), direction="maximize")
    study.set_user_attr("settings", SETTINGS)
    study.set_user_attr("metric", "best/val/accuracy")
    for _ in range(2):
        trial = study.ask()
        for validation in range(1, 9):
            trial.report(1.0, validation)
        study.tell(trial, 1.0)
    study.ask()
    callback = {"_target_": PRUNING, "storage": quoted(str(sweep / DATABASE)), "study": NAME, "trial": 2}
    marks = [f"+callbacks.pruning.{name}={value}" for name, value in callback.items()]
    return Record.create(compose([*EIGHT, *words, *marks]), sweep / "2_job")


def test_hopeless_trial_ends_early_with_a_whole_record(tmp_path: Path) -> None:
    """It stays so if it is killed before its test; without the database nothing is asked."""
    record = hopeless(tmp_path / "sweep", "trainer.num_sanity_val_steps=1")
    metrics = run(record)
    assert record.status["status"] == "done"
    assert metrics[PRUNED] == metrics["epochs"] == metrics["steps"] == 3  # one behind the two for warming up
    assert metrics == record.metrics
    assert {"test/accuracy", "best/val/accuracy", "train/loss"} <= set(metrics)
    assert record.checkpoint("best").is_file()
    study = study_in(record.folder.parent)
    assert list(study.trials[2].intermediate_values) == [1, 2, 3]
    settle(study, record.folder.parent)
    assert study.trials[2].state == TrialState.PRUNED

    record.set_status("interrupted")
    again = run(record)
    for name in (PRUNED, "steps", "best/val/accuracy", "test/accuracy"):
        assert again[name] == metrics[name]

    (record.folder.parent / DATABASE).unlink()
    record.start_again()
    assert (run(record)["steps"], record.metrics.get(PRUNED)) == (8, None)


def test_ranks_of_a_hopeless_trial_end_together(leyden: Callable, tmp_path: Path) -> None:
    record = hopeless(tmp_path / "sweep", "trainer=ddp_cpu", "callbacks=none")
    done = leyden("resume", str(record.folder), LEYDEN_ALLOW=PRUNING)
    assert done.returncode == 0, done.stderr
    assert record.metrics[PRUNED] == record.metrics["steps"] == 3
    assert record.environment["devices"]["count"] == 2
