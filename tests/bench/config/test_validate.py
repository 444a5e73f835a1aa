from dataclasses import dataclass
from itertools import product
from pkgutil import resolve_name
from typing import Any, Literal, Unpack

import pytest
from commands import chosen
from lightning import LightningModule

from leyden.bench.config import validate
from leyden.bench.config.compose import ConfigError, compose
from leyden.bench.config.groups import options
from leyden.bench.config.validate import check, compose_and_check


@pytest.mark.parametrize(("experiment", "trainer"), [*product(options("experiment"), options("trainer"))])
def test_every_lab_fits_every_trainer(experiment: str, trainer: str) -> None:
    assert check(compose([*chosen(experiment), f"trainer={trainer}"])) == []


@pytest.mark.parametrize("group", ["callbacks", "logger", "debug"])
def test_every_option_of_the_other_groups_fits(group: str) -> None:
    for option in options(group):
        assert check(compose([f"{group}={option}"])) == []


def mistakes(*words: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        compose_and_check(words)
    return caught.value.mistakes


def test_all_mistakes_are_listed() -> None:
    told = mistakes("experiment=tour_transfer", "model.lrr=1", "model.lr=oops", "data.batch_size=2.5", "nosuch=1")
    assert len(told) == 4


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("model.lr=oops", "model.lr (command line): should be float, is 'oops'"),
        ("model.strategy=haed", "should be one of head, full, truncate, scratch"),
        ("data.batch_size=true", "should be int, is True"),
        ("seed=abc", "seed (command line): should be int, is 'abc'"),
        ("scale_lr=maybe", "scale_lr (command line): should be bool, is 'maybe'"),
        (
            "checkpoint.every_n_steps=often",
            "checkpoint.every_n_steps (command line): should be int or null, is 'often'",
        ),
        (
            "checkpoint.every_n_steps=0",
            "checkpoint.every_n_steps (command line): should be a number from 1 on, or null",
        ),
        ("model.widths=[1,x]", "model.widths (command line): should be"),
        ("+model.lrr=1", "model.lrr (command line): unknown key; did you mean lr?"),
        ("+model.class_names=[a]", "comes from the data"),
        ("model._target_=leyden.transfer.finetune.finetune.Finetun", "has no 'Finetun'; did you mean Finetune?"),
        ("model._target_=leyden.transfr.finetune.Finetune", "did you mean transfer?"),
        ("model._target_=nowhere.Net", "no package 'nowhere'"),
        ("trainer._target_=leyden.transfer.finetune.finetune.Finetune", "needs class_names"),
    ],
)
def test_mistake_names_key_and_cure(word: str, message: str) -> None:
    assert any(message in mistake for mistake in mistakes(word))


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("lab=32", "lab: should hold keys, is 32: leave it, and set the keys below it"),
        ("~lab", "lab: should hold keys, is None"),
        ("++model=true", "model is a group that has its place; model=NAME chooses from it"),
        ("++checkpoint=5", "checkpoint: should hold keys, is 5"),
        ("++data=interval(0,1)", "data is a group that has its place; data=NAME chooses from it"),
        ("~model", "model._target_: is missing; choose one with model=NAME"),
        ("~seed", "~seed: data.seed: Interpolation key 'seed' not found; leave it out"),
        ("model._target_=5", "model._target_ (command line): should be a dotted name, is 5"),
        ("model._target_=torch", "model._target_ (command line): "),
        ("model._target_=builtins.print", "builtins.print is no lightning.LightningModule"),
        ("callbacks.summary=7", "callbacks.summary (command line): should have a _target_, or be null"),
        ("hydra.searchpath=3", "should be a list of folders, such as hydra.searchpath=[file:///my/folder]"),
        ("model.lr=${nosuch}", "model.lr=${nosuch}: model.lr: Interpolation key 'nosuch' not found; leave it out"),
        ("seed=0,1", "seed=0,1: several values, of which `leyden sweep` tries each"),
        ("seed=-1", "seed (command line): should be a number from 0 to 4294967295, is -1"),
        ("seed=5000000000", "seed (command line): should be a number from 0 to 4294967295, is 5000000000"),
        ("sweep.jobs=0", "sweep.jobs (command line): should be a number from 1 on, is 0"),
        ("model.lr=-1", "model.lr (command line): should not be negative, is -1"),
        ("data.batch_size=0", "data.batch_size (command line): should be 1 or more, is 0"),
        ("trainer.max_epochs=-2", "trainer.max_epochs (command line): should be 0 or more, or -1 for all, is -2"),
        (
            "trainer.devices=[0]",
            "trainer.devices (command line): is [0]: on a CPU it should be a number of processes from 1",
        ),
        ("+trainer.callbacks=null", "trainer.callbacks (command line): comes from the data or the run; leave it out"),
    ],
)
def test_what_a_run_would_stumble_over(word: str, message: str) -> None:
    assert any(message in mistake for mistake in mistakes(word))


