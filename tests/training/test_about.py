from pathlib import Path
from typing import Any

import pytest

from leyden.training.about import about_run

LAB = {"name": "gan_dcgan", "variant": None, "question": " Why? \n"}


@pytest.mark.parametrize(
    ("lab", "overrides", "name", "typed"),
    [
        ({}, [], "gan_dcgan seed=2", {}),
        (
            {},
            ["experiment=gan_dcgan", "seed=2", "+trainer.max_time=a/b", "model.lr=1e-3", "~report", "paths.outputs=x"],
            "gan_dcgan lr=1e-3 max_time=a-b seed=2",
            {"model.lr": 0.001, "trainer.max_time": "a/b"},
        ),
        ({"variant": "no mining"}, ["data/source@data.target=fonts", "sweep.jobs=1", "logger=[csv,wandb]"],
         "gan_dcgan no mining source=fonts seed=2", {"variant": "no mining", "data/source@data.target": "fonts"}),
        ({}, ["model.a=true", f"model.b={'x' * 40}", "model.c=3"], "gan_dcgan a=true c=3 seed=2",
         {"model.a": True, "model.b": "x" * 40, "model.c": 3}),
    ],
)  # fmt: skip
def test_name_and_hyperparameters_are_what_was_typed(
    lab: dict[str, Any], overrides: list[str], name: str, typed: dict[str, Any]
) -> None:
    config = {"lab": LAB | lab, "seed": 2, "paths": {"outputs": "outputs"}}
    about = about_run(config, overrides)
    assert about.name == name
    assert about.typed == {"seed": 2, **typed}
    assert about.texts["question"] == "Why?"
    assert about.texts["config"].startswith("```yaml\nlab:\n  name: gan_dcgan\n")
    assert about.outputs == Path("outputs")
