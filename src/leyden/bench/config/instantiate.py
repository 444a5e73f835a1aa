"""The one place that turns a config node into an object."""

from collections.abc import Mapping
from typing import Any

import hydra
from hydra.errors import InstantiationException

from leyden.bench.config.allow_list import refuse_foreign_code


def build(node: Mapping[str, Any], **arguments: Any) -> Any:
    """Calls what ``node["_target_"]`` names with the node's other keys and ``arguments``; inner nodes come first.

    Lists and dicts arrive as plain ones, so that what a module saves as hyperparameters loads under
    ``weights_only=True``.

    Raises:
        TrustError: it names what was neither composed here nor may stand in a record.
        Exception: whatever the target raises, unwrapped.
    """
    refuse_foreign_code(node)
    try:
        return hydra.utils.instantiate(dict(node), _convert_="all", **arguments)
    except InstantiationException as error:
        # What the class itself said is the news; Hydra's wrapping of it is not.
        raise error.__cause__ or error from None


def build_all(nodes: Mapping[str, Mapping[str, Any]], **arguments: Any) -> list[Any]:
    """Builds every member of a group such as ``callbacks``; a member that was set to null is left out."""
    return [build(node, **arguments) for node in nodes.values() if node]
