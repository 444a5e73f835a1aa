"""``leyden advise``: what a technique advises for some data, before anything is trained."""

from collections.abc import Sequence

from leyden.bench.config.instantiate import build, prepared_data
from leyden.bench.config.validate import compose_and_check

OWN = "own_images"
"""The lab for images of one's own: the size, crop and rates that its backbone needs."""


def advise(overrides: Sequence[str]) -> None:
    """Prints the advice."""
    print(advice(overrides))


def advice(overrides: Sequence[str]) -> str:
    """The advice of the technique for the data that the overrides compose, on top of ``OWN`` where they name no lab.

    Raises:
        ConfigError: overrides that cannot be composed.
        ValueError: the technique gives no advice.
    """
    if not any(override.startswith("experiment=") for override in overrides):
        overrides = [f"experiment={OWN}", *overrides]
    composed = compose_and_check(overrides, whole=False, here=True)
    from leyden.core.technique import Advises, verbs_of  # here, because they bring torch
    from leyden.training.logs import setup_logging

    setup_logging(None)
    data = prepared_data(composed.config, composed.allow)
    model = build(composed.config["model"], composed.allow, **data.spec)
    if not isinstance(model, Advises):
        raise ValueError(
            f"{type(model).__name__} gives no advice, its verbs are: {verbs_of(model)}; choose a model that does "
            "(see leyden.core.technique.Advises)"
        )
    return model.advise(data, list(overrides))
