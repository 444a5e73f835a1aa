"""Small things that tests of the command line share."""

import json
from pathlib import Path
from typing import Any

import hydra
import yaml
from omegaconf import DictConfig

from leyden.bench.config.compose import hydra_over_conf
from leyden.bench.config.groups import file_of
from leyden.bench.config.variants import spelled_out

FAST = ["debug=smoke", "data/source=digits", "data.image_size=null", "model.source_epochs=1"]
"""Words that make the default lab a matter of a second."""


def chosen(experiment: str) -> list[str]:
    """The words that choose an experiment, with a folder for recipes that are for data of the user's own."""
    return [f"experiment={experiment}", *(["data.source.root=FOLDER"] if experiment.startswith("own_") else [])]


def read_json(file: Path) -> Any:
    return json.loads(file.read_text())


def master(*overrides: str) -> DictConfig:
    """Hydra's config of a sweep itself."""
    with hydra_over_conf():
        return hydra.compose("config", list(overrides), return_hydra_config=True)


def own_sweep(config: DictConfig) -> list[str]:
    """The overrides of a lab's own sweep."""
    params = config.hydra.sweeper.params or {}
    return spelled_out([f"{key}={values}" for key, values in params.items()], list(config.lab.variants))


def swept(lab: str) -> list[str]:
    """The variants that a lab compares."""
    return list(yaml.safe_load(file_of("experiment", lab).read_text())["lab"].get("variants", {}))
