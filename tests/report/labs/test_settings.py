from typing import Any

import pytest

from leyden.report.labs.settings import differing_settings, listed, same_run

CONFIG: dict[str, Any] = {
    "seed": 3,
    "lab": {"name": "one"},
    "paths": {"outputs": "outputs"},
    "model": {"_target_": "a.A", "weights": "imagenet", "cache": "memory", "truncate": {"at": "stage1"}, "lr": 1},
    "data": {"_target_": "b.B", "seed": 3, "source": {"_target_": "c.C", "seed": 0}},
    "trainer": {"devices": 1, "accelerator": "cpu", "max_epochs": 5, "log_every_n_steps": 10},
    "callbacks": {},
}


def changed(key: str, value: Any) -> dict[str, Any]:
    parts = key.split(".")
    config = node = {**CONFIG}
    for part in parts[:-1]:
        node[part] = {**node[part]}
        node = node[part]
    node[parts[-1]] = value
    return config


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("trainer.max_epochs", 6, ["trainer.max_epochs"]),
        ("model.truncate.at", "stem", ["model.truncate.at"]),
        ("model.truncate", {}, ["model.truncate.at"]),
        ("model.new", None, ["model.new"]),
        ("model.weights", None, ["model.weights"]),
        ("model.weights", "IMAGENET1K_V2", ["model.weights"]),
        ("data.source", {"_target_": "d.D", "root": "x"}, ["data.source"]),
        ("data.source.seed", 3, ["data.source.seed"]),  # of the drawing, not of the run
        ("data.seed", 4, ["data.seed"]),
        ("callbacks.ema", {"decay": 0.9}, ["callbacks.ema.decay"]),
        ("trainer.devices", 8, []),
        ("trainer.log_every_n_steps", 1, []),
        ("model.cache", "folder", []),
        ("lab.name", "two", []),
        ("paths.outputs", "elsewhere", []),
        ("callbacks.progress", {"every_seconds": 1}, []),
        ("logger", {"files": None}, []),
    ],
)
def test_settings_that_decide_are_named(key: str, value: Any, expected: list[str]) -> None:
    assert sorted(differing_settings(CONFIG, changed(key, value))) == sorted(expected)
    assert sorted(differing_settings(changed(key, value), CONFIG)) == sorted(expected)


def test_runs_of_two_seeds_are_two() -> None:
    assert same_run(CONFIG, changed("trainer.devices", 8))
    assert not same_run(CONFIG, changed("trainer.max_epochs", 8))
    assert not same_run(CONFIG, changed("data.seed", 4) | {"seed": 4})


def test_seed_and_its_copies_are_free() -> None:
    other = changed("data.seed", 4) | {"seed": 4}
    assert differing_settings(CONFIG, other) == []


def test_published_weights_may_lie_in_any_file(tmp_path: Any) -> None:
    file = tmp_path / "weights.pth"
    assert differing_settings(CONFIG, changed("model.weights", str(file))) == ["model.weights"]
    file.touch()
    assert differing_settings(CONFIG, changed("model.weights", str(file))) == []


def test_many_settings_are_counted() -> None:
    assert listed(["a", "b"]) == "a, b"
    assert listed(list("abcdefgh")) == "a, b, c, d, e, f and 2 more"
