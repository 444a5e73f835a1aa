"""Searches by Optuna: what words mean, what is asked and told, and that no end of the process loses a trial."""

import dataclasses
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import FAST, read_json
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from optuna import Study, create_study, load_study
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState
from PIL import Image

from leyden.bench.config.compose import ConfigError, compose
from leyden.bench.config.groups import CONF, options
from leyden.bench.run.record import Record
from leyden.bench.run.run import run
from leyden.bench.search.pruning import DATABASE, NAME, PRUNED, storage
from leyden.bench.search.search import Settings, sampler, search
from leyden.bench.search.space import distribution, space
from leyden.bench.search.study import TRIAL, settle
from leyden.bench.sweep.sweep import refuse_mistakes

SUPPORT = Path(__file__).parents[1] / "support"
SETTINGS: dict[str, Any] = {
    "trials": 4,
    "sampler": "tpe",
    "startup": 3,
    "seed": 0,
    "pruner": "none",
    "warmup_trials": 0,
    "warmup": 0,
}


def study_in(folder: Path) -> Study:
    return load_study(study_name=NAME, storage=storage(folder / DATABASE))


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("k=interval(1,5)", FloatDistribution(1.0, 5.0)),
        ("k=interval(1e-4,1e-2)", FloatDistribution(1e-4, 1e-2)),
        ("k=tag(log,interval(1e-4,1e-2))", FloatDistribution(1e-4, 1e-2, log=True)),
        ("k=int(interval(1,5))", IntDistribution(1, 5)),
        ("k=tag(log,int(interval(1,64)))", IntDistribution(1, 64, log=True)),
        ("k=int(tag(log,interval(1,64)))", IntDistribution(1, 64, log=True)),
        ("k=range(1,10,2)", IntDistribution(1, 9, step=2)),
        ("k=range(3)", IntDistribution(0, 2)),
        ("k=range(5,0,-2)", IntDistribution(1, 5, step=2)),
        ("k=range(0,1,0.25)", FloatDistribution(0.0, 0.75, step=0.25)),
        ("k=choice(a,b,a)", CategoricalDistribution(["a", "b"])),
        ("k=1e-3,null,true", CategoricalDistribution(["0.001", "null", "True"])),
        ("k=[1,2],[3]", CategoricalDistribution(["[1,2]", "[3]"])),
        ("k=shuffle(choice(x,y))", CategoricalDistribution(["x", "y"])),
        ("+k.new=interval(2,2)", FloatDistribution(2.0, 2.0)),
    ],
)
def test_hydras_words_are_optunas_distributions(word: str, expected: BaseDistribution) -> None:
    [override] = OverridesParser.create().parse_overrides([word])
    found = distribution(override)
    if "shuffle" in word:
        found = CategoricalDistribution(sorted(found.choices))
    assert found == expected


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("k=interval(2,1)", r"not from 2\.0 to 1\.0"),
        ("k=tag(log,interval(0,1))", "ends above 0"),
        ("k=interval(0,inf)", "two finite ends"),
        ("k=range(3,3)", "matches nothing"),
        ("k=tag(lin,interval(0,1))", "there is one, log"),
        ("k=tag(log,range(1,9))", "only intervals may have it"),
        ("k=3", "nothing to search"),
    ],
)
def test_ranges_without_sense_are_refused(word: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        space(["seed=1", word])


def test_a_typed_word_takes_the_place_of_the_files_and_mistakes_are_told_together() -> None:
    found = space(["a=1,2", "b=interval(0,1)", "c=5", "b=3", "c=x,y,z"])
    assert found.fixed == ["b=3"]
    assert list(found.searched) == ["a", "c"]
    assert found.ends() == [["b=3", "a=1", "c=x"], ["b=3", "a=2", "c=y"], ["b=3", "a=2", "c=z"]]
    with pytest.raises(ConfigError) as error:
        space(["a=interval(1,0)", "b=1,2", "c=tag(log,interval(-1,1))"])
    assert [mistake.partition(":")[0] for mistake in error.value.mistakes] == [
        "a=interval(1,0)",
        "c=tag(log,interval(-1,1))",
    ]


@pytest.mark.parametrize("kind", ["tpe", "random"])
def test_each_trials_draw_is_its_own_wherever_the_search_was_interrupted(kind: Any) -> None:
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

    def launch(self, words: list[list[str]], initial_job_idx: int) -> None:
        for place, own in enumerate(words, initial_job_idx):
            record = Record.create(compose(own), self.folder / f"{place}_job")
            rate = record.config["model"]["lr"]
            record.add_environment(monitor={"metric": "val/accuracy", "mode": "max"})
            if self.status == "done":
                record.set_metrics({"best/val/accuracy": 1 - abs(rate - 0.01)})
            record.set_status(self.status, error="FloatingPointError: the loss is nan")
        self.batches.append([word.removeprefix(TRIAL) for own in words for word in own if word.startswith(TRIAL)])

    def search(self, *words: str, **settings: Any) -> Study:
        typed = ["hydra/sweeper=optuna", f"hydra.sweep.dir={self.folder}", *words]
        GlobalHydra.instance().clear()
        with initialize_config_dir(str(CONF), version_base="1.3", job_name="leyden"):
            bench: Any = GlobalHydra.instance().hydra
            master = bench.compose_config("config", typed, RunMode.MULTIRUN, with_log_configuration=False)
            task = list(master.hydra.overrides.task)
            search(self.launch, bench.config_loader, master, task, {**SETTINGS, **settings})
        return study_in(self.folder)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    folder = tmp_path / "sweep"
    folder.mkdir()
    return Lab(folder)


RATES = "model.lr=tag(log,interval(1e-3,1e-1))"


def test_a_search_asks_in_batches_tells_draws_and_goes_on_with_more(
    lab: Lab, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    study = lab.search(RATES, "sweep.jobs=2", "seed=3", trials=3)
    assert lab.batches == [["0", "1"], ["2"]]
    assert "OMP_NUM_THREADS" not in os.environ
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
    for name in ("history", "parallel", "importance"):
        assert min(Image.open(lab.folder / f"search_{name}.png").size) > 400

    lab.search(RATES, "sweep.jobs=2", "seed=3", trials=3)
    assert len(lab.batches) == 2  # there was nothing to do
    lab.search("model.lr=tag(log,interval(5e-3,2e-2))", "sweep.jobs=1", "seed=3", trials=4)  # another range will do
    assert lab.batches[2:] == [["3"]]


def test_a_search_for_something_else_is_refused(lab: Lab) -> None:
    lab.search(RATES, "model.head=cosine,linear", trials=1)
    before = study_in(lab.folder).trials
    with pytest.raises(ConfigError, match=r"model\.head: was .*cosine.*linear.*; choose another sweep\.name"):
        lab.search(RATES, "model.head=linear,cosine", trials=2)
    with pytest.raises(ConfigError, match=r"^trainer\.max_epochs: was 10, is 3\nso trials would not be comparable"):
        lab.search(RATES, "model.head=cosine,linear", "trainer.max_epochs=3", trials=2)
    with pytest.raises(ConfigError, match=r"sweep\.metric: .* holds a search by best/val/accuracy"):
        lab.search(RATES, "model.head=cosine,linear", "sweep.metric=test/accuracy", trials=2)
    assert study_in(lab.folder).trials == before


def test_what_was_tried_is_not_run_twice(lab: Lab, capsys: pytest.CaptureFixture) -> None:
    study = lab.search("model.lr=0.1,0.01", "sweep.jobs=1", trials=6)
    assert len(lab.batches) == 2
    assert len(study.trials) == 6
    assert {trial.params["model.lr"]: trial.value for trial in study.trials} == {"0.1": 0.91, "0.01": 1.0}
    assert capsys.readouterr().out.count(": the same as trial ") == 4


def test_a_loss_that_is_not_finite_is_a_result_and_any_other_failure_is_tried_again(lab: Lab) -> None:
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
    assert "no search_importance.png: it takes two trials" in (lab.folder / "search.md").read_text()
    assert not (lab.folder / "search_importance.png").exists()


def test_a_kill_at_any_moment_leaves_each_trial_where_it_was(lab: Lab) -> None:
    study = lab.search(RATES, "sweep.jobs=1", trials=2)
    study.ask({"model.lr": FloatDistribution(1e-3, 1e-1, log=True)})  # killed before its words were noted
    stored = study.ask({"model.lr": FloatDistribution(1e-3, 1e-1, log=True)})  # killed before its job was stored
    stored.set_user_attr("words", [f"model.lr={stored.params['model.lr']}"])
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
def test_settings_without_sense_are_refused(lab: Lab, settings: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        lab.search(RATES, **settings)
    assert not list(lab.folder.iterdir())


def test_values_that_no_trial_could_have_are_told_before_the_first(lab: Lab) -> None:
    with pytest.raises(ConfigError, match=r"model\.blocks .*should be int, is 1\.0"):
        lab.search("model.blocks=interval(1,3)", "model.lr=1,2")
    with pytest.raises(ConfigError, match=r"model\.strategy .*should be one of head, .* is 'tail'"):
        lab.search("model.lr=interval(0.1,0.2)", "model.strategy=head,full,tail")
    assert not list(lab.folder.iterdir())


@pytest.mark.parametrize("sweep", options("sweep"))
def test_a_familys_ranges_fit_every_technique_of_it(sweep: str) -> None:
    for experiment in options("experiment"):
        if experiment.startswith(f"{sweep}_"):
            refuse_mistakes([f"experiment={experiment}", f"sweep={sweep}"])


def test_intervals_are_optunas() -> None:
    refuse_mistakes(["hydra/sweeper=optuna", "seed=1,2", "+model.lr2=interval(0,1)"])
    with pytest.raises(ConfigError, match=r"^model\.lr=interval\(0,1\): a grid has no intervals; hydra/sweeper=optuna"):
        refuse_mistakes(["model.lr=interval(0,1)"])


def test_ranges_of_another_family_are_told(leyden: Callable, tmp_path: Path) -> None:
    done = leyden("sweep", "experiment=tour_gan", "sweep=detection")
    assert done.returncode == 1
    assert "model.lr: unknown key; did you mean model.lr_discriminator or model.lr_generator?" in done.stderr
    assert not list(tmp_path.iterdir())


def test_without_optuna_the_cure_is_named_and_nothing_stored(leyden: Callable, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "optuna.py").write_text("raise ModuleNotFoundError('No module named optuna')")
    done = leyden("sweep", "hydra/sweeper=optuna", RATES, PYTHONPATH=str(tmp_path / "none"))
    assert done.returncode == 1
    assert "pip install 'leyden[optuna]'" in done.stderr
    assert not [file for file in (tmp_path / "outputs").rglob("*") if file.is_file()]


EIGHT = [*FAST, "trainer.max_steps=8", "trainer.max_epochs=16"]
"""Eight steps, each with a validation behind it."""


def hopeless(sweep: Path, *words: str) -> Record:
    """The job of a trial beside two others that were always right."""
    sweep.mkdir()
    study = create_study(study_name=NAME, storage=storage(sweep / DATABASE), direction="maximize")
    study.set_user_attr("settings", {**SETTINGS, "pruner": "median", "warmup": 2})
    study.set_user_attr("metric", "best/val/accuracy")
    for _ in range(2):
        trial = study.ask()
        for validation in range(1, 9):
            trial.report(1.0, validation)
        study.tell(trial, 1.0)
    study.ask()
    marks = ["+callbacks.pruning._target_=leyden.bench.search.pruning.Pruning", f"{TRIAL}2"]
    return Record.create(compose([*EIGHT, *words, *marks]), sweep / "2_job")


def test_a_hopeless_trial_ends_early_with_a_whole_record(tmp_path: Path) -> None:
    """And stays as it is if it is killed before its test, or lies in no search."""
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


def test_all_ranks_of_a_hopeless_trial_end_together(leyden: Callable, tmp_path: Path) -> None:
    record = hopeless(tmp_path / "sweep", "trainer=ddp_cpu", "callbacks=none")
    done = leyden("resume", str(record.folder))
    assert done.returncode == 0, done.stderr
    assert record.metrics[PRUNED] == record.metrics["steps"] == 3
    assert record.environment["devices"]["count"] == 2


def test_a_search_that_is_killed_goes_on_with_the_same_trials(leyden: Callable, tmp_path: Path) -> None:
    sweep, notes = tmp_path / "outputs" / "sweeps" / "mine", tmp_path / "notes"
    fault = ["+callbacks.fault._target_=faults.Fault", "+callbacks.fault.notes=notes", "+callbacks.fault.kind=wait"]
    words = ["sweep", "hydra/sweeper=optuna", *EIGHT, *fault, RATES, "sweep.name=mine", "hydra.sweeper.pruner=none"]
    words += ["checkpoint.every_n_steps=2"]
    command = [sys.executable, "-m", "leyden", *words, "sweep.jobs=2", "hydra.sweeper.trials=2"]
    environment = {**os.environ, "PYTHONPATH": f"{SUPPORT}:{os.environ.get('PYTHONPATH', '')}"}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL) as killed:
        deadline = time.monotonic() + 120
        while len(list(notes.glob("*.0"))) < 2:
            assert killed.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        killed.kill()
    asked = [trial.params for trial in study_in(sweep).trials]
    while {read_json(file)["status"] for file in sweep.glob("*/status.json")} != {"interrupted"}:
        assert time.monotonic() < deadline
        time.sleep(0.1)

    (notes / "2_tour_transfer.0").touch()
    done = leyden(*words, "sweep.jobs=2", "hydra.sweeper.trials=3", PYTHONPATH=environment["PYTHONPATH"])
    assert done.returncode == 0, done.stderr
    assert "going on: 0 done, 2 interrupted\n" in done.stdout
    assert "3 of 3 jobs done" in done.stderr
    study = study_in(sweep)
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 3
    assert [trial.params for trial in study.trials[:2]] == asked
    for number, trial in enumerate(study.trials):
        record = Record(sweep / f"{number}_tour_transfer")
        assert ("going on from" in (record.folder / "run.log").read_text()) == (number < 2)
        assert record.config["model"]["lr"] == trial.params["model.lr"]
        assert record.metrics["best/val/accuracy"] == trial.value
        assert list(trial.intermediate_values) == list(range(1, 9))
    assert (sweep / "search_history.png").is_file()
