"""A run that is killed at any step and resumed ends as one that was left alone, bit for bit, pictures included."""

from collections.abc import Callable

import pytest
from commands import read_json
from undisturbed import SMALL, assert_same, outcome

EVERY_EPOCH = ["trainer.check_val_every_n_epoch=1", "trainer.max_epochs=4"]
ALWAYS = ["+callbacks.killer._target_=killer.Killer", "checkpoint.every_n_steps=3", "trainer.log_every_n_steps=1"]


@pytest.mark.parametrize("experiment", SMALL)
def test_killed_and_resumed_equals_undisturbed(experiment: str, leyden: Callable, records: Callable) -> None:
    words = ["run", f"experiment={experiment}", *SMALL[experiment], *EVERY_EPOCH, *ALWAYS]
    done = leyden(*words)
    assert done.returncode == 0, done.stderr
    [whole] = records()

    epoch = read_json(whole / "metrics.json")["steps"] // 4
    # Before the first checkpoint, in mid-epoch and behind an epoch's last step.
    kills = sorted({2, epoch + (epoch + 1) // 2, 3 * epoch})
    killed = leyden(*words, LEYDEN_KILL_AT_STEP=str(kills[0]))
    assert killed.returncode == -9
    folder = next(folder for folder in records() if folder != whole)
    assert read_json(folder / "status.json")["status"] == "running"
    for step in kills[1:]:
        assert leyden("resume", str(folder), LEYDEN_KILL_AT_STEP=str(step)).returncode == -9
    done = leyden("resume", str(folder))
    assert done.returncode == 0, done.stderr
    assert "going on from" in done.stderr

    assert_same(folder, whole, f"kills at {kills}")
    assert ("training.gif" in outcome(whole)[3]) == (experiment == "tour_gan")


@pytest.mark.parametrize(
    "limits",
    [
        ["trainer.max_steps=20", "trainer.max_epochs=-1", "trainer.check_val_every_n_epoch=2"],
        ["trainer.max_steps=8", "trainer.max_epochs=8", "trainer.limit_train_batches=1"],
        ["trainer.max_steps=17"],
    ],
)
def test_max_steps_resumes_at_an_epochs_end(limits: list[str], leyden: Callable, records: Callable) -> None:
    """Lightning alone counts an epoch without a step then, and what follows comes an epoch too early."""
    every = "1" if "trainer.limit_train_batches=1" in limits else "5"
    words = ["run", "experiment=transfer_fonts", *SMALL["transfer_fonts"], *ALWAYS, *limits]
    words.append(f"checkpoint.every_n_steps={every}")
    assert leyden(*words).returncode == 0
    [whole] = records()
    assert leyden(*words, LEYDEN_KILL_AT_STEP="6").returncode == -9
    folder = next(folder for folder in records() if folder != whole)
    done = leyden("resume", str(folder))
    assert done.returncode == 0, done.stderr
    assert_same(folder, whole, "a kill behind step 6, from the end of the epoch before")
