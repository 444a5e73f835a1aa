"""Searches by Optuna: what is asked and told, and that no end of the process loses a trial."""

import dataclasses
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import FAST, chosen, master, own_sweep, read_json
from optuna import Study, create_study
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.trial import TrialState
from PIL import Image

from leyden.bench.config.compose import ConfigError, compose
from leyden.bench.config.groups import file_of, options
from leyden.bench.run.record import Record
from leyden.bench.search.search import search
from leyden.bench.search.space import space
from leyden.bench.search.study import Settings, open_study, sampler, study_in
from leyden.bench.sweep.store import Jobs

SWEEP, TRIAL = "sweep.", "+callbacks.pruning.trial="
SETTINGS: dict[str, Any] = {
    "trials": 4,
    "sampler": "tpe",
    "startup": 3,
    "seed": 0,
    "pruner": "none",
    "warmup_trials": 0,
    "warmup": 0,
}


@pytest.mark.parametrize("kind", ["tpe", "random"])
def test_each_trial_has_its_own_draw(kind: Any) -> None:
    settings = Settings(**{**SETTINGS, "sampler": kind})
    room = {"x": FloatDistribution(0, 1), "y": IntDistribution(1, 1000, log=True)}

    def asked(study: Study, count: int) -> list[dict[str, Any]]:
        for number in range(len(study.trials), count):
            study.sampler = sampler(settings, number)
            trial = study.ask(room)
            study.tell(trial, trial.params["x"] ** 2 + trial.params["y"])
        return [trial.params for trial in study.trials]

    whole = asked(create_study(), 6)
    assert len({params["x"] for params in whole}) == 6
    halves = create_study()
    asked(halves, 4)
    again = create_study()
    again.add_trials(halves.trials)
    assert asked(again, 6) == whole
    other = create_study()
    settings = dataclasses.replace(settings, seed=1)
    assert asked(other, 1) != whole[:1]


