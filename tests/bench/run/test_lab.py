"""A run beside its lab, by records as runs leave them, without the runs."""

from pathlib import Path

import pytest

from leyden.bench.config.compose import compose
from leyden.bench.config.validate import check
from leyden.bench.run.lab import composed_control, difference_table, left_out, missed
from leyden.bench.run.record import Record

LAB = """\
# @package _global_
lab:
  question: Is it better?
  expect:
    test/accuracy: {min: 0.5, above: {scratch: 0.1}}
  variants:
    standard: {}
    scratch: {model.strategy: scratch, model.weights: null}
"""


@pytest.fixture
def lab(tmp_path: Path) -> list[str]:
    """The overrides of a lab of the test's own."""
    (tmp_path / "own" / "experiment").mkdir(parents=True)
    (tmp_path / "own" / "experiment" / "mine.yaml").write_text(LAB)
    return [f"hydra.searchpath=[file://{tmp_path / 'own'}]", "experiment=mine", f"paths.outputs={tmp_path}/outputs"]


def done(folder: Path, overrides: list[str], **metrics: float) -> Record:
    record = Record.create(compose(overrides), folder)
    record.set_metrics({f"test/{name}": value for name, value in metrics.items()})
    record.set_status("done")
    return record


def test_run_of_the_lab_is_held_against_it(lab: list[str], tmp_path: Path) -> None:
    own = [*lab, "seed=4", "trainer=gpu", "logger=none", "trainer.log_every_n_steps=1", "model.cache=folder"]
    record = done(tmp_path / "1", own, accuracy=0.6)
    assert left_out(record) is None
    assert missed(record) == []
    record.set_metrics({"test/accuracy": 0.4})
    assert missed(record) == ["test/accuracy 0.4: NOT at least 0.5"]
    assert left_out(done(tmp_path / "2", [*lab, "lab.variant=standard"], accuracy=0.6)) is None


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("data/source=faces", "data.source"),
        ("trainer.max_epochs=3", "trainer.max_epochs"),
        ("model.strategy=scratch", "model.strategy"),
        ("model=transfer/protonet", "model"),
        ("lab.variant=scratch", "model.strategy, model.weights"),
        ("data.labels_per_class=3", "data.labels_per_class"),
    ],
)
def test_other_settings_are_named_and_left_out(override: str, named: str, lab: list[str], tmp_path: Path) -> None:
    record = done(tmp_path / "1", [*lab, override], accuracy=0.1)
    expected = f"settings other than mine's: {named}; its question and expectations are left out"
    assert left_out(record) == expected
    assert missed(record) == []


def test_lab_that_nobody_named(tmp_path: Path) -> None:
    record = done(tmp_path / "1", ["data/source=faces", f"paths.outputs={tmp_path}"], accuracy=0.1)
    assert left_out(record) == (
        "no experiment=..., so transfer_fonts with other settings: data.source; "
        "its question and expectations are left out"
    )


def test_lab_whose_file_is_gone(lab: list[str], tmp_path: Path) -> None:
    record = done(tmp_path / "1", [*lab, "seed=5"], accuracy=0.6)
    (tmp_path / "own" / "experiment" / "mine.yaml").unlink()
    assert left_out(record) == "the file of mine is not here: its question and expectations are left out"


def test_control_has_the_runs_seed_places_and_devices(lab: list[str], tmp_path: Path) -> None:
    weights = tmp_path / "weights.pth"
    weights.touch()
    overrides = [*lab, "seed=4", "trainer=gpu", "paths.data=elsewhere", f"model.weights={weights}"]
    config = composed_control(done(tmp_path / "1", overrides), "scratch").config
    assert (config["seed"], config["data"]["seed"], config["paths"]["data"]) == (4, 4, "elsewhere")
    assert (config["trainer"]["accelerator"], config["lab"]["variant"]) == ("gpu", "scratch")
    assert (config["model"]["strategy"], config["model"]["weights"]) == ("scratch", None)  # what is typed has not won


def test_sweep_compares_runs_of_one_seed(lab: list[str], tmp_path: Path) -> None:
    records = [
        done(tmp_path / "0", [*lab, "seed=1"], accuracy=0.8),
        done(tmp_path / "1", [*lab, "seed=2"], accuracy=0.9),
        done(tmp_path / "2", [*lab, "seed=1", "model.strategy=scratch", "model.weights=null"], accuracy=0.5),
        done(tmp_path / "3", [*lab, "seed=2", "lab.variant=scratch"], accuracy=0.7),
        done(tmp_path / "4", [*lab, "seed=2", "lab.variant=scratch", "trainer.max_epochs=1"], accuracy=0.0),
    ]
    lines = difference_table(records).splitlines()[2:]
    assert [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines] == [
        ["mine", "test/accuracy", "0.3, 0.2 (mean 0.25)", "above scratch by at least 0.1", "yes"]
    ]
    assert difference_table(records[:2]) == ""


def test_mistake_in_expect_is_one_of_the_config(lab: list[str], tmp_path: Path) -> None:
    assert check(compose(lab)) == []
    file = tmp_path / "own" / "experiment" / "mine.yaml"
    file.write_text(LAB.replace("above: {scratch", "above: {scrath"))
    [mistake] = check(compose(lab))
    assert mistake.startswith("lab.expect.test/accuracy.above.scrath")
    assert mistake.endswith("no such variant; did you mean scratch?")
