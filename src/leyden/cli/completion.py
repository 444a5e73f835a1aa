"""``leyden completion bash``: completion of verbs, options, records and overrides; overrides by Hydra. Light."""

import contextlib
import io
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from leyden.bench.config.groups import groups, options
from leyden.cli import records, searchpath
from leyden.cli.verbs import SEE, TAKES_RECORDS, VERBS

SHELLS = Path(__file__).parent / "shells"
WORDS = "words"
LINE = "COMP_LINE"
"""The environment variable in which a shell hands over the line up to the cursor."""
HYDRA = ["--help", "--multirun", "--cfg", "--info", "--resolve", "--package", "--hydra-help"]
"""Flags of ``leyden run``."""


def completion(shell: str) -> None:
    """Prints the script of a shell; ``words``, which the scripts ask for: what the line may go on with."""
    if shell != WORDS:
        print((SHELLS / f"{shell}.sh").read_text(encoding="utf-8"), end="")
        return
    for word in candidates(os.environ.get(LINE, "")):
        print(f"{word} " if _whole(word) else word)


def candidates(line: str) -> list[str]:
    """Words that may stand where the last word of a command line stands, which may be empty."""
    *before, current = line.split(" ") if " " in line else ["leyden", line]
    typed = [word for word in before[1:] if word]
    if not typed:
        found = [*VERBS, "--help", "--version"]
    elif typed[0] not in VERBS:
        found = []
    else:
        found = [*_after(typed[0], typed[1:], current)]
    return [word for word in dict.fromkeys(found) if word.startswith(current)]


def _after(verb: str, typed: Sequence[str], current: str) -> Iterator[str]:
    names = {name: option for option in VERBS[verb].options for name in option.names if name.startswith("-")}
    if current.startswith("-"):
        yield from HYDRA if verb in ("run", "sweep") else ["--help", *names]
        return
    if typed and typed[-1] in names and names[typed[-1]].keywords.get("action") != "store_true":
        yield from names[typed[-1]].keywords.get("choices", [])
        return  # or a file, which the shell completes
    for option in VERBS[verb].options:
        if option in names.values():
            continue
        yield from (choice for choice in option.keywords.get("choices", []) if choice != WORDS)
    if verb in TAKES_RECORDS:
        yield from records.names(current, sweeps=verb in ("resume", "compare"))
    if verb in ("run", "sweep", "verify", "show") or VERBS[verb].options[0].names == ("overrides",):
        yield from _overrides(typed, current)
    if verb in SEE:
        from leyden.cli.listing import KINDS

        known = [name for group in KINDS.values() for name in options(group)]
        yield from [*KINDS, *(re.split("[/_]", name)[0] for name in known)] if verb == "list" else known


def _overrides(typed: Sequence[str], current: str) -> list[str]:
    """Options of our groups; everything else Hydra completes, which reads its line from the environment and prints."""
    group, equals, _ = current.partition("=")
    if equals and group in groups():
        places = searchpath.conf_folders([word for word in typed if word.startswith(searchpath.KEY)])
        return [f"{group}={name}" for name in options(group, places)]
    from leyden.bench.commands.run import run

    before = [word for word in typed if not word.startswith("-") and "'" not in word and '"' not in word]
    if not any(" " in str(folder) for folder in searchpath.folders()):
        before = [word.replace("'", "") for word in searchpath.added_to(before)]
    os.environ[LINE] = " ".join(["leyden", *before, current])
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        run(["-sc", "query=bash"])
    found = [word for word in printed.getvalue().split() if "=" in word or word.endswith(".")]
    return [*(f"{name}=" for name in groups() if name != "hydra"), *found]


def _whole(word: str) -> bool:
    """Whether nothing more belongs to the word, so that a space follows."""
    group, equals, value = word.partition("=")
    return bool(value) and group in groups() if equals else not word.endswith((".", "/"))
