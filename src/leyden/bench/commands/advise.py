"""What a technique advises for some data, before anything is trained."""

from collections.abc import Sequence

from leyden.bench.config.instantiate import build
from leyden.bench.config.validate import compose_and_check
from leyden.bench.run.logs import setup_logging
from leyden.core.technique import Advises


def advise(words: Sequence[str]) -> str:
    """Builds the data and the technique that the words compose, and asks it.

    Raises:
        ConfigError: words that cannot be composed.
        ValueError: the technique gives no advice.
    """
    typed = list(words)
    lab = [] if any(word.startswith("experiment=") for word in typed) else ["~experiment"]
    setup_logging(None)
    composed = compose_and_check([*lab, *typed])
    config = composed.config
    data = build(config["data"], composed.allow)
    data.prepare_data()
    model = build(config["model"], composed.allow, **data.spec)
    if not isinstance(model, Advises):
        raise ValueError(
            f"{type(model).__name__} gives no advice: choose a model that does (see leyden.core.technique.Advises)"
        )
    return model.advise(data, [*lab, *typed])
