"""Text files as other programs wrote them: decoded strictly, and brought to one form."""

import codecs
import io
import unicodedata
from pathlib import Path
from typing import Any

BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins like UTF-16's
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
GUESSES = ("gb18030", "cp932", "big5", "cp949", "cp1251", "cp1252")
"""Encodings of older programs, tried for a message only: most bytes are something in several of them."""
INVISIBLE = dict.fromkeys(map(ord, "\ufeff\u200b\u2060"))
SHOWN = 60
"""Characters of a line that a message shows."""


class MalformedError(ValueError):
    """A file that is not what its ending says.

    Args:
        line: where it breaks, from 1.
        what: how.
    """

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line = line


def read_text(file: Path) -> str:
    """The content of a text file in UTF-8, with or without a byte-order mark, or in UTF-16.

    Raises:
        OSError: the file cannot be opened.
        MalformedError: it has bytes that are no text in its encoding; none is replaced, since two names could become
            one.
    """
    raw = file.read_bytes()
    return decode(raw, find_encoding(raw) or "utf-8")


def read_lines(file: Path) -> list[str]:
    """The lines of a text file that end in LF, CR LF or CR, without these ends; nothing else ends a line.

    Raises:
        OSError: the file cannot be opened.
        MalformedError: as in ``read_text``.
    """
    return [line.removesuffix("\n") for line in io.StringIO(read_text(file), newline=None)]


def find_encoding(raw: bytes) -> str | None:
    """The encoding that a byte-order mark names, or UTF-16 without one; else None."""
    for mark, encoding in BOMS:
        if raw.startswith(mark):
            return encoding
    even, odd = raw[:400:2], raw[1:400:2]
    if len(raw) >= 4 and not len(raw) % 2:  # most of what stands in data files is ASCII
        for zeros, others, encoding in ((odd, even, "utf-16-le"), (even, odd, "utf-16-be")):
            if zeros.count(0) > 0.6 * len(zeros) and not others.count(0):
                return encoding
    return None


def decode(raw: bytes, encoding: str) -> str:
    """The text of ``raw``.

    Raises:
        MalformedError: it is not in that encoding, or has a zero byte, which no text has.
        LookupError: there is no such encoding.
    """
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        byte = f"byte 0x{raw[error.start]:02x}" if error.start < len(raw) else "its end"
        name = encoding.removesuffix("-sig").upper()
        raise MalformedError(line, f"{byte} is no text in {name}{_guess(raw, line)}; save the file as UTF-8") from error
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise MalformedError(line, "a zero byte, which no text has: the file is damaged; write it anew")
    return text


def _guess(raw: bytes, line: int) -> str:
    """What a line would be in other encodings."""
    part = raw.split(b"\n")[line - 1].strip()
    readings: dict[str, str] = {}
    for encoding in GUESSES:
        try:
            readings.setdefault(part.decode(encoding)[:SHOWN], encoding)
        except UnicodeDecodeError:
            continue
    if not readings:
        return ""
    return "; the line is " + ", ".join(f"{text!r} in {encoding.upper()}" for text, encoding in readings.items())


def clean_name(name: str) -> str:
    """A class's name in one form: composed characters (NFC), single spaces, nothing invisible.

    So names that look the same are the same, whichever program wrote them.
    """
    return printable(" ".join(unicodedata.normalize("NFC", name.translate(INVISIBLE)).split()))


def alike(name: str) -> str:
    """What names have in common that differ by case, spaces, hyphens or underscores only."""
    return "".join(sign for sign in unicodedata.normalize("NFKC", name).casefold() if sign.isalnum()) or name


def printable(text: str) -> str:
    """The text with what no terminal and no UTF-8 file takes (half characters) written as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def brief(value: Any) -> str:
    """What a message shows of a value in a JSON file: at most ``SHOWN`` characters."""
    if isinstance(value, list):
        return " ".join(brief(one) if not isinstance(one, list | dict) else "..." for one in value[:8])[:SHOWN]
    return printable(str(value)[:SHOWN]) if not isinstance(value, dict) else f"{{{', '.join(list(value)[:8])[:SHOWN]}}}"


def identifier(value: Any) -> int | str | None:
    """A number or text of a file as one type: 7, 7.0, "7" and " 7.0 " are 7, other text is itself; None for what is
    neither."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str):
        text = value.strip()
        number = whole_number(text)
        return number if number is not None else printable(text) or None
    number = whole_number(value)
    return str(value) if number is None and isinstance(value, int) else number  # too large for a tensor


def whole_number(value: int | float | str) -> int | None:
    """An integer that is written as 7, 7.0, "7", "+7" or "7.000e+00"; None for anything else.

    Numbers beyond 18 digits are none: no file means them.
    """
    try:
        number = value if isinstance(value, int) else real_number(value)
        return int(number) if number == int(number) and abs(number) < 10**18 else None
    except (ValueError, OverflowError):  # words, NaN, infinity
        return None


def real_number(value: Any) -> float:
    """A number, or one that stands as text; NaN for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str) or (isinstance(value, str) and "_" in value):
        return float("nan")  # to Python 1_0 is 10
    try:
        return float(value)
    except (ValueError, OverflowError):
        return float("nan")
