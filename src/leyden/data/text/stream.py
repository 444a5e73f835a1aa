"""All texts of a split as one row of numbers: in memory, or in a file that is mapped into it, for more text than fits.

The file begins with three int64: bytes per number (2 or 4), characters of the texts, tokens of unknown characters. Then
come the numbers. Its name is a hash of tokenizer and texts, so a file is never of other ones.
"""

import hashlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from leyden.core.files import write_whole
from leyden.data.splits import Split
from leyden.data.text.tokenizer import Tokenizer

log = logging.getLogger(__name__)

HEADER = 3
AT_ONCE = 2**20
"""Characters that become numbers at once."""


class TextsOf(Sequence[str]):
    """The texts of a split, each read when it is asked for.

    Args:
        split: whose examples have ``texts``.
    """

    def __init__(self, split: Split) -> None:
        self.split = split

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, index: int) -> str:  # type: ignore[override]  # of slices nobody asks
        if not 0 <= index < len(self.split):
            raise IndexError(index)
        text: str = self.split[index].texts
        return text


@dataclass(frozen=True)
class TokenStream:
    """The numbers of all texts in a row, an end's behind each."""

    tokens: Tensor
    """(N,) int16 or int32."""
    characters: int
    """Of the texts, and one for each end: what bits are divided by, whatever the tokenizer leaves of a text."""
    unknown: int
    """Tokens that stand for what training never saw."""
    file: Path | None = None
    """That the numbers lie in; None in memory."""

    def content(self) -> Iterator[bytes]:
        """Bytes that tell it from others."""
        if self.file is not None:
            yield self.file.name.encode()
        else:
            yield from (part.numpy().tobytes() for part in self.tokens.split(AT_ONCE))


def in_memory(texts: Iterable[str], tokenizer: Tokenizer) -> TokenStream:
    """The stream of some texts."""
    counts = _Counts()
    parts = [torch.from_numpy(part) for part in _numbers(texts, tokenizer, counts)]
    return TokenStream(torch.cat(parts) if parts else torch.zeros(0, dtype=torch.int16), *counts)


def in_file(texts: Sequence[str], tokenizer: Tokenizer, folder: Path) -> TokenStream:
    """The same, mapped from a file, which is written unless an earlier run has done so.

    Args:
        texts: read twice, one after the other: once for the file's name, once to be written.
        tokenizer: of the training split.
        folder: of such files; made where it is missing.
    """
    digest = hashlib.sha256(repr(tokenizer.spec).encode())
    for text in texts:
        digest.update(f"{len(text)} ".encode() + text.encode("utf-8", "surrogatepass"))
    file = folder / f"tokens_{digest.hexdigest()[:16]}.bin"
    if not file.exists():

        def write(partial: Path) -> None:
            counts = _Counts()
            with partial.open("wb") as opened:
                opened.write(bytes(8 * HEADER))
                for part in _numbers(texts, tokenizer, counts):
                    part.tofile(opened)
                opened.seek(0)
                np.array([_dtype(tokenizer).itemsize, *counts], np.int64).tofile(opened)

        write_whole(file, write)
        log.info("%s: %d bytes of tokens", file, file.stat().st_size)
    size, characters, unknown = np.fromfile(file, np.int64, HEADER).tolist()
    # "c": what were written into the tensor would not reach the file; nothing is.
    numbers = np.memmap(file, np.int16 if size == 2 else np.int32, "c", offset=8 * HEADER)
    return TokenStream(torch.from_numpy(numbers), characters, unknown, file)


class _Counts:
    """What is counted while texts become numbers."""

    def __init__(self) -> None:
        self.characters = self.unknown = 0

    def __iter__(self) -> Iterator[int]:
        yield from (self.characters, self.unknown)


def _dtype(tokenizer: Tokenizer) -> "np.dtype[np.signedinteger]":
    return np.dtype(np.int16 if tokenizer.size <= 2**15 else np.int32)


def _numbers(texts: Iterable[str], tokenizer: Tokenizer, counts: _Counts) -> "Iterator[np.ndarray]":
    """The numbers of some texts at a time."""
    for some in _some(texts):
        found = [number for text in tokenizer.encode_all(some) for number in (*text, tokenizer.end)]
        counts.characters += sum(map(len, some)) + len(some)
        counts.unknown += found.count(tokenizer.unknown) if tokenizer.unknown != tokenizer.end else 0
        yield np.array(found, _dtype(tokenizer))


def _some(texts: Iterable[str]) -> Iterator[list[str]]:
    """Lists of texts that are long enough together to keep all cores busy, and fit into memory."""
    some: list[str] = []
    length = 0
    for text in texts:
        some.append(text)
        length += len(text)
        if length >= AT_ONCE:
            yield some
            some, length = [], 0
    if some:
        yield some
