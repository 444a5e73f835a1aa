"""``leyden VERB ...``: finds the verb, reads its arguments, calls its function; what goes wrong becomes one message."""

import os
import select
import sys
from collections.abc import Callable, Sequence
from pkgutil import resolve_name
from typing import Any

from leyden.cli import searchpath
from leyden.cli.help import overview, run_help, sweep_help
from leyden.cli.parser import parse
from leyden.cli.records import resolved
from leyden.cli.verbs import NEEDS, SEE, TAKES_RECORDS, VERBS

HYDRA_FLAGS = ("-sc", "--shell-completion")
HELP = {"-h", "--help"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one verb; the exit status is 0 only where everything that was asked for was done.

    Args:
        arguments: the verb and what follows; None takes those of the process.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    return _guarded(lambda: _main(given), list(given))


def _main(given: list[str]) -> int:
    searchpath.make_importable()
    if "LEYDEN_RECORD" in os.environ and int(os.environ.get("LOCAL_RANK", 0)) > 0:
        return _call("leyden.bench.commands.run:join_run", {})
    if given and given[0] == "help":
        given = [*given[1:], "--help"]
    if not given or given[0] in HELP:
        print(overview())
        return 0
    if "--version" in given[:2]:
        from importlib.metadata import version

        print(f"leyden {version('leyden')}")
        return 0
    if given[0] in HYDRA_FLAGS:
        return _call(VERBS["run"].function, {"overrides": given})
    verb, *words = given
    if verb in ("run", "sweep"):  # Hydra reads what follows, its own flags too
        if HELP & {*words}:
            print(run_help() if verb == "run" else sweep_help())
            return 0
        words = ["-m"] * (verb == "sweep") + searchpath.added_to(words)
        return _call(VERBS[verb].function, {"overrides": words})
    parsed = parse(verb, words)
    if verb in TAKES_RECORDS:
        parsed = resolved(parsed)
    typed = next((name for name in ("overrides", "words") if name in parsed), None)
    if typed and verb not in SEE and (not parsed[typed] or any("=" in word for word in parsed[typed])):
        parsed[typed] = searchpath.added_to(parsed[typed])
    return _call(VERBS[verb].function, parsed)


def _call(function: str, arguments: dict[str, Any]) -> int:
    """Calls a function with what was parsed; the exit status."""
    if "allow" in arguments:
        from leyden.core.allow_list import from_environment

        arguments["allow"] = from_environment().union(arguments["allow"])
    if "record" in arguments:
        from leyden.bench.commands.run import open_record

        arguments["record"] = open_record(arguments["record"], arguments.pop("allow"), NEEDS.get(function))
    done = resolve_name(function)(**arguments)
    return 1 if done is False else done if type(done) is int else 0


def _guarded(do: Callable[[], int], typed: Sequence[str]) -> int:
    """Turns what goes wrong into one message and an exit status; ``typed`` is the command line."""
    try:
        status = do()
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except Exception as error:  # the last place: whatever it was becomes one line and a status
        if os.environ.get("LEYDEN_TRACEBACK"):
            raise
        if isinstance(error, BrokenPipeError) and _reader_is_gone():
            return 0
        text = str(error).strip() or type(error).__name__
        known = isinstance(error, ValueError | OSError | FloatingPointError)
        print(f"error: {text}" if known else f"error: {type(error).__name__}: {text}", file=sys.stderr)
        if not known:
            print("(LEYDEN_TRACEBACK=1 shows where)", file=sys.stderr)
        elif "put quotes inside: " in text:
            from leyden.bench.config.overrides import whole_command

            print(f"the whole command: {whole_command(typed, text)}", file=sys.stderr)
        return 1


def _reader_is_gone() -> bool:
    """Whether what read the standard output, such as ``head``, has enough of it; the rest is thrown away then."""
    output = sys.stdout.fileno()
    watch = select.poll()
    watch.register(output, 0)  # errors are told unasked
    if gone := any(event & select.POLLERR for _, event in watch.poll(0)):
        os.dup2(os.open(os.devnull, os.O_WRONLY), output)  # for Python flushes once more at its end
    return gone
