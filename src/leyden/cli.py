"""The command line: a table of verbs, each a function in ``leyden.bench.commands``, which is imported when it is asked
for. ``leyden --help``, ``leyden list`` and shell completion import no torch."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, NamedTuple

HYDRA_FLAGS = ("-sc", "--shell-completion")


class Option(NamedTuple):
    """One argument of a verb: the names and keywords of ``argparse.add_argument``."""

    names: tuple[str, ...]
    keywords: dict[str, Any]


class Verb(NamedTuple):
    """A verb, the function that does it, and its arguments."""

    function: str
    """``module:name`` below ``leyden.bench``. Its parameters are called as the arguments; it returns an exit status,
    or False where not everything that was asked for was done."""
    help: str
    options: tuple[Option, ...] = ()


def _option(*names: str, **keywords: Any) -> Option:
    return Option(names, keywords)


def _overrides(help: str) -> Option:  # argparse's word
    return _option("overrides", nargs="*", help=help)


_ALLOW = _option(
    "--allow", action="append", default=[], metavar="NAME", help="a package of your own that the record may use"
)
_RECORD = (_option("record", type=Path, help="a run's folder, such as outputs/gan_dcgan/..."), _ALLOW)
_LAB = _overrides("those that `leyden run` would get, such as experiment=tour_gan model.lr=1e-3")
VERBS = {
    "run": Verb(
        "commands.run:run", "compose, check, train, test and record a lab: leyden run experiment=gan_dcgan", (_LAB,)
    ),
    "sweep": Verb("commands.run:run", "many jobs, side by side: leyden sweep seed=0,1,2 sweep.name=mine", (_LAB,)),
    "list": Verb("config.listing:show", "labs, models, data sources and trainers, a line each"),
    "check": Verb("commands.run:check", "every mistake in a config at once; nothing is run", (_LAB,)),
    "check-data": Verb(
        "commands.check_data:check_data",
        "count what a data source holds, find what is wrong, draw its boxes",
        (
            _overrides("data/source=voc data.source.root=FOLDER ..., or a lab"),
            _option("--output", type=Path, help="folder for the report; default: outputs/check_data/<source>"),
        ),
    ),
    "advise": Verb(
        "commands.advise:advise",
        "which of the lecture's four cases some data is, and the strategy for it",
        (_overrides("data/source=... model.backbone=... model.weights=..."),),
    ),
    "find-lr": Verb(
        "commands.find_lr:find_lr",
        "try growing learning rates on a lab; draws the loss, suggests a rate",
        (
            _LAB,
            _option("--from", dest="least", type=float, default=1e-6, help="first rate (default %(default)s)"),
            _option("--to", dest="greatest", type=float, default=1.0, help="last rate (default %(default)s)"),
            _option("--steps", type=int, default=100, help="steps between them (default %(default)s)"),
        ),
    ),
    "resume": Verb(
        "commands.run:resume",
        "go on where a run or a sweep was stopped, in the same folder, with the same config",
        (_option("folder", type=Path, help="of a run or of a sweep"), _ALLOW),
    ),
    "evaluate": Verb("commands.evaluate:evaluate", "test a record's best checkpoint again", _RECORD),
    "predict": Verb(
        "commands.predict:predict",
        "what a record's technique predicts: labels, samples, boxes",
        (
            *_RECORD,
            _option("--input", dest="source", type=Path, help="a file or a folder of files; default: the test split"),
            _option("--output", type=Path, help="folder for the predictions; default: <record>/predictions"),
            _option("--count", type=int, default=16, help="test examples or samples (default %(default)s)"),
            _option("--class", dest="label", metavar="CLASS", help="of the samples: a name or number (default: all)"),
            _option("--seed", type=int, help="of the samples: the same number draws the same (default: any)"),
            _option("--threshold", type=float, help="least score of a detection (default: the detector's)"),
        ),
    ),
    "export": Verb(
        "commands.export:export",
        "a record's network as an ONNX file, checked against PyTorch",
        (*_RECORD, _option("--output", type=Path, help="the file; default: <record>/model.onnx")),
    ),
    "reproduce": Verb(
        "commands.reproduce:reproduce",
        "run a record's config again: identical, within the lab's spread, or different",
        (
            *_RECORD,
            _option(
                "--output", type=Path, help="folder of the new record; default: outputs/reproduced/<date>_<time>_<n>"
            ),
        ),
    ),
    "verify": Verb(
        "commands.verify:verify",
        "compare labs with what they expect: finished runs, or labs run over seeds; runs their controls too",
        (
            _option("words", nargs="*", help="folders of runs; or experiment=NAME, with seed=0,1,2 unless given"),
            _ALLOW,
            _option(
                "--record",
                dest="to_paste",
                action="store_true",
                help="print each lab's `expect` with the values, to be pasted",
            ),
        ),
    ),
    "compare": Verb(
        "commands.compare:compare",
        "records and sweeps side by side: a table, charts and images on one page",
        (
            _option("folders", nargs="+", type=Path, help="records, or folders that hold some, such as a sweep's"),
            _option("--to", type=Path, help="folder for the page; default: the one that all lie in"),
            _option(
                "--metric",
                dest="metrics",
                action="append",
                default=[],
                metavar="NAME",
                help="show this one, such as test/ap50; may be repeated (default: all test/... and best/... in common)",
            ),
            _option("--all", dest="every", action="store_true", help="show every metric"),
        ),
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one verb; the exit status is 0 only where everything that was asked for was done.

    Args:
        arguments: the verb and what follows; None takes those of the process.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if "LEYDEN_RECORD" in os.environ and int(os.environ.get("LOCAL_RANK", 0)) > 0:
        return _guarded(lambda: _call("commands.run:join_run"), given)
    typed = [*given]
    if given and given[0] in ("run", "sweep", *HYDRA_FLAGS):  # Hydra reads what follows, its own flags too
        verb = given.pop(0) if given[0] in VERBS else ""
        return _guarded(lambda: _call(VERBS["run"].function, overrides=["-m"] * (verb == "sweep") + given), typed)
    parsed = vars(_parser().parse_args(given or ["--help"]))
    return _guarded(lambda: _call(VERBS[parsed.pop("verb")].function, **parsed), typed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="leyden", description="The lab bench: transfer learning, GANs and object detection, one command each."
    )
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", dest="verb", required=True)
    for name, verb in VERBS.items():
        added = verbs.add_parser(name, help=verb.help, description=verb.help)
        for option in verb.options:
            added.add_argument(*option.names, **option.keywords)
    return parser


def _call(function: str, **arguments: Any) -> int:
    """Calls a function below ``leyden.bench``; the exit status."""
    if "allow" in arguments:
        from leyden.core.allow_list import from_environment

        arguments["allow"] = from_environment().union(arguments["allow"])
    if "record" in arguments:
        from leyden.bench.commands.run import open_record

        arguments["record"] = open_record(arguments["record"], arguments.pop("allow"))
    done = resolve_name(f"leyden.bench.{function}")(**arguments)
    return 1 if done is False else done if type(done) is int else 0


def _guarded(do: Callable[[], int], typed: Sequence[str]) -> int:
    """Turns what goes wrong into one message and an exit status; ``typed`` is the command line."""
    try:
        return do()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except Exception as error:  # the last place: whatever it was becomes one line and a status
        if os.environ.get("LEYDEN_TRACEBACK"):
            raise
        text = str(error).strip() or type(error).__name__
        known = isinstance(error, ValueError | OSError | FloatingPointError)
        print(f"error: {text}" if known else f"error: {type(error).__name__}: {text}", file=sys.stderr)
        if not known:
            print("(LEYDEN_TRACEBACK=1 shows where)", file=sys.stderr)
        elif "put quotes inside: " in text:
            from leyden.bench.config.overrides import whole_command

            print(f"the whole command: {whole_command(typed, text)}", file=sys.stderr)
        return 1
