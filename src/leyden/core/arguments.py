"""What a class or function takes, read off its signature, and whether a value fits."""

import contextlib
import importlib
import inspect
import math
import re
import types
import typing
from collections.abc import Collection, Iterator, Mapping, Set
from pkgutil import iter_modules
from typing import Any, NamedTuple

from typeguard import CollectionCheckStrategy, TypeCheckError, check_type

from leyden.core.start.nearest import nearest

COUNTED = r"(^|_)(batch_size|image_size|crop_size|channels|every|n_critic|shots|ways|queries|episodes|heads|views)$"
"""Arguments of which there is at least one."""
SHARE = r"(^|_)(dropout|beta1|beta2|momentum|label_smoothing|ema_decay)$"
"""Arguments that are shares of one."""


class Signature(NamedTuple):
    """The arguments that can be given by name."""

    hints: dict[str, Any]
    """The type of each; Any where it has none."""
    required: list[str]
    """Those without a default."""
    defaults: dict[str, Any]
    """Of those that have one."""
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
    found = Signature({}, [], {}, open_ended=False)
    for name, parameter in inspect.signature(call).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            hint = hints.get(name)
            unpacked = typing.get_origin(hint) is typing.Unpack
            options = typing.get_args(hint)[0] if unpacked else getattr(target, "options_type", None)
            if options is not None:
                found.hints.update(typing.get_type_hints(options))
                found.defaults.update(
                    {f.name: f.default for f in getattr(options, "__dataclass_fields__", {}).values()}
                )
            found = found._replace(open_ended=options is None)
        elif parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY) and name != "self":
            found.hints[name] = hints.get(name, Any)
            if parameter.default is parameter.empty:
                found.required.append(name)
            else:
                found.defaults[name] = parameter.default
    return found


def argument_mistakes(
    target: Any, given: Mapping[str, Any], others: Set[str], built: Collection[str] = (), numbers: bool = True
) -> Iterator[tuple[str, str]]:
    """What is wrong with the arguments of a class or function: pairs of a name, or "" for the whole, and a sentence.

    Args:
        target: what is called.
        given: the arguments.
        others: the names of those that it gets besides.
        built: those of ``given`` whose values are still to be made, so that their types are not known.
        numbers: whether numbers are looked at, too (``number_problem``).
    """
    taken, wrong = signature(target), False
    for name, value in given.items():
        problem = None
        if name not in taken.hints:
            problem = None if taken.open_ended else f"unknown key{nearest(name, taken.hints.keys() - others)}"
        elif name in others:
            problem = "comes from the data or the run; leave it out"
        elif name not in built:
            problem = type_problem(value, taken.hints[name])
            if problem is None and numbers:
                problem = number_problem(name, value, taken.defaults.get(name))
        if problem:
            wrong = True
            yield name, problem
    if absent := [name for name in taken.required if name not in given and name not in others]:
        missing = f"{target.__name__} needs {', '.join(absent)}, which neither config nor data gives"
        yield "", f"{missing}: add what is missing, or choose another part"
    if wrong:
        return
    yield from crossed(given)
    if (options := getattr(target, "options_type", None)) is not None:
        try:
            options(**{name: given[name] for name in typing.get_type_hints(options) if name in given})
        except ValueError as error:
            yield "", str(error)


def type_problem(value: Any, hint: Any) -> str | None:
    """What is wrong with a value where ``hint`` is asked for; true and false are no numbers."""
    if not (isinstance(value, bool) and hint in (int, float)):
        with contextlib.suppress(TypeCheckError):
            check_type(value, hint, collection_check_strategy=CollectionCheckStrategy.ALL_ITEMS)
            return None
    return f"should be {_spelled(hint)}, is {value!r}"


def _spelled(hint: Any) -> str:
    """A type as YAML has it: ``int or null``, not ``Optional[int]``."""
    kind, inner = typing.get_origin(hint), typing.get_args(hint)
    if kind is typing.Literal:
        return f"one of {', '.join('null' if value is None else str(value) for value in inner)}"
    if kind in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(map(_spelled, sorted(inner, key=lambda one: one is types.NoneType))))
    if hint is types.NoneType:
        return "null"
    return hint.__name__ if inspect.isclass(hint) and not inner else str(hint).replace("typing.", "")


def number_problem(name: str, value: Any, default: Any) -> str | None:
    """What is wrong with a number, as far as the argument's name and default tell: no argument has a range.

    Args:
        name: of the argument.
        value: of any type; what is no number has no fault.
        default: of the argument; where that is no negative number, no other is taken.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, int) and abs(value) >= 2**63:  # which no tensor and no float holds
        return "should have fewer than 19 digits"
    if math.isnan(value) or (value == math.inf and re.search(r"(^|_)(lr|decay)(_|$)", name)):
        return f"should be a number, is {value}"
    if re.search(COUNTED, name) and value < 1:
        return f"should be 1 or more, is {value}"
    if re.search(SHARE, name) and not 0 <= value <= 1:
        return f"should be from 0 to 1, is {value}"
    if name == "holdout" and not 0 < value < 1:
        return f"should be above 0 and below 1, as what is tested never validates; is {value}"
    if value < 0 and (re.search(r"(^|_)lr(_|$)", name) or (isinstance(default, int | float) and default >= 0)):
        return f"should not be negative, is {value}"
    return None


def crossed(arguments: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Pairs of a name and what is wrong: the least of something that is more than its greatest."""
    for least, value in arguments.items():
        greatest = re.sub("smallest", "largest", re.sub("(^|_)min(_|$)", r"\1max\2", least))
        other = arguments.get(greatest)
        if greatest != least and isinstance(value, int | float) and isinstance(other, int | float) and value > other:
            yield least, f"is {value}, more than {greatest}={other}: lower the one or raise the other"


def why_not_found(path: str, error: Exception) -> str:
    """Why a dotted name cannot be imported: the root cause, or the nearest name in the deepest module that can be."""
    parts = path.split(".")
    for depth in range(len(parts) - 1, 0, -1):
        try:
            module = importlib.import_module(".".join(parts[:depth]))
        except ModuleNotFoundError as missing:
            if not f"{path}.".startswith(f"{missing.name}."):  # the module is there; what it imports is not
                return f"importing {'.'.join(parts[:depth])} fails: {missing}; install what it needs"
            continue
        except Exception as cause:  # the module exists and is broken: that is the news
            return (
                f"importing {'.'.join(parts[:depth])} fails: {type(cause).__name__}: {cause}; correct what it imports"
            )
        inner = [info.name for info in iter_modules(getattr(module, "__path__", []))]
        public = inner + [name for name in vars(module) if not name.startswith("_")]
        return f"{module.__name__} has no {parts[depth]!r}{nearest(parts[depth], public)}"
    return f"no package {parts[0]!r} ({str(error).splitlines()[0]}); correct the name, or install the package"
