"""What a class or function takes, read off its signature, and whether a value fits."""

import contextlib
import difflib
import importlib
import inspect
import typing
from collections.abc import Iterable
from pkgutil import iter_modules
from typing import Any, NamedTuple

from typeguard import CollectionCheckStrategy, TypeCheckError, check_type


class Signature(NamedTuple):
    """The arguments that can be given by name."""

    hints: dict[str, Any]
    """The type of each; Any where it has none."""
    required: list[str]
    """Those without a default."""
    open_ended: bool
    """Whether other names are taken, too."""


def signature(target: Any) -> Signature:
    """The arguments of a class or function.

    In the place of ``**options`` stand the options that it stands for: the entries of the TypedDict or the fields of
    the dataclass in ``**options: Unpack[...]``, or else of the dataclass that the class names as ``options_type``.
    """
    # Of Lightning's Trainer only `__init__` shows the arguments, which a decorator hides.
    call = target.__init__ if inspect.isclass(target) and target.__init__ is not object.__init__ else target
    hints = typing.get_type_hints(call)
    found: dict[str, Any] = {}
    required, open_ended = [], False
    for parameter in inspect.signature(call).parameters.values():
        hint = hints.get(parameter.name, Any)
        if parameter.kind is parameter.VAR_KEYWORD:
            unpacked = typing.get_origin(hint) is typing.Unpack
            options = typing.get_args(hint)[0] if unpacked else getattr(target, "options_type", None)
            found |= typing.get_type_hints(options) if options else {}
            open_ended = options is None
        elif parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY) and parameter.name != "self":
            found[parameter.name] = hint
            required += [parameter.name] if parameter.default is parameter.empty else []
    return Signature(found, required, open_ended)


def type_problem(value: Any, hint: Any) -> str | None:
    """What is wrong with a value where ``hint`` is asked for; true and false are no numbers."""
    if not (isinstance(value, bool) and hint in (int, float)):
        with contextlib.suppress(TypeCheckError):
            check_type(value, hint, collection_check_strategy=CollectionCheckStrategy.ALL_ITEMS)
            return None
    name = hint.__name__ if inspect.isclass(hint) else str(hint).replace("typing.", "")
    if typing.get_origin(hint) is typing.Literal:
        name = f"one of {', '.join(map(str, typing.get_args(hint)))}"
    return f"should be {name}, is {value!r}"


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of an error message: which known name was meant, or what there is."""
    names = sorted(set(map(str, known)))
    longer = [known for known in names if name and known.startswith(name)]
    close = longer or difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"; did you mean {' or '.join(close)}?" if close else f"; there are: {', '.join(names)}"


def why_not_found(path: str, error: Exception) -> str:
    """Why a dotted name cannot be imported: the root cause, or the nearest name in the deepest module that can be."""
    parts = path.split(".")
    for depth in range(len(parts) - 1, 0, -1):
        try:
            module = importlib.import_module(".".join(parts[:depth]))
        except ModuleNotFoundError as missing:
            if not f"{path}.".startswith(f"{missing.name}."):  # the module is there; what it imports is not
                return f"importing {'.'.join(parts[:depth])} fails: {missing}"
            continue
        except Exception as cause:  # the module exists and is broken: that is the news
            return f"importing {'.'.join(parts[:depth])} fails: {type(cause).__name__}: {cause}"
        inner = [info.name for info in iter_modules(getattr(module, "__path__", []))]
        public = inner + [name for name in vars(module) if not name.startswith("_")]
        return f"{module.__name__} has no {parts[depth]!r}{nearest(parts[depth], public)}"
    return f"no package {parts[0]!r} ({str(error).splitlines()[0]})"
