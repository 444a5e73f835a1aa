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
        ("checkpoint.every_n_steps=often", "checkpoint.every_n_steps (command line): should be int | None, is 'often'"),
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
