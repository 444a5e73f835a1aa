"""What a run is in few words: for loggers that show many runs side by side."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from leyden.training.loggers import About

UNSAID = ("experiment", "lab.variant", "seed", "sweep", "report", "paths", "hydra", "logger", "callbacks", "checkpoint")
"""Overrides, or groups of them, that do not tell runs apart, or that a name has anyway."""
WIDTH = 40
"""Characters of a name without its seed; what does not fit is left out (TensorBoard shows about forty in a line)."""


def about_run(config: Mapping[str, Any], overrides: Sequence[str]) -> About:
    """Name, hyperparameters and texts of a run.

    Args:
        config: the resolved one, of which ``lab``, ``seed`` and ``paths`` are needed.
        overrides: what was typed or swept, such as ``+model.lr=0.1``; what only takes something away is left out.
    """
    lab, seed = config["lab"], config["seed"]
    pairs = [text.lstrip("+").partition("=")[::2] for text in overrides if not text.startswith("~")]
    typed = {key: value for key, value in pairs if not _tells_nothing(key)}
    variant = [str(lab["variant"])] if lab.get("variant") else []
    first = sorted(typed, key=lambda key: not key.startswith(("model", "data")))  # what is learnt, then how long
    told = [f"{key.split('@')[0].replace('/', '.').rpartition('.')[2]}={typed[key]}" for key in first]
    name = " ".join([str(lab["name"]), *variant]).replace("/", "-")
    for text in (text.replace("/", "-") for text in told):
        name += f" {text}" if len(name) + len(text) < WIDTH else ""
    parts = {**({"variant": variant[0]} if variant else {}), **{key: _plain(value) for key, value in typed.items()}}
    question = str(lab.get("question") or "").strip()
    text = yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True)
    texts = {**({"question": question} if question else {}), "config": f"```yaml\n{text}```"}
    return About(f"{name} seed={seed}", {"seed": seed, **parts}, texts, Path(config["paths"]["outputs"]))


def _tells_nothing(key: str) -> bool:
    return any(key == aside or key.startswith((f"{aside}.", f"{aside}/")) for aside in UNSAID)


def _plain(value: str) -> bool | int | float | str:
    """A number or a truth value where the text is one."""
    if value in ("true", "false"):
        return value == "true"
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value
