"""The one place that turns a config node into an object."""

from collections.abc import Iterator, Mapping
from typing import Any

import hydra
from hydra.errors import InstantiationException


def build(node: Mapping[str, Any], **arguments: Any) -> Any:
    """Calls what ``node["_target_"]`` names with the node's other keys and ``arguments``; inner nodes come first.

    Lists and dicts arrive as plain ones, so that what a module saves as hyperparameters loads under
    ``weights_only=True``.

    Raises:
        Exception: whatever the target raises, unwrapped.
    """
    try:
        return hydra.utils.instantiate(dict(node), _convert_="all", **arguments)
    except InstantiationException as error:
        # What the class itself said is the news; Hydra's wrapping of it is not.
        raise error.__cause__ or error from None


def build_all(nodes: Mapping[str, Mapping[str, Any]], **arguments: Any) -> list[Any]:
    """Builds every member of a group such as ``callbacks``; a member that was set to null is left out."""
    return [build(node, **arguments) for node in nodes.values() if node]


def targets(config: Any, key: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every node of ``config`` that has a ``_target_``, with its dotted key."""
    if isinstance(config, dict):
        if "_target_" in config:
            yield key, config
        for name, value in config.items():
            yield from targets(value, f"{key}.{name}".lstrip("."))
    elif isinstance(config, list):
        for index, value in enumerate(config):
            yield from targets(value, f"{key}.{index}")
