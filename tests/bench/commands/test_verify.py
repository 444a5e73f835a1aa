from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import yaml

from leyden.bench.commands.verify import verify
from leyden.bench.config.compose import compose
from leyden.bench.run.record import Record, RecordError
from leyden.core.allow_list import NotAllowedError

LAB = """\
# @package _global_
lab:
  expect:
    test/accuracy: {min: 0.0}
    test/nothing: {max: 1}
trainer: {max_epochs: 1}
data: {epoch_size: 32, labels_per_class: 3}
model: {weights: null}
report:
  _target_: leyden.report.sweep.table.SweepTable
  rows: seed
  columns: model.strategy
  metric: test/accuracy
hydra:
  sweeper:
    params:
      model.strategy: head,full
"""
DIFFERENCE = """\
# @package _global_
lab:
  expect:
    test/accuracy: {min: 0.5, above: {scratch: 0.1}}
  variants:
    scratch: {model.strategy: scratch}
"""


def lab(folder: Path, content: str) -> list[str]:
    """The overrides of a lab of the test's own."""
    (folder / "own" / "experiment").mkdir(parents=True)
    (folder / "own" / "experiment" / "mine.yaml").write_text(content)
    return [f"hydra.searchpath=[file://{folder / 'own'}]", "experiment=mine"]


def finish(record: Record, accuracy: float) -> None:
    record.set_metrics({"test/accuracy": accuracy})
    record.set_status("done")


def test_lab_is_verified_without_its_sweep(leyden: Callable, records: Callable, tmp_path: Path) -> None:
    done = leyden("verify", *lab(tmp_path, LAB), "seed=1,0", "sweep.name=proof", "--record")
    assert done.returncode == 1, done.stderr
    assert [folder.parent.name for folder in records()] == ["proof", "proof"]
    reached = ", ".join(f"{Record(folder).metrics['test/accuracy']:.4g}" for folder in records())
    lines = [line for line in done.stdout.splitlines() if line.startswith("| mine ")]
    assert [[cell.strip() for cell in line.split("|")[2:-1]] for line in lines] == [
        ["test/accuracy", reached, "at least 0.0", "yes"],
        ["test/nothing", "-, -", "at most 1", "NO"],
    ]
    assert done.stdout.count("mine: no such metric test/nothing; there are: ") == 1
    assert f"# {reached}\n" in done.stdout


@pytest.mark.parametrize(("value", "status", "proven"), [(2.0, 0, True), (0.5, 0, False), (2.0, 1, False)])
def test_verified_if_all_jobs_keep_all_bounds(
    value: float, status: int, proven: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    own, given = lab(tmp_path, "# @package _global_\nlab: {expect: {test/accuracy: {min: 1.0}}}\n"), []

    def run(words: list[str]) -> int:
        given.extend(words)
        finish(Record.create(compose(own), tmp_path / "outputs" / "sweeps" / "proof" / "0"), value)
        return status

    monkeypatch.setattr("leyden.bench.sweep.sweep.run", run)
    assert verify([*own, "sweep.name=proof"]) is proven
    assert "seed=0,1,2" in given


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Record]:
    """The controls that a verification has run; each reaches 0.6."""
    monkeypatch.chdir(tmp_path)
    begun: list[Record] = []

    def run_stored(records: Sequence[Record], settings: dict) -> None:
        for record in records:
            if record.status["status"] != "done":
                finish(record, 0.6)
                begun.append(record)

    monkeypatch.setattr("leyden.bench.commands.verify.run_stored", run_stored)
    return begun


@pytest.mark.parametrize(("accuracy", "proven"), [(0.8, True), (0.65, False), (0.55, False)])
def test_record_is_held_against_its_control(
    accuracy: float, proven: bool, ran: list[Record], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    record = Record.create(compose([*lab(tmp_path, DIFFERENCE), "seed=7"]), tmp_path / "outputs" / "mine" / "0")
    finish(record, accuracy)
    assert verify([str(record.folder)]) is proven
    [control] = ran
    assert control.folder.parent == Path("outputs/controls/mine")
    assert (control.config["model"]["strategy"], control.config["seed"]) == ("scratch", 7)
    assert f"{accuracy - 0.6:.4g}" in capsys.readouterr().out


def test_finished_control_is_used_again(ran: list[Record], tmp_path: Path) -> None:
    own = lab(tmp_path, DIFFERENCE)
    for seed in (0, 1):
        finish(Record.create(compose([*own, f"seed={seed}"]), tmp_path / "outputs" / "mine" / str(seed)), 0.8)
    control = Record.create(compose([*own, "seed=1", "model.strategy=scratch"]), tmp_path / "outputs" / "any" / "0")
    finish(control, 0.5)
    folders = [str(tmp_path / "outputs" / "mine" / seed) for seed in "01"]
    assert verify(folders)
    assert [record.config["seed"] for record in ran] == [0]
    assert verify(folders)
    assert len(ran) == 1


def test_begun_control_goes_on(ran: list[Record], tmp_path: Path) -> None:
    own = lab(tmp_path, DIFFERENCE)
    finish(record := Record.create(compose(own), tmp_path / "outputs" / "mine" / "0"), 0.8)
    begun = Record.create(compose([*own, "lab.variant=scratch"]), tmp_path / "outputs" / "controls" / "mine" / "0")
    begun.set_status("interrupted")
    assert verify([str(record.folder)])
    assert [one.folder.resolve() for one in ran] == [begun.folder]


def test_record_of_other_settings_is_not_verified(
    ran: list[Record], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """Such as a run that inherits nothing."""
    composed = compose([*lab(tmp_path, DIFFERENCE), "model.strategy=scratch"])
    finish(record := Record.create(composed, tmp_path / "outputs" / "mine" / "0"), 0.99)
    assert verify([str(record.folder)]) is False
    assert "settings other than mine's: model.strategy" in capsys.readouterr().out
    assert ran == []


def test_record_that_is_not_done_is_not_verified(ran: list[Record], tmp_path: Path) -> None:
    record = Record.create(compose(lab(tmp_path, DIFFERENCE)), tmp_path / "outputs" / "mine" / "0")
    assert verify([str(record.folder)]) is False
    with pytest.raises(RecordError):
        verify([str(tmp_path)])


def test_control_of_a_foreign_record_runs_no_foreign_code(ran: list[Record], tmp_path: Path) -> None:
    """The config is the lab's own, but the overrides, of which the control is made, are not."""
    record = Record.create(compose(lab(tmp_path, DIFFERENCE)), tmp_path / "outputs" / "mine" / "0")
    finish(record, 0.8)
    typed = [*record.overrides, "+callbacks.mine._target_=subprocess.run"]
    (record.folder / "overrides.yaml").write_text(yaml.safe_dump({"overrides": typed, "choices": {}}))
    with pytest.raises(NotAllowedError, match=r"callbacks\.mine\._target_: refused"):
        verify([str(record.folder)])
    assert ran == []
    assert not (tmp_path / "outputs" / "controls").exists()
