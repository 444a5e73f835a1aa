"""Which code a record may name, and where it may write: a record may come from someone else.

A config that is composed here may name anything (``Composed.allow``). In one that stands in a record's folder,
``_target_`` may name classes of Leyden, and what Lightning, torch and torchvision have for a config to name; other code
is built only if it was allowed by name (``--allow NAME`` or ``LEYDEN_ALLOW``). What is allowed is a parameter of all
functions here and of ``Record``: nothing is remembered between calls. Imports no torch before a name asks for it.
"""

import inspect
import os
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from pkgutil import resolve_name
from typing import Any

ALLOW = "LEYDEN_ALLOW"
"""Environment variable with allowed packages, modules or classes, separated by commas. It is read by the command line
alone, and set for the processes that a run or a sweep starts."""
KNOWN = ("leyden", "lightning", "torch", "torchvision")
WRITERS = ("trainer", "callbacks", "logger", "checkpoint")
"""Parts of a config whose members write files."""
_PLACE = re.compile(r"(dir|path|root|folder)$")
_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


class NotAllowedError(ValueError):
    """A record that would run foreign code or write outside its folder; the message says where, and the cure."""


def from_environment() -> frozenset[str]:
    """The names that ``LEYDEN_ALLOW`` holds."""
    return frozenset(re.findall(r"[^\s,]+", os.environ.get(ALLOW, "")))


def targets(config: Any, key: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every node of ``config`` that has a ``_target_``, with its dotted key."""
    for place, node in _nodes(config, key):
        if isinstance(node, dict) and "_target_" in node:
            yield place, node


def check_folder(
    folder: Path, configs: Iterable[dict[str, Any]], allow: Collection[str] = (), by_name: bool = False
) -> None:
    """Checks a record or a sweep, before anything in its folder is opened for writing.

    Args:
        folder: of the record, or of the sweep.
        configs: of the record, or of all jobs.
        allow: packages, modules or classes that were allowed by name.
        by_name: whether only names are looked at, which refuses foreign code and imports nothing.

    Raises:
        NotAllowedError: a run of it would call what is not allowed, or write elsewhere.
    """
    refuse_links(folder)
    for config in configs:
        refuse_places(config, allow)
        refuse_unknown_code(config, allow, by_name=by_name)


def refuse_unknown_code(config: Any, allow: Collection[str] = (), key: str = "", by_name: bool = False) -> None:
    """Checks every ``_target_`` below a node.

    Args:
        config: plain and resolved.
        allow: see ``check_folder``.
        key: where ``config`` stands in the whole one.
        by_name: see ``check_folder``.

    Raises:
        NotAllowedError: one names something that is not allowed, or Hydra would make one out of a text.
    """
    for place, node in _nodes(config, key):
        if isinstance(node, str) and "${" in node:
            # `${oc.decode:...}` could turn into any node; in a composed config such a text has been resolved.
            raise NotAllowedError(f"{place}: refused: {node!r} is still to be resolved, which no run leaves")
        if isinstance(node, dict) and "_target_" in node and (reason := why_not(node["_target_"], allow, by_name)):
            raise NotAllowedError(f"{f'{place}.' if place else ''}_target_: refused: {reason}")


def refuse_links(folder: Path) -> None:
    """Raises NotAllowedError where a link leads out of a folder: a run would write to what is behind it."""
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(parent, name)
            if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
                raise NotAllowedError(f"{path} is a link out of the record, through which a run would write: remove it")


def refuse_places(config: dict[str, Any], allow: Collection[str] = ()) -> None:
    """Checks that callbacks, loggers, the trainer and its parts name no place of their own to write to.

    ``model`` and ``data`` may: their caches lie in files whose names are hashes, and torchvision unpacks its own
    archives.

    Raises:
        NotAllowedError: one of them does.
    """
    for group in WRITERS:
        for place, node in _nodes(config.get(group), group):
            if isinstance(node, dict) and _covering(str(node.get("_target_", "")), allow) is None:
                for name, value in node.items():
                    if name != "_target_" and isinstance(value, str) and _is_elsewhere(name, value):
                        raise NotAllowedError(
                            f"{place}.{name}: refused: {value!r} is a place of its own, and a run writes into its "
                            f"record's folder; if the record is yours, allow the class by name: --allow or {ALLOW}"
                        )


def why_not(name: Any, allow: Collection[str] = (), by_name: bool = False) -> str | None:
    """The reason why a record must not name ``name`` as a target, with the cure; None where it may."""
    if isinstance(name, str) and name in allow:
        return None
    if not isinstance(name, str) or not _NAME.fullmatch(name) or "__" in name:
        return f"{name!r} is no plain dotted name"
    top, known = name.partition(".")[0], " or ".join((", ".join(KNOWN[:-1]), KNOWN[-1]))
    cure = f"a record may come from someone else; if you know what it runs, add --allow NAME or set {ALLOW}=NAME, here "
    covering = _covering(name, allow)
    if covering is None and top not in KNOWN:  # before it is imported, for that runs code
        return f"{name} is no part of {known}; {cure}{top}"
    if by_name:
        return None
    try:
        target = resolve_name(name)
    except Exception as error:  # whatever importing the target may raise is the reason
        return f"{name} cannot be found: {error}"
    home = str(getattr(target, "__module__", None)).partition(".")[0]
    if covering is not None and home == covering.partition(".")[0]:
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


def _covering(name: str, allow: Collection[str]) -> str | None:
    """The allowed name that covers this one."""
    return next((entry for entry in allow if f"{name}.".startswith(f"{entry}.")), None)


def _is_elsewhere(name: str, value: str) -> bool:
    pure = PurePosixPath(value), PureWindowsPath(value)
    outside = value.startswith("~") or "://" in value or any(path.is_absolute() or ".." in path.parts for path in pure)
    return outside or bool(_PLACE.search(name) and value)


def _nodes(config: Any, key: str) -> Iterator[tuple[str, Any]]:
    """``config`` itself and all that is in it, each with its dotted key."""
    yield key, config
    inner = config.items() if isinstance(config, dict) else enumerate(config) if isinstance(config, list) else ()
    for name, value in inner:
        yield from _nodes(value, f"{key}.{name}".lstrip("."))
