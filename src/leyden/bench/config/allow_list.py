"""What a record may make this process do. It may come from someone else, so it can name nothing but known classes.

What a person types or composes is theirs, whatever it names: ``compose`` notes it, and sweeps and ranks pass it on to
the processes that they start. What stands in a record's folder is not: there, ``_target_`` may name classes of Leyden
and what Lightning and torch have for a config to name; other code runs only if it was allowed by name (``--allow``,
``LEYDEN_ALLOW``). Imports no torch before a name asks for it.
"""

import inspect
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from pkgutil import resolve_name
from typing import Any

ALLOW = "LEYDEN_ALLOW"
"""Environment variable with the names that are allowed, separated by commas: packages, modules, or single classes."""
KNOWN = ("leyden", "lightning", "torch", "torchvision")
WRITERS = ("trainer", "callbacks", "logger", "checkpoint")
"""Parts of a config whose members write files, where the run does not tell them into the record's folder."""
_PLACE = re.compile(r"(dir|path|root|folder)$")
_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")

_allowed: set[str] = set()


class TrustError(ValueError):
    """A record that would run foreign code or write outside its folder; the message says where, and the cure."""


def allow(names: Iterable[str]) -> None:
    """Allows packages, modules or single classes in this process, and in those that ``allowance`` is passed on to."""
    _allowed.update(names)


def allowance() -> str:
    """What is allowed by now, as ``LEYDEN_ALLOW`` has it."""
    return ",".join(sorted(_allowed | set(re.findall(r"[^\s,]+", os.environ.get(ALLOW, "")))))


def targets(config: Any, key: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every node of ``config`` that has a ``_target_``, with its dotted key."""
    for place, node in _nodes(config, key):
        if isinstance(node, dict) and "_target_" in node:
            yield place, node


def own(config: dict[str, Any]) -> None:
    """Allows what a config names that was composed here, each by its full name."""
    allow(str(node["_target_"]) for _, node in targets(config))


def vet(folder: Path, configs: Iterable[dict[str, Any]]) -> None:
    """Looks at a record or a sweep, before anything in its folder is opened for writing.

    Args:
        folder: of the record, or of the sweep.
        configs: of the record, or of all jobs.

    Raises:
        TrustError: a run of it would call what is not allowed, or write elsewhere.
    """
    refuse_links(folder)
    for config in configs:
        refuse_places(config)
        refuse_foreign_code(config)


def refuse_foreign_code(config: Any, key: str = "") -> None:
    """Looks at every ``_target_`` below a node.

    Args:
        config: plain and resolved.
        key: where it stands in the whole config.

    Raises:
        TrustError: one names something that is not allowed, or Hydra would make one out of a text.
    """
    for place, node in _nodes(config, key):
        if isinstance(node, str) and "${" in node:
            # `${oc.decode:...}` could turn into any node; in a composed config such a text has been resolved.
            raise TrustError(f"{place}: refused: {node!r} is still to be resolved, which no run leaves")
        if isinstance(node, dict) and "_target_" in node and (reason := why_not(node["_target_"])):
            raise TrustError(f"{f'{place}.' if place else ''}_target_: refused: {reason}")


def refuse_links(folder: Path) -> None:
    """Raises TrustError where a link leads out of a folder: a run would write, or append, to what is behind it."""
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(parent, name)
            if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
                raise TrustError(f"{path} is a link out of the record, through which a run would write: remove it")


def refuse_places(config: dict[str, Any]) -> None:
    """Looks at what writes files: callbacks, loggers, the trainer and its parts.

    What runs keep for each other lies in the caches that ``model`` and ``data`` name, under names that are hashes, and
    torchvision unpacks its own archives into ``data.source.root``: neither writes what a record holds.

    Raises:
        TrustError: one of them has a place of its own.
    """
    for group in WRITERS:
        for place, node in _nodes(config.get(group), group):
            if isinstance(node, dict) and _prefix(str(node.get("_target_", ""))) is None:
                for name, value in node.items():
                    _refuse_place(f"{place}.{name}", name, value)


def why_not(name: Any) -> str | None:
    """The reason why a record must not call what ``name`` says, with the cure; None where it may."""
    if name and name in allowance().split(","):
        return None
    if not isinstance(name, str) or not _NAME.fullmatch(name) or "__" in name:
        return f"{name!r} is no plain dotted name"
    top, known = name.partition(".")[0], " or ".join((", ".join(KNOWN[:-1]), KNOWN[-1]))
    cure = f"a record may come from someone else; if you know what it runs, add --allow NAME or set {ALLOW}=NAME, here "
    by_hand = _prefix(name)
    if by_hand is None and top not in KNOWN:  # before it is imported, for that runs code
        return f"{name} is no part of {known}; {cure}{top}"
    try:
        target = resolve_name(name)
    except Exception as error:  # whatever importing the target may raise is the reason
        return f"{name} cannot be found: {error}"
    home = str(getattr(target, "__module__", None)).partition(".")[0]
    if by_hand is not None and home == by_hand.partition(".")[0]:
        return None
    if home not in KNOWN:
        return f"{name} is borrowed from {home}, which is no part of {known}; {cure}{name}"
    if not inspect.isclass(target) or not (home == "leyden" or _is_for_configs(target)):
        return f"{name} is no class that a config is made of; {cure}{name}"
    return None


def _is_for_configs(target: type) -> bool:
    """Whether a class of Lightning, torch or torchvision does nothing, when it is made, but to become a run's part.

    Of others some start processes (``SubprocessHandler`` of torch.distributed) or read pickles (torchvision's LSUN).
    """
    from lightning import Callback, LightningDataModule, Trainer
    from lightning.pytorch.accelerators import Accelerator
    from lightning.pytorch.loggers import Logger
    from lightning.pytorch.profilers import Profiler
    from lightning.pytorch.strategies import Strategy
    from torch.nn import Module
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

    run = (Trainer, Callback, Logger, Profiler, Strategy, Accelerator)
    return issubclass(target, (*run, LightningDataModule, Module, Optimizer, LRScheduler))


def _prefix(name: str) -> str | None:
    """The allowed name that covers this one."""
    return next((entry for entry in allowance().split(",") if entry and f"{name}.".startswith(f"{entry}.")), None)


def _refuse_place(key: str, name: str, value: Any) -> None:
    if not isinstance(value, str) or name == "_target_":
        return
    pure = PurePosixPath(value), PureWindowsPath(value)
    elsewhere = value.startswith("~") or "://" in value or any(p.is_absolute() or ".." in p.parts for p in pure)
    if elsewhere or (_PLACE.search(name) and value):
        raise TrustError(
            f"{key}: refused: {value!r} is a place of its own, and a run writes into its record's folder; "
            f"if the record is yours, allow the class by name: --allow or {ALLOW}"
        )


def _nodes(config: Any, key: str) -> Iterator[tuple[str, Any]]:
    """``config`` itself and all that is in it, each with its dotted key."""
    yield key, config
    inner = config.items() if isinstance(config, dict) else enumerate(config) if isinstance(config, list) else ()
    for name, value in inner:
        yield from _nodes(value, f"{key}.{name}".lstrip("."))
