import re
import shlex
from pathlib import Path

import pytest
import yaml

from leyden.bench.config.compose import ConfigError, compose
from leyden.bench.config.groups import CONF, file_of, options
from leyden.bench.config.overrides import wrong_overrides
from leyden.cli.verbs import VERBS


def test_default_lab_is_composed() -> None:
    composed = compose(["seed=0"])
    assert composed.config["lab"]["name"] == composed.choices["experiment"] == "transfer_fonts"
    assert composed.config["data"]["seed"] == composed.config["seed"] == 0
    assert "hydra" not in composed.config


def test_every_file_is_a_lab() -> None:
    assert options("experiment") == sorted(file.stem for file in (CONF.parent / "experiments").glob("[!_]*.yaml"))


@pytest.mark.parametrize("name", options("experiment"))
def test_every_lab_has_header_title_minutes(name: str) -> None:
    lines = file_of("experiment", name).read_text().splitlines()
    assert lines[0] == "# @package _global_"
    assert re.match(rf"# leyden run experiment={name}\b", lines[1])
    lab = yaml.safe_load("\n".join(lines))["lab"]
    assert lab["title"]
    assert lab.get("question") or name.startswith("own_")
    assert lab["minutes"] > 0


def test_commands_that_labs_offer_can_be_composed() -> None:
    offered = [
        shlex.split(command)
        for name in options("experiment")
        for command in (yaml.safe_load(file_of("experiment", name).read_text())["lab"].get("next") or {}).values()
    ]
    assert len(offered) >= 10
    for leyden, verb, *words in offered:
        assert (leyden, verb in VERBS) == ("leyden", True)
        if verb in ("run", "sweep"):
            assert compose(words).config["lab"]["name"] == words[0].removeprefix("experiment=")


def test_options_leave_inner_groups_out() -> None:
    assert "transfer/images" in options("data")
    assert not any(name.startswith("source") for name in options("data"))
    assert "digits" in options("data/source")


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("experiment=tour_transfr", "experiment=tour_transfr: no such option; did you mean tour_transfer?"),
        ("model=transfer/finetun", "did you mean transfer/finetune?"),
        ("data/source=digitz", "did you mean digits?"),
        ("trainer.devics=1", "trainer.devics: unknown key; did you mean trainer.devices?"),
        ("model.truncat=x", "model.truncat: unknown key; did you mean model.truncate?"),
        ("trainr=cpu", "trainr: unknown key; did you mean trainer?"),
        ("seed.x=1", "seed has no keys below it"),
        ("experiment=glob(nothing_*)", "matches nothing"),
        ("a b", "a b: "),
    ],
)
def test_wrong_override_names_the_nearest(word: str, message: str) -> None:
    assert message in wrong_overrides([word])[word]


def test_key_without_default_must_be_given() -> None:
    with pytest.raises(ConfigError, match=r"data\.source\.root: has no default, add data\.source\.root="):
        compose(["data/source=image_folder"])
    words = ["data/source=image_folder", "data.source.root=here"]
    assert wrong_overrides(words) == {}
    assert compose(words).config["data"]["source"]["root"] == "here"


def test_all_wrong_overrides_are_listed() -> None:
    with pytest.raises(ConfigError) as caught:
        compose(["sed=1", "trainer=cpx", "trainer.max_epoch=1"])
    assert len(caught.value.mistakes) == 3


def test_labs_may_lie_outside_the_repository(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text("# @package _global_\nseed: 7\n")
    words = [f"hydra.searchpath=[file://{tmp_path}]", "experiment=mine"]
    assert wrong_overrides(words) == {}
    assert compose(words).config["seed"] == 7
    assert wrong_overrides([words[0], "experiment=yours"])
