"""Variants of a lab: named sets of overrides in the lab's own file, one of which a job chooses by ``lab.variant=NAME``.

They stand in ``lab.variants``, and are applied as if they had been typed before the overrides that were typed, which
have the last word::

    lab:
      variants:
        standard: {}
        no mining: {model.negatives: null}
        YOLO: {model: detection/yolo, model.boxes: 2}
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import hydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Quote, QuotedString
from omegaconf import OmegaConf

CHOICE = "lab.variant"
_PLAIN = re.compile(r"[A-Za-z][\w./-]*")
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
        from leyden.core.arguments import nearest

        raise ConfigError([f"{CHOICE}: no variant {name!r}{nearest(name, known) if known else ' in this lab'}"])
    typed = {_key(text) for text in overrides}
    return [text for text in _texts(known[name]) if _key(text) not in typed] + list(overrides)


def chosen(overrides: Sequence[str]) -> str | None:
    """The variant that overrides choose; None where they choose none, or sweep over several."""
    for text in overrides[::-1]:
        if _key(text) == CHOICE:
            [override] = OverridesParser.create().parse_overrides([text])
            value = override.value()
            return None if value is None or override.is_sweep_override() else str(value)
    return None


def variants_of(overrides: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The variants of the lab that overrides choose; below ``hydra_over_conf``."""
    own = [text for text in overrides if _OF_THE_LAB.match(text) and _key(text) != CHOICE and not _sweeps(text)]
    found: Any = OmegaConf.to_container(hydra.compose("config", own).lab.variants)
    return {str(name): content or {} for name, content in (found or {}).items()}


def spelled_out(overrides: Sequence[str], known: Sequence[str]) -> list[str]:
    """Overrides in which ``lab.variant=glob(...)`` has become the names that it matches, of those that are known."""
    return [_spelled_out(text, known) if _key(text) == CHOICE else text for text in overrides]


def quoted(text: str) -> str:
    """A text as one value of Hydra's override syntax, whatever is in it."""
    return QuotedString(text, Quote.single).with_quotes()


def _spelled_out(text: str, known: Sequence[str]) -> str:
    [override] = OverridesParser.create().parse_overrides([text])
    value = override.value()
    if not isinstance(value, Glob):
        return text
    names = value.filter(list(known))
    return f"{CHOICE}={','.join(map(quoted, names))}" if names else text


def _texts(variant: dict[str, Any], key: str = "") -> Iterator[str]:
    """A variant as it would be typed."""
    for name, value in variant.items():
        whole = f"{key}.{name}".lstrip(".")
        if isinstance(value, dict) and value:
            yield from _texts(value, whole)
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
        return value if _PLAIN.fullmatch(value) and value.lower() not in ("null", "true", "false") else quoted(value)
    return repr(value)


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~").strip()


def _sweeps(override: str) -> bool:
    return OverridesParser.create().parse_overrides([override])[0].is_sweep_override()
