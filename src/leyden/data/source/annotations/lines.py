"""XML and JSON with the number of the line that each thing stands in, so that a mistake can be found with an editor."""

import json
import re
from bisect import bisect_left
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

SPACE = re.compile(r"[ \t\r\n]*")


class MalformedError(ValueError):
    """A file that is not what its ending says.

    Args:
        line: where it breaks, from 1.
        what: how.
    """

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line = line


def read_xml(file: Path) -> ElementTree.Element:
    """The root of an XML file; every element has its line as the attribute ``line``.

    Raises:
        OSError: the file cannot be opened.
        MalformedError: it is not XML.
    """
    parser, builder = expat.ParserCreate(), ElementTree.TreeBuilder()

    def start(tag: str, attributes: dict[str, str]) -> None:
        builder.start(tag, {**attributes, "line": str(parser.CurrentLineNumber)})

    parser.StartElementHandler = start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        with file.open("rb") as stream:
            parser.ParseFile(stream)
    except expat.ExpatError as error:
        raise MalformedError(error.lineno, f"this is not XML: {expat.ErrorString(error.code)}") from error
    return builder.close()


def read_json_lists(file: Path) -> dict[str, list[tuple[Any, int]]]:
    """The lists at the top of a JSON object, each entry with the line that it begins in; other values are left out.

    Raises:
        OSError: the file cannot be opened.
        MalformedError: it is not a JSON object.
    """
    text = file.read_text(encoding="utf-8")
    try:
        return _lists(text)
    except json.JSONDecodeError as error:
        raise MalformedError(error.lineno, f"this is not a JSON object: {error.msg}") from error


def _lists(text: str) -> dict[str, list[tuple[Any, int]]]:
    decode = json.JSONDecoder().raw_decode
    breaks = [found.start() for found in re.finditer("\n", text)]

    def skip(at: int) -> int:
        found = SPACE.match(text, at)
        assert found is not None
        return found.end()

    def expect(signs: str, at: int) -> int:
        if text[at : at + 1] not in tuple(signs):
            raise json.JSONDecodeError(f"expected {' or '.join(signs)}", text, at)
        return skip(at + 1)

    lists: dict[str, list[tuple[Any, int]]] = {}
    at = expect("{", skip(0))
    while text[at : at + 1] != "}":
        key, at = decode(text, at)
        at = expect(":", skip(at))
        if text[at : at + 1] == "[":
            entries, at = [], skip(at + 1)
            while text[at : at + 1] != "]":
                begin = at
                entry, at = decode(text, at)
                entries.append((entry, bisect_left(breaks, begin) + 1))
                at = skip(at)
                if text[at : at + 1] != "]":
                    at = expect(",", at)
            lists[key] = entries
            at = skip(at + 1)
        else:
            _, at = decode(text, at)
            at = skip(at)
        if text[at : at + 1] != "}":
            at = expect(",", at)
    return lists