def test_lightning_steps_no_optimizer_of_a_gan() -> None:
    told = mistakes("experiment=tour_gan", "trainer.gradient_clip_val=1", "trainer.accumulate_grad_batches=2")
    assert len(told) == 2
    assert "trainer.gradient_clip_val (command line): does not work where the technique" in told[0]
    assert told[0].endswith("model.clip takes its place")


def test_options_refuse_what_does_not_fit_together() -> None:
    told = mistakes("experiment=gan_dcgan", "model.loss=wasserstein", "model.label_smoothing=0.1")
    assert any("has no target to smooth: set model.label_smoothing=0" in mistake for mistake in told)


def test_keys_of_the_default_lab_are_not_the_user_s() -> None:
    """Who names a model and no lab did not write them."""
    with pytest.raises(ConfigError, match=r"transfer_fonts, the lab .*: add '~experiment'$") as told:
        compose_and_check(["model=gan/dcgan", "data=gan/images"])
    assert len(told.value.mistakes) == 1
    with pytest.raises(ConfigError, match=r"model\.strategy .*unknown key"):
        compose_and_check(["experiment=transfer_fonts", "model=gan/dcgan"])
    compose_and_check(["~experiment", "model=gan/dcgan", "data=gan/images", "trainer.max_steps=1"])


def test_copied_mistake_is_listed_once() -> None:
    assert mistakes("seed=abc") == ["seed (command line): should be int, is 'abc'"]  # not data.seed, which is ${seed}


def test_mistake_in_a_file_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    composed = compose()
    composed.config["model"]["scale"] = "wide"
    assert any(m.startswith("model.scale (transfer/finetune.yaml)") for m in check(composed))


def test_broken_module_names_its_cause(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_module.py").write_text("import a_package_that_is_missing\n")
    monkeypatch.syspath_prepend(tmp_path)
    (told,) = mistakes("model._target_=broken_module.Net")
    assert "importing broken_module fails: No module named 'a_package_that_is_missing'" in told


def test_missing_import_or_missing_module(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_package").mkdir()
    (tmp_path / "broken_package" / "net.py").write_text("import broken\n")
    monkeypatch.syspath_prepend(tmp_path)
    (told,) = mistakes("model._target_=broken_package.net.Net")
    assert "importing broken_package.net fails: No module named 'broken'" in told
    (told,) = mistakes("model._target_=broken_package.nets.Net")
    assert "broken_package has no 'nets'; did you mean net?" in told


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("model.loss=hing", "model.loss (command line): should be one of non_saturating, minimax"),
        ("model.n_critic=0.5", "model.n_critic (command line): should be int, is 0.5"),
        ("+model.n_critics=2", "model.n_critics (command line): unknown key; did you mean n_critic?"),
    ],
)
def test_named_options_are_checked(word: str, message: str) -> None:
    assert any(message in mistake for mistake in mistakes("experiment=gan_dcgan", word))


@dataclass(frozen=True)
class Shared:
    rate: float = 0.1
    kind: Literal["a", "b"] = "a"


class ByUnpack(LightningModule):
    def __init__(self, **options: Unpack[Shared]) -> None: ...  # type: ignore[misc]


class ByType(LightningModule):
    options_type = Shared

    def __init__(self, **options: Any) -> None: ...


@pytest.mark.parametrize("technique", [ByUnpack, ByType])
def test_options_dataclass_fields_are_arguments(technique: type, monkeypatch: pytest.MonkeyPatch) -> None:
    composed = compose()
    monkeypatch.setattr(validate, "resolve_name", lambda name: technique if name == "mine" else resolve_name(name))
    composed.config["model"] = {"_target_": "mine", "rate": "fast", "kind": "c", "rat": 1}
    found = [mistake for mistake in check(composed) if mistake.startswith("model")]
    assert found == [
        "model.rate: should be float, is 'fast'",
        "model.kind: should be one of a, b, is 'c'",
        "model.rat: unknown key; did you mean rate?",
    ]
