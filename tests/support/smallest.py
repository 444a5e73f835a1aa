"""Every technique in the smallest setting in which it still does all that it does."""

import re
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

ROOT = Path(__file__).parents[2]
MODELS = sorted(
    file.relative_to(ROOT / "conf" / "model").with_suffix("").as_posix()
    for file in (ROOT / "conf" / "model").rglob("[!_]*.yaml")
)
"""Options of the group ``model``."""

LITTLE: dict[str, Any] = {
    "data.batch_size": 4,
    "data.modes": 2,
    "model.pac": 2,
    "data.eval_batch_size": 8,
    "data.train_size": 40,
    "data.source.train": 32,
    "data.source.val": 8,
    "data.source.test": 8,
    "data.source.train_each": 2,
    "data.source.val_each": 1,
    "data.source.test_each": 1,
    "data.source.shapes.train_each": 20,
    "data.source.shapes.val_each": 8,
    "data.source.shapes.test_each": 8,
    "data.source.max_per_package": 20,
    "data.source.songs": 24,
    "data.source.music.songs": 24,
    "model.eval_songs": 4,
    "model.source_epochs": 1,
    "model.pretraining_steps": 2,
    "model.source_steps": 2,
    "model.fisher_samples": 2,
    "model.teacher_epochs": 1,
    "model.teacher_steps": 2,
    "model.source_views": 1,
    "model.score_threshold": 1e-4,  # what has learnt so little predicts boxes, too
    "model.eval_draws": 1,
    "model.eval_samples": 64,
    "model.svm_images": 8,
    "model.fitted_texts": 8,
    "model.detail_every": 2,  # LAPGAN's details are among what learns
}
"""For configs that have the key, with a number."""
PACKAGES = "data.source.packages"
"""Whose docstrings are read: small ones."""
MORE = "data.more"
"""Texts that are read besides, of which there are none in a small setting."""
CHECKPOINT = "model.checkpoint"
"""What was trained elsewhere; in a small setting a network that has learnt nothing."""


def own_file(model: str) -> dict[str, Any]:
    """The YAML of a model, as it is written."""
    node = OmegaConf.load(ROOT / "conf" / "model" / f"{model}.yaml")  # not PyYAML, to which 2e-4 is text
    return OmegaConf.to_container(node)  # type: ignore[return-value]


def values_of(model: str) -> dict[str, Any]:
    """A model's YAML with what it includes, nothing composed or resolved."""
    values: dict[str, Any] = {}
    for entry in own_file(model).get("defaults", []):
        if entry != "_self_":
            group, option = next(iter(entry.items())) if isinstance(entry, dict) else entry.rsplit("/", 1)
            group = group.split("@")[0].removeprefix("/model/")
            values |= values_of(f"{group}/{option.split('@')[0]}")
    return values | {key: value for key, value in own_file(model).items() if key != "defaults"}


def derived_from(model: str) -> str | None:
    """The model that this one's YAML starts from and changes, such as ``detection/ssd`` for ``detection/ssd300``."""
    for entry in own_file(model).get("defaults", []):
        if isinstance(entry, dict) and (group := next(iter(entry)).split("@")[0]).startswith("/model/"):
            return f"{group.removeprefix('/model/')}/{next(iter(entry.values()))}"
    return None


def lab_of(model: str) -> list[str]:
    """The lab that needs no download and trains ``model``, by preference the one of its name, as overrides.

    It may be a variant of a lab that trains another.
    """
    texts = {file.stem: file.read_text() for file in sorted((ROOT / "experiments").glob("*.yaml"))}
    labs = [
        name
        for name, text in texts.items()
        if re.search(rf"override /model: {model}\s", text) and "paths.data=" not in text and not name.startswith("_")
    ]
    if labs:
        return [f"experiment={min(labs, key=lambda lab: lab != model.replace('/', '_'))}"]
    for name, text in texts.items():
        inside = next(
            (variant for variant in re.findall(rf"^    (.+): {{model: {model}[,}}]", text, re.MULTILINE)), None
        )
        heirs = [name, *(heir for heir, own in texts.items() if f"\n  - {name}\n" in own)]
        free = [heir for heir in heirs if not heir.startswith("_") and "paths.data=" not in texts[heir]]
        if inside and (lab := next(iter(free), None)):
            return [f"experiment={lab}", f"lab.variant='{inside}'"]
    raise ValueError(f"no lab trains {model}: add experiments/{model.replace('/', '_')}.yaml, or a variant of a lab")


def little(config: dict[str, Any]) -> list[str]:
    """Overrides that make a composed config small."""
    numbers = [f"{key}={value}" for key, value in LITTLE.items() if _is_number(_value(config, key))]
    absent = {MORE: "null", CHECKPOINT: "none", PACKAGES: "[jinja2,joblib]"}
    return numbers + [f"{key}={value}" for key, value in absent.items() if _value(config, key)]


def _value(node: Any, key: str) -> Any:
    for part in key.split("."):
        node = node.get(part) if isinstance(node, dict) else None
    return node


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
