"""Small things that tests of the command line share."""

import json
from pathlib import Path
from typing import Any

import yaml

from leyden.bench.config.groups import file_of

FAST = ["debug=smoke", "model.source_epochs=1"]
"""Words that make the default lab a matter of a second."""


def read_json(file: Path) -> Any:
    return json.loads(file.read_text())


def swept(lab: str) -> list[str]:
    """The variants that a lab's sweep goes through."""
    sweep = yaml.safe_load(file_of("experiment", lab).read_text()).get("hydra", {}).get("sweeper", {})
    named = sweep.get("params", {}).get("variant")
    return named.replace(" ", "").split(",") if named else []
