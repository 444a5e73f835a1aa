"""The one place that turns a config node into an object."""

from collections.abc import Collection, Mapping
from typing import Any

import hydra
from hydra.errors import InstantiationException

from leyden.core.allow_list import refuse_unknown_code


def build(node: Mapping[str, Any], allow: Collection[str] = (), **arguments: Any) -> Any:
    """Calls what ``node["_target_"]`` names with the node's other keys and ``arguments``; inner nodes come first.

    Lists and dicts arrive as plain ones, so that what a module saves as hyperparameters loads under
    ``weights_only=True``.

    Args:
        node: plain and resolved.
        allow: what it may name besides known classes (see ``allow_list``): ``Composed.allow`` or ``Record.allow``.
        arguments: passed to the target besides the node's own.

    Raises:
        NotAllowedError: it names something that is not allowed.
        Exception: whatever the target raises, unwrapped.
    """
    refuse_unknown_code(node, allow)
    try:
        return hydra.utils.instantiate(dict(node), _convert_="all", **arguments)
    except InstantiationException as error:
        # The class's own error says what is wrong; Hydra's wrapping of it does not.
        raise error.__cause__ or error from None


def build_all(nodes: Mapping[str, Mapping[str, Any]], allow: Collection[str] = (), **arguments: Any) -> list[Any]:
    """Builds every member of a group such as ``callbacks``; a member that was set to null is left out."""
    return [build(node, allow, **arguments) for node in nodes.values() if node]


def prepared_data(config: Mapping[str, Any], allow: Collection[str] = ()) -> Any:
    """The DataModule of a run's config, which knows its examples."""
    data = build(config["data"], allow)
    data.prepare_data()
    return data
