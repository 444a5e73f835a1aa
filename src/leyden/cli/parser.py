"""Arguments of a verb, options and overrides in any order."""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from leyden.cli.examples import EXAMPLES
from leyden.cli.verbs import VERBS
from leyden.core.start.nearest import nearest


def parser(verb: str) -> argparse.ArgumentParser:
    """The parser of one verb's arguments."""
    examples = "\n".join(f"  {line}" for line in EXAMPLES.get(verb, []))
    made = argparse.ArgumentParser(
        prog=f"leyden {verb}",
        description=VERBS[verb].help,
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for option in VERBS[verb].options:
        made.add_argument(*option.names, **option.keywords)
    return made


def parse(verb: str, words: Sequence[str]) -> dict[str, Any]:
    """The values of a verb's arguments by name.

    Raises:
        SystemExit: 2, the message is on stderr: there is no such verb, or it does not take these words; 0 after help.
    """
    if verb not in VERBS:
        print(f"error: no verb {verb!r}{nearest(verb, VERBS)} (leyden --help)", file=sys.stderr)
        raise SystemExit(2)
    return vars(parser(verb).parse_intermixed_args(words))
