"""The comments of YAML files by key, which parsers of YAML leave out."""

import re
from collections.abc import Iterator
from typing import Any

import yaml

from leyden.core.yaml_file import LOADER


def comments(text: str) -> dict[str, str]:
    """What stands beside and above the keys of a YAML text, by dotted key.

    A comment belongs to the key on whose line it ends, or whose value ends there; lines below that begin with a ``#``
    in the same column go on with it; lines right above the key, at its indentation, come first. Keys inside of
    ``{...}`` have none of their own. The comment at the top of the text belongs to no key, see ``heading``.
    """
    root = yaml.compose(text, Loader=LOADER)
    return dict(_below(root, text.splitlines(), ())) if isinstance(root, yaml.MappingNode) else {}


def heading(text: str) -> list[str]:
    """The lines of the comment that a YAML text begins with; not Hydra's ``@package``, and no commands."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        if not re.match(r"# *(@|leyden )", line):
            lines.append(line.lstrip("# "))
    return lines


def _below(node: yaml.MappingNode, lines: list[str], above: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for key, value in node.value:
        path = (*above, str(key.value))
        block = isinstance(value, yaml.CollectionNode) and not value.flow_style
        mark = key.end_mark if block else value.end_mark
        if found := " ".join([*_above(lines, key.start_mark), *_beside(lines, mark)]):
            yield ".".join(path), found
        if block and isinstance(value, yaml.MappingNode):
            yield from _below(value, lines, path)


def _beside(lines: list[str], mark: Any) -> Iterator[str]:
    """The comment that follows a place in a line, and goes on in the lines below."""
    line = lines[mark.line] if mark.line < len(lines) else ""
    rest = line[mark.column :]
    if not (found := re.match(r":?\s+#\s*(.*)|:?#?$", rest)) or found[1] is None:
        return
    yield found[1].strip()
    column = mark.column + rest.index("#")
    for below in lines[mark.line + 1 :]:
        if below[:column].strip() or below[column : column + 1] != "#":
            break
        yield below[column + 1 :].strip()


def _above(lines: list[str], mark: Any) -> list[str]:
    """The comment lines right above a key, unless they are the heading of the text."""
    found: list[str] = []
    number = mark.line - 1
    while number >= 0 and lines[number].startswith(" " * mark.column + "#"):
        found.insert(0, lines[number].strip("# "))
        number -= 1
    return found if number >= 0 else []
