"""YAML with comments beside its keys, in colours on a terminal."""

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import yaml
from rich.console import Console
from rich.text import Text

WIDEST = 44
"""Characters of a key with its value beyond which its comment is not lined up with others."""
SHORT = 60
"""Characters of a mapping without comments up to which it stands in one line."""


class _Line(NamedTuple):
    indent: int
    key: str
    value: str
    comment: str

    def __len__(self) -> int:
        return self.indent + len(self.key) + 1 + bool(self.value) + len(self.value)


def print_yaml(console: Console, key: str, value: Any, comments: Mapping[str, str], about: str = "") -> None:
    """Prints a section of a config and an empty line; all sections together are YAML again.

    Args:
        console: where to; comments are wrapped to its width where it is a terminal.
        key: dotted, of the section.
        value: plain.
        comments: by dotted key.
        about: a comment for the section itself.
    """
    *outer, last = key.split(".")
    lines = [_Line(2 * depth, name, "", "") for depth, name in enumerate(outer)]
    lines += _lines(last, value, {**comments, key: comments.get(key) or about}, key, 2 * len(outer))
    column = max((len(line) + 2 for line in lines if line.comment and len(line) <= WIDEST), default=0)
    for line in lines:
        console.print(_drawn(line, column, console.width if console.is_terminal else None), soft_wrap=True)
    console.print()


def flow(value: Any) -> str:
    """A value in one line of YAML."""
    return yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**6).strip().removesuffix("\n...")


def _lines(name: str, value: Any, comments: Mapping[str, str], key: str, indent: int) -> Iterator[_Line]:
    inside = isinstance(value, dict) and any(other.startswith(f"{key}.") for other in comments)
    plain = not isinstance(value, dict) or not value
    if plain or (indent and not inside and len(flow(value)) <= SHORT):
        yield _Line(indent, flow(name), flow(value), comments.get(key, ""))
        return
    yield _Line(indent, flow(name), "", comments.get(key, ""))
    for inner, content in sorted(value.items(), key=lambda item: item[0] != "_target_"):
        yield from _lines(inner, content, comments, f"{key}.{inner}", indent + 2)


def _drawn(line: _Line, column: int, width: int | None) -> Text:
    text = Text(" " * line.indent).append(line.key, "bold cyan").append(":")
    if line.value:
        text.append(f" {line.value}")
    if not line.comment:
        return text
    column = max(column, len(line) + 2)
    room = None if width is None else width - column - 2
    rows = [line.comment] if room is None or room < 20 else textwrap.wrap(line.comment, room, break_on_hyphens=False)
    text.append(" " * (column - len(line)))
    return text.append(("\n" + " " * column).join(f"# {row}" for row in rows), "green")
