"""Log lines on the terminal and in the record's ``run.log``: Leyden's, Lightning's and Python's warnings."""

import logging
import sys
from pathlib import Path

QUIET = (
    "litlogger",  # advertisements, which Lightning 2.6 cannot switch off
    "litmodels",
    "`isinstance(treespec, LeafSpec)`",  # Lightning's own business with newer torch
    "is not supported by the model summary",  # a size in MB that is printed for 32 bits
    "does not have many workers",  # the in-memory loader needs none
    "Using ModelCheckpoint with manual optimization",  # a checkpoint holds what it must
    "in eval mode at the start of training",  # frozen layers are meant to be
    "smaller than the logging interval",  # which counts the steps of all epochs, not of one
    "Checkpoint directory",  # exists and is not empty: so it should when a run goes on
)
"""Parts of messages that no user can act on."""
_set_up: list[logging.Handler] = []
"""Of the last ``setup_logging``."""


def setup_logging(file: Path | None) -> None:
    """Sends what people need to stderr and everything informative or worse to ``file``; replaces an earlier set-up.

    Args:
        file: of the run; None for verbs that keep no log.
    """
    root = logging.getLogger()
    while _set_up:
        root.removeHandler(_set_up[-1])
        _set_up.pop().close()
    handlers: list[logging.Handler] = [_Terminal()]
    handlers[0].setFormatter(logging.Formatter("%(message)s"))
    handlers[0].addFilter(_for_people)
    if file is not None:
        handlers.append(_LogFile(file, encoding="utf-8", errors="backslashreplace"))
        handlers[1].setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    for handler in handlers:
        handler.addFilter(_is_useful)
        root.addHandler(handler)
        _set_up.append(handler)
    root.setLevel(logging.INFO)
    logging.captureWarnings(True)
    for name in ("lightning", "lightning.pytorch", "lightning.fabric"):  # they bring handlers of their own
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True


class _Terminal(logging.Handler):
    """Writes to what ``sys.stderr`` is at that moment: beside a bar, lines that come above it."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr, flush=True)


class _LogFile(logging.FileHandler):
    """Without Python's own report, with a stack, on each line that a full disk did not take: the run itself says it."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # Python's name
        if not isinstance(sys.exception(), OSError):
            super().handleError(record)


def _is_useful(record: logging.LogRecord) -> bool:
    return not any(text in record.getMessage() for text in QUIET)


def _for_people(record: logging.LogRecord) -> bool:
    """Leyden's own lines and whatever is a warning; tracebacks stay in the file."""
    own = record.name.startswith("leyden")
    return record.exc_info is None and (own or record.levelno >= logging.WARNING)
