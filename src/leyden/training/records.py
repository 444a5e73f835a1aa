"""The technique behind an earlier run, for one that begins with what it learnt."""

from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import yaml

from leyden.core.allow_list import NotAllowedError, from_environment, why_not
from leyden.core.yaml_file import LOADER
from leyden.nets.weights import best_checkpoint


def technique_class(folder: Path, key: str) -> Any:
    """The class of a record's technique.

    Args:
        folder: of one run.
        key: the config key that named it, for messages.

    Raises:
        NotAllowedError: the record names code that is not allowed.
    """
    target = yaml.load((folder / "config.yaml").read_text(), LOADER)["model"]["_target_"]
    if reason := why_not(target, from_environment()):
        raise NotAllowedError(f"{key}={folder}: refused: {reason}")
    return resolve_name(target)


def technique_of(path: Path, key: str) -> Any:
    """The technique of a record, with its best weights.

    Args:
        path: the folder of a run (of several: the newest), or a checkpoint in one.
        key: the config key that named it, for messages.

    Raises:
        FileNotFoundError: there is none.
        NotAllowedError: the record names code that is not allowed.
    """
    checkpoint = best_checkpoint(path, key) if path.is_dir() else path
    folder = checkpoint.parent.parent
    if not checkpoint.is_file() or not (folder / "config.yaml").is_file():
        raise FileNotFoundError(f"{key}: {path} is no checkpoint in the record of a run: give the record's folder")
    technique = technique_class(folder, key)
    return technique.load_from_checkpoint(checkpoint, map_location="cpu", weights_only=True)
