"""Small things that tests of the command line share."""

import json
from pathlib import Path
from typing import Any

FAST = ["debug=smoke", "model.source_epochs=1"]
"""Words that make the default lab a matter of a second."""


def read_json(file: Path) -> Any:
    return json.loads(file.read_text())
