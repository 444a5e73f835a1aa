"""In which settings two configs differ, of those that decide what a run reaches."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from leyden.report.runs import ABSENT, value_at

FREE = re.compile(
    r"(lab|paths|logger|sweep|report|checkpoint|seed|callbacks\.(progress|summary))(\..*)?"
    r"|model\.(cache|memory_format)|data\.(workers|in_memory|eval_batch_size)"
    r"|trainer\.(accelerator|devices|num_nodes|strategy|precision|deterministic|benchmark|use_distributed_sampler"
    r"|log_every_n_steps|enable_\w+|profiler)"
)
"""What a run may have of its own: seed, devices with the numbers that they compute in, places, logging, caches."""
WEIGHTS = ("model.weights", "callbacks.pretrained.record")
"""Keys that say where weights come from: the file of published ones may lie anywhere, and a record too."""
NAMED = 6
"""Settings that are named one by one; the rest is counted."""


def differing_settings(config: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """The dotted keys that have other values in ``other``, but for ``FREE`` ones.

    Where a ``_target_`` differs, the part is named without its other keys. A key named ``seed`` that holds the run's
    own seed in both is free as well.

    Args:
        config: plain and resolved.
        other: likewise.
    """
    found = list(dict.fromkeys(key for key in (*_leaves(config), *_leaves(other)) if _differ(config, other, key)))
    parts = [key.removesuffix("._target_") for key in found if key.endswith("._target_")]
    rest = [key for key in found if not any(key.startswith(f"{part}.") for part in parts)]
    return [part for part in parts if not any(part.startswith(f"{above}.") for above in parts)] + rest


def same_run(config: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two runs have one seed and no setting in which they differ."""
    return config.get("seed") == other.get("seed") and not differing_settings(config, other)


def listed(keys: Sequence[str]) -> str:
    """Keys in one line; many are counted."""
    more = f" and {len(keys) - NAMED} more" if len(keys) > NAMED else ""
    return ", ".join(keys[:NAMED]) + more


def _differ(config: Mapping[str, Any], other: Mapping[str, Any], key: str) -> bool:
    first, second = value_at(config, key), value_at(other, key)
    if first == second or FREE.fullmatch(key):
        return False
    if key in WEIGHTS and _is_place(first) and _is_place(second):
        return False
    if isinstance(first, Mapping) or isinstance(second, Mapping):  # the keys below differ, if it has any
        return not (first or second) or ABSENT in (first, second)
    return not (key.endswith(".seed") and first == config.get("seed") and second == other.get("seed"))


def _is_place(value: Any) -> bool:
    return value == "imagenet" or (isinstance(value, str) and Path(value).expanduser().exists())


def _leaves(node: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for key, value in node.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}"
