"""Where the images of a run's record lie. Imports no torch."""

import re
from pathlib import Path

LEARNING_CURVES = "images/learning_curves.png"


def last_image(folder: Path, tag: str | None) -> Path | None:
    """The newest ``images/<tag>_<step>.png`` of a record; None where there is none."""
    files = (folder / "images").glob(f"{tag}_*.png") if tag else ()
    return max((file for file in files if re.fullmatch(rf"{tag}_\d+", file.stem)), default=None)
