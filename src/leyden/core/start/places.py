"""Files and folders that a config names, looked for before anything is imported to read them."""

from collections.abc import Iterator
from os.path import exists, expanduser, isdir, isfile  # which raise nothing, whatever is typed
from pathlib import Path
from typing import Any

from leyden.core.allow_list import targets

WEIGHTS = (".pt", ".pth", ".ckpt", ".safetensors", ".bin")
"""Endings of files with weights."""


def folder_problem(root: str) -> str | None:
    """Why nothing can be read below ``root``; None where it is a folder."""
    if isdir(root):
        return None
    what = "this is a file: unpack it, and give the folder" if isfile(root) else "no such folder"
    return f"{what} (looked from {Path.cwd()})"


def missing_places(config: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Pairs of a dotted key and a sentence: a data source's ``root``, or a file of weights, that is not there.

    Of sources only ours are looked at that cannot fetch what is missing: those without ``download``.

    Args:
        config: of a run.
    """
    for key, node in targets(config):
        root, ours = node.get("root"), str(node["_target_"]).startswith("leyden.data.source.")
        if ours and isinstance(root, str) and "download" not in node and (problem := folder_problem(expanduser(root))):
            yield f"{key}.root", f"{key}.root={root}: {problem}"
        weights = {name: value for name, value in node.items() if str(name).endswith("weights")}
        for name, value in weights.items():
            if isinstance(value, str) and _is_path(value) and not exists(expanduser(value)):
                yield f"{key}.{name}", f"{key}.{name}: no file or folder {value!r} (looked from {Path.cwd()})"


def _is_path(value: str) -> bool:
    """Whether a text is a path rather than a name of published weights, which may have a slash, too."""
    first, slash, _ = expanduser(value).partition("/")
    return value.endswith(WEIGHTS) or bool(slash and (first in ("", ".", "..") or isdir(first)))