class Lab:
    """A launcher whose jobs leave records at once: how near ``model.lr`` came to a hundredth."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.batches: list[list[str]] = []
        self.status = "done"

    def check(self, overrides: list[list[str]]) -> tuple[Jobs, None]:
        jobs = Jobs(self.config, overrides)
        jobs.check()
        return jobs, None

    def launch(self, overrides: list[list[str]], first: int, among: int) -> None:
        for place, own in enumerate(overrides, first):
            record = Record.create(compose(own), self.folder / f"{place}_job")
            rate = record.config["model"]["lr"]
            record.add_environment(monitor={"metric": "val/accuracy", "mode": "max"})
            if self.status == "done":
                reached = 1 - abs(rate - 0.01)
                record.set_metrics({"best/val/accuracy": reached, "test/accuracy": reached})
            record.set_status(self.status, error="FloatingPointError: the loss is nan")
        self.batches.append([text.removeprefix(TRIAL) for own in overrides for text in own if text.startswith(TRIAL)])

    def search(self, *overrides: str, **settings: Any) -> Study:
        config = master("hydra/sweeper=optuna", f"hydra.sweep.dir={self.folder}", *(w for w in overrides if SWEEP in w))
        self.config = config
        search(self, None, config, overrides, {**SETTINGS, **settings})
        return study_in(self.folder)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    folder = tmp_path / "sweep"
    folder.mkdir()
    return Lab(folder)


RATES = "model.lr=tag(log,interval(1e-3,1e-1))"


def test_search_asks_in_batches_and_goes_on(lab: Lab, capsys: pytest.CaptureFixture) -> None:
    study = lab.search(RATES, "sweep.jobs=2", "seed=3", trials=3)
    assert lab.batches == [["0", "1"], ["2"]]
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 3
    for trial in study.trials:
        assert trial.value == 1 - abs(
            trial.params["model.lr"] - 0.01
        )  # what was run is what was asked, to the last bit
    shown = capsys.readouterr().out
    best = study.best_trial
    assert best.value == max(trial.value for trial in study.trials)
    assert f"best: trial {best.number}, best/val/accuracy {best.value:.4g}\n" in shown
    assert f"  leyden run seed=3 model.lr={best.params['model.lr']}\n" in shown
    assert (lab.folder / "search.md").read_text() in shown
    for name in ("history", "parallel"):
        assert min(Image.open(lab.folder / f"search_{name}.png").size) > 400
    assert "no search_importance.png: too few trials were run to their end, 3 of the 20" in shown

    lab.search(RATES, "sweep.jobs=2", "seed=3", trials=3)
    assert len(lab.batches) == 2  # there was nothing to do
    lab.search("model.lr=tag(log,interval(5e-3,2e-2))", "sweep.jobs=1", "seed=3", trials=4)  # another range will do
    assert lab.batches[2:] == [["3"]]


def test_search_for_something_else(lab: Lab) -> None:
    lab.search(RATES, "model.head=cosine,linear", trials=1)
    before = study_in(lab.folder).trials
    with pytest.raises(ConfigError, match=r"model\.head: was .*cosine.*linear.*; choose another sweep\.name"):
        lab.search(RATES, "model.head=linear,cosine", trials=2)
    with pytest.raises(ConfigError, match=r"^trainer\.max_epochs: was 10, is 3\nso trials would not be comparable"):
        lab.search(RATES, "model.head=cosine,linear", "trainer.max_epochs=3", trials=2)
    with pytest.raises(ConfigError, match=r"sweep\.metric: .* holds a search by best/val/accuracy"):
        lab.search(RATES, "model.head=cosine,linear", "sweep.metric=val/loss", "sweep.mode=min", trials=2)
    assert study_in(lab.folder).trials == before


def test_search_by_the_test_split_needs_a_word(lab: Lab, capsys: pytest.CaptureFixture) -> None:
    by_test = ["sweep.metric=test/accuracy", "sweep.mode=max"]
    with pytest.raises(ConfigError, match=r"test/accuracy is measured on the test split.*sweep\.select_on_test=true"):
        lab.search(RATES, *by_test, trials=1)
    assert not list(lab.folder.iterdir())
    lab.search(RATES, *by_test, "sweep.select_on_test=true", trials=1)
    assert "selected on the test split" in (lab.folder / "search.md").read_text()
    assert "selected on the test split" in capsys.readouterr().out


def test_techniques_must_share_the_metric(tmp_path: Path) -> None:
    jobs = Jobs(master(f"hydra.sweep.dir={tmp_path}"), [["seed=0"]])
    jobs.monitors = {("val/fid", "min"), ("val/accuracy", "max")}
    with pytest.raises(ConfigError, match=r"by val/accuracy, val/fid: name what they share, sweep\.metric=val/"):
        open_study(jobs, Settings(**SETTINGS))
    assert not list(tmp_path.iterdir())


def test_what_was_tried_is_not_run_again(lab: Lab, capsys: pytest.CaptureFixture) -> None:
    study = lab.search("model.lr=0.1,0.01", "sweep.jobs=1", trials=6)
    assert len(lab.batches) == 2
    assert len(study.trials) == 6
    assert {trial.params["model.lr"]: trial.value for trial in study.trials} == {"0.1": 0.91, "0.01": 1.0}
    assert capsys.readouterr().out.count(": the same as trial ") == 4


def test_loss_that_is_not_finite_is_a_result(lab: Lab) -> None:
    lab.status = "failed"
    study = lab.search(RATES, trials=1)
    assert [trial.state for trial in study.trials] == [TrialState.FAIL]
    lab.status = "interrupted"
    study = lab.search(RATES, trials=2)
    assert [trial.state for trial in study.trials] == [TrialState.FAIL, TrialState.RUNNING]
    assert "no charts" in (lab.folder / "search.md").read_text()
    lab.status = "done"
    lab.search(RATES, trials=2)
    assert lab.batches == [["0"], ["1"], ["1"]]
    assert "too few trials were run to their end, 1 of the 20" in (lab.folder / "search.md").read_text()
    assert not (lab.folder / "search_importance.png").exists()


def test_kill_at_any_moment_keeps_each_trial(lab: Lab) -> None:
    study = lab.search(RATES, "sweep.jobs=1", trials=2)
    study.ask({"model.lr": FloatDistribution(1e-3, 1e-1, log=True)})  # killed before its overrides were noted
    stored = study.ask({"model.lr": FloatDistribution(1e-3, 1e-1, log=True)})  # killed before its job was stored
    stored.set_user_attr("overrides", [f"model.lr={stored.params['model.lr']}"])
    study = lab.search(RATES, "sweep.jobs=1", trials=4)
    assert lab.batches == [["0"], ["1"], ["3"], ["4"]]
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"sampler": "magic"}, r"hydra\.sweeper\.sampler: should be one of tpe, random, is 'magic'"),
        ({"trials": 0}, r"hydra\.sweeper\.trials: should be at least 1, is 0"),
        ({"seed": "x"}, r"hydra\.sweeper\.seed: should be"),
    ],
)
def test_settings_without_sense(lab: Lab, settings: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        lab.search(RATES, **settings)
    assert not list(lab.folder.iterdir())


def test_values_that_no_trial_could_have(lab: Lab) -> None:
    with pytest.raises(ConfigError, match=r"model\.blocks .*should be int, is 1\.0"):
        lab.search("model.blocks=interval(1,3)", "model.lr=1,2")
    with pytest.raises(ConfigError, match=r"model\.strategy .*should be one of head, .* is 'tail'"):
        lab.search("model.lr=interval(0.1,0.2)", "model.strategy=head,full,tail")
    assert not list(lab.folder.iterdir())


UNLIKE = ["gan_fraud", "gan_disentangle_scenes"]
"""Labs that do not have all options of their family: CTGAN's discriminator, of rows, takes no spectral norm, and a
beta-VAE has no discriminator."""


@pytest.mark.parametrize("sweep", options("sweep"))
def test_ranges_fit_the_family_or_technique_of_their_name(sweep: str) -> None:
    trained = {lab: file_of("experiment", lab).read_text() for lab in options("experiment")}
    technique = rf"override /model: \w+/{sweep}\s"
    other = rf"override /model: (?!{sweep}/)"  # gan_augment trains a classifier
    fitting = [
        lab
        for lab, text in trained.items()
        if re.search(technique, text) or (lab.startswith(f"{sweep}_") and not re.search(other, text))
        if lab not in UNLIKE
    ]
    assert fitting
    for lab in fitting:
        config = master(*chosen(lab), f"sweep={sweep}")
        Jobs(config, space([*chosen(lab), *own_sweep(config)]).ends()[:1]).check()


def test_ranges_of_another_family(leyden: Callable, tmp_path: Path) -> None:
    done = leyden("sweep", "experiment=tour_gan", "sweep=detection")
    assert done.returncode == 1
    assert "model.lr: unknown key; did you mean model.lr_discriminator or model.lr_generator?" in done.stderr
    assert not [file for file in tmp_path.rglob("*") if file.is_file()]


def test_without_optuna_the_cure_is_named(leyden: Callable, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "optuna.py").write_text("raise ModuleNotFoundError('No module named optuna')")
    done = leyden("sweep", "hydra/sweeper=optuna", RATES, PYTHONPATH=str(tmp_path / "none"))
    assert done.returncode == 1
    assert "pip install 'leyden[optuna]'" in done.stderr
    assert not [file for file in (tmp_path / "outputs").rglob("*") if file.is_file()]


EIGHT = [*FAST, "trainer.max_steps=8", "trainer.max_epochs=16"]
"""Eight steps, each with a validation behind it."""


def test_killed_search_goes_on_with_the_same_trials(
    start_leyden: Callable, leyden_here: Callable, tmp_path: Path
) -> None:
    sweep, notes = tmp_path / "outputs" / "sweeps" / "mine", tmp_path / "notes"
    fault = ["+callbacks.fault._target_=faults.Fault", "+callbacks.fault.notes=notes", "+callbacks.fault.kind=wait"]
    words = ["sweep", "hydra/sweeper=optuna", *EIGHT, *fault, RATES, "sweep.name=mine", "hydra.sweeper.pruner=none"]
    words += ["checkpoint.every_n_steps=2", "sweep.jobs=2", "logger=none"]
    killed = start_leyden(*words, "hydra.sweeper.trials=2")
    deadline = time.monotonic() + 120
    while len(list(notes.glob("*.0"))) < 2:
        assert not killed.ended(), killed.result()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    killed.send_signal(signal.SIGKILL)
    asked = [trial.params for trial in study_in(sweep).trials]
    while {read_json(file)["status"] for file in sweep.glob("*/status.json")} != {"interrupted"}:
        assert time.monotonic() < deadline
        time.sleep(0.1)

    (notes / "2_transfer_fonts.0").touch()
    done = leyden_here(*words, "hydra.sweeper.trials=3")
    assert done.returncode == 0, done.stderr
    assert "going on: 0 done, 2 interrupted\n" in done.stdout
    assert "3 of 3 jobs done" in done.stderr
    study = study_in(sweep)
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 3
    assert [trial.params for trial in study.trials[:2]] == asked
    for number, trial in enumerate(study.trials):
        record = Record(sweep / f"{number}_transfer_fonts")
        assert ("going on from" in (record.folder / "run.log").read_text()) == (number < 2)
        assert record.config["model"]["lr"] == trial.params["model.lr"]
        assert record.metrics["best/val/accuracy"] == trial.value
        assert list(trial.intermediate_values) == list(range(1, 9))
    assert (sweep / "search_history.png").is_file()
