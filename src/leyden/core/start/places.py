"""Files and folders that a config names, looked for before anything is imported to read them."""

import re
from collections.abc import Iterator
from os.path import exists, expanduser, isdir, isfile  # which raise nothing, whatever is typed
from pathlib import Path
from typing import Any

from leyden.core.allow_list import targets

NAMED = re.compile(r"(weights|teacher|checkpoint|tokenizer)$")
"""The ends of keys whose value may be the path of something trained."""
ENDINGS = (".pt", ".pth", ".ckpt", ".safetensors", ".bin", ".json")
"""Of files with weights, or with a tokenizer."""


def folder_problem(root: str) -> str | None:
    """Why nothing can be read below ``root``; None where it is a folder."""
    if isdir(root):
        return None
    what = "this is a file: unpack it, and give the folder" if isfile(root) else "no such folder"
    return f"{what} (looked from {Path.cwd()})"


def missing_places(config: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Pairs of a dotted key and a sentence: a source's ``root`` or ``file``, or what was trained, that is not there.

    Of sources only ours are looked at that cannot fetch what is missing: those without ``download``.

    Args:
        config: of a run.
    """
    for key, node in targets(config):
        root, ours = node.get("root"), str(node["_target_"]).startswith("leyden.data.source.")
        if ours and isinstance(root, str) and "download" not in node and (problem := folder_problem(expanduser(root))):
            yield f"{key}.root", f"{key}.root={root}: {problem}"
        file = node.get("file")
        if ours and isinstance(file, str) and not exists(expanduser(file)):
            yield f"{key}.file", f"{key}.file={file}: no such file (looked from {Path.cwd()})"
        trained = {name: value for name, value in node.items() if NAMED.search(str(name))}
        for name, value in trained.items():
            if isinstance(value, str) and _is_path(value) and not exists(expanduser(value)):
                yield f"{key}.{name}", f"{key}.{name}: no file or folder {value!r} (looked from {Path.cwd()})"


def _is_path(value: str) -> bool:
    """Whether a text is a path rather than the name of something published, which may have a slash, too."""
    if re.match(r"\w{2,}:", value):  # such as open_clip:ViT-B-32/PATH, which only that library can read
        return False
    first, slash, _ = expanduser(value).partition("/")
    return value.endswith(ENDINGS) or bool(slash and (first in ("", ".", "..") or isdir(first)))
