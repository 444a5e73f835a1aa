"""Variants of a lab: named sets of overrides in the lab's own file, one of which a job chooses by ``lab.variant=NAME``.

They stand in ``lab.variants``, and are applied as if they had been typed before the overrides that were typed, which
have the last word::

    lab:
      variants:
        standard: {}
        no mining: {model.negatives: null}
        YOLO: {model: detection/yolo, model.boxes: 2}
        DCGAN: {model: gan/dcgan, ~model.coarsest: null}  # which the lab sets, and a DCGAN does not have
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import hydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override, Quote, QuotedString
from omegaconf import OmegaConf

CHOICE = "lab.variant"
_OF_THE_LAB = re.compile(r"[+~]*(experiment|hydra\.searchpath|lab)\b")


def with_variant(overrides: Sequence[str]) -> list[str]:
    """The overrides of the chosen variant, then those that were typed; below ``hydra_over_conf``.

    Raises:
        ConfigError: the lab has no such variant.
    """
    name = chosen(overrides)
    if name is None:
        return list(overrides)
    known = variants_of(overrides)
    if name not in known:
        from leyden.bench.config.compose import ConfigError
        from leyden.core.start.nearest import nearest

        raise ConfigError([f"{CHOICE}: no variant {name!r}{nearest(name, known) if known else ' in this lab'}"])
    typed = {_key(text) for text in overrides}
    return [text for text in _texts(known[name]) if _key(text) not in typed] + list(overrides)


def chosen(overrides: Sequence[str]) -> str | None:
    """The variant that overrides choose; None where they choose none, or sweep over several."""
    last = next((read(text) for text in overrides[::-1] if _key(text) == CHOICE), None)
    return None if last is None or last.value() is None or last.is_sweep_override() else str(last.value())


def variants_of(overrides: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The variants of the lab that overrides choose; below ``hydra_over_conf``."""
    own = [text for text in overrides if _OF_THE_LAB.match(text) and _key(text) != CHOICE]
    own = [text for text in own if not read(text).is_sweep_override()]
    found: Any = OmegaConf.to_container(hydra.compose("config", own).lab.variants)
    return {str(name): content or {} for name, content in (found or {}).items()}


def spelled_out(overrides: Sequence[str], known: Sequence[str]) -> list[str]:
    """Overrides in which ``lab.variant=glob(...)`` has become the names that it matches, of those that are known."""
    texts = []
    for text in overrides:
        value = read(text).value() if _key(text) == CHOICE else None
        names: list[str] = value.filter(list(known)) if isinstance(value, Glob) else []
        texts.append(f"{CHOICE}={','.join(map(quoted, names))}" if names else text)
    return texts


def read(override: str) -> Override:
    """Hydra's reading of one override."""
    return OverridesParser.create().parse_overrides([override])[0]


def quoted(text: str) -> str:
    """A text as one value of Hydra's override syntax, whatever is in it."""
    return QuotedString(text, Quote.single).with_quotes()


def _texts(variant: dict[str, Any], key: str = "") -> Iterator[str]:
    """A variant as it would be typed."""
    for name, value in variant.items():
        whole = f"{key}.{name}".lstrip(".")
        if isinstance(value, dict) and value:
            yield from _texts(value, whole)
        elif whole.startswith("~"):
            yield whole
        else:
            yield f"{whole}={_text(value)}"


def _text(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list):
        return f"[{','.join(map(_text, value))}]"
    if isinstance(value, dict):
        return "{}"
    if isinstance(value, str):
        return quoted(value)
    return repr(value)


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~").strip()
