"""Hooks of mkdocs: images lie in ``outputs/``, outside of the pages, so that links work on GitHub and on the site."""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

OUTPUTS = Path(__file__).parents[1] / "outputs"


def on_files(files: Files, config: Any) -> Files:
    """Adds the images to the site."""
    for file in sorted(OUTPUTS.glob("*.png")):
        files.append(File.generated(config, f"images/{file.name}", abs_src_path=str(file)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Points at the images where the site has them."""
    return re.sub(r"\]\(((?:\.\./)+)outputs/", lambda up: f"]({up[1][3:]}images/", markdown)
