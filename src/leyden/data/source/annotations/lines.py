"""XML and JSON with the number of the line that each thing stands in, so that a mistake can be found with an editor."""

import codecs
import json
import re
from bisect import bisect_left
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

from leyden.data.source.annotations.text import MalformedError, decode, find_encoding, read_text

SPACE = re.compile(r"[ \t\r\n]*")
DECLARED = re.compile(r"\s*<\?xml[^>]*?\bencoding\s*=\s*[\"']([\w.:-]+)[\"']")
LARGER = {"gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932", "euc_kr": "cp949", "ascii": "utf-8"}
"""Encodings whose name stands for the larger ones that Windows' programs write."""


def read_xml(file: Path) -> tuple[ElementTree.Element, str | None]:
    """The root of an XML file, and what is wrong with the encoding that it declares, if anything.

    Every element has its line as the attribute ``line``. Python's own parser refuses the encodings of Chinese,
    Japanese and Korean programs; here the text is decoded first.

    Raises:
        OSError: the file cannot be opened.
        MalformedError: it is not XML, or not in its encoding.
    """
    text, doubt = _decode_xml(file.read_bytes())
    # The parser is told the encoding, because it would believe the declaration.
    parser, builder = expat.ParserCreate("utf-8"), ElementTree.TreeBuilder()

    def start(tag: str, attributes: dict[str, str]) -> None:
        builder.start(tag, {**attributes, "line": str(parser.CurrentLineNumber)})

    parser.StartElementHandler = start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(text.encode(), True)
    except expat.ExpatError as error:
        raise MalformedError(error.lineno, f"this is not XML: {expat.ErrorString(error.code)}") from error
    return builder.close(), doubt


def _decode_xml(raw: bytes) -> tuple[str, str | None]:
    """The text of an XML file, by its byte-order mark, its declaration, or as UTF-8."""
    marked = find_encoding(raw)
    head = raw[:400].decode(marked or "latin-1", "ignore")
    found = DECLARED.match(head)
    declared = found[1] if found else "utf-8"
    try:
        name = codecs.lookup(declared).name
    except LookupError:
        name = "unknown"
    if marked is not None:
        fits = name in ("utf-8", "unknown") or name.startswith(("utf-16", "utf-32")) == marked.startswith("utf-")
        text = decode(raw, marked)
        return text, None if fits or found is None else f"declares {declared}, but its text is {marked.upper()}"
    try:
        as_utf8 = decode(raw, "utf-8")
    except MalformedError:
        if name in ("utf-8", "ascii", "unknown") or name.startswith(("utf-16", "utf-32")):
            raise
        try:
            return decode(raw, LARGER.get(name, name)), None
        except LookupError as error:
            raise MalformedError(1, f"declares the encoding {declared!r}, which is none of text") from error
    if name in ("utf-8", "ascii") or as_utf8.isascii():
        return as_utf8, None
    # Few Chinese characters happen to be UTF-8 of two bytes each; of three, and in languages of one byte, none are.
    if max(as_utf8) < "\u0800" and LARGER.get(name, name) in ("gb18030", "cp932", "cp949", "big5"):
        try:
            return decode(raw, LARGER.get(name, name)), None
        except MalformedError:
            pass
    return as_utf8, f"declares {declared}, but its text is UTF-8"


def read_json_lists(file: Path) -> dict[str, list[tuple[Any, int]]]:
    """The lists at the top of a JSON object, each entry with the line that it begins in; other values are left out.

    Raises:
        OSError: the file cannot be opened.
        MalformedError: it is not a JSON object, or not in its encoding.
    """
    text = read_text(file)
    try:
        return _lists(text)
    except json.JSONDecodeError as error:
        raise MalformedError(error.lineno, f"this is not a JSON object: {error.msg}") from error
    except RecursionError as error:
        raise MalformedError(1, "this JSON is nested too deeply for any annotation") from error
    except ValueError as error:  # Python reads no number of more than 4300 digits
        raise MalformedError(1, f"this JSON has a number that is too long ({error})") from error


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
            begin_list, entries, at = at, [], skip(at + 1)
            while text[at : at + 1] != "]":
                begin = at
                entry, at = decode(text, at)
                entries.append((entry, bisect_left(breaks, begin) + 1))
                at = skip(at)
                if text[at : at + 1] != "]":
                    at = expect(",", at)
            if key in lists:
                raise json.JSONDecodeError(f"the list {key!r} stands here a second time", text, begin_list)
            lists[key] = entries
            at = skip(at + 1)
        else:
            _, at = decode(text, at)
            at = skip(at)
        if text[at : at + 1] != "}":
            at = expect(",", at)
    if skip(at + 1) < len(text):
        raise json.JSONDecodeError("something follows its end", text, skip(at + 1))
    return lists
