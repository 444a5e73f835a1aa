"""Texts as numbers and back: characters, or subwords by the library ``tokenizers``."""

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cache, cached_property
from importlib.util import find_spec

from leyden.data.specs import TokenizerSpec

UNKNOWN = "\ufffd"
"""Characters: the token, with number 0, of characters that training never saw."""
END = "\0"
"""Characters: the token, with number 1, behind every text."""
NAMES = {
    "pad": ("[PAD]", "<pad>", "<|endoftext|>"),
    "unknown": ("[UNK]", "<unk>", "<|endoftext|>"),
    "start": ("[CLS]", "<s>"),
    "end": ("[SEP]", "</s>", "<|endoftext|>"),
    "mask": ("[MASK]", "<mask>"),
}
"""Subwords: what programs call a special token, our own name first."""


class Tokenizer(ABC):
    """Turns texts into numbers from 0 to ``size`` - 1 and back.

    Args:
        vocabulary: the token of each number.
        special: numbers of special tokens by role, see ``NAMES``; ``pad``, ``unknown`` and ``end`` are there.
    """

    def __init__(self, vocabulary: list[str], special: dict[str, int]) -> None:
        self.vocabulary = vocabulary
        self.pad, self.unknown, self.end = special["pad"], special["unknown"], special["end"]
        self.start, self.mask = special.get("start"), special.get("mask")
        self.special = frozenset(special.values())

    @property
    def size(self) -> int:
        """Numbers that there are."""
        return len(self.vocabulary)

    @property
    @abstractmethod
    def spec(self) -> TokenizerSpec:
        """What ``build_tokenizer`` makes the same tokenizer of: plain values, so a checkpoint carries it."""

    @property
    @abstractmethod
    def characters(self) -> list[int]:
        """Characters of a text that each token stands for: of the end 1, as a line's end would count, of padding 0."""

    @abstractmethod
    def encode(self, text: str) -> list[int]:
        """The numbers of a text, without special tokens around it."""

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """The numbers of each text."""
        return [self.encode(text) for text in texts]

    @abstractmethod
    def decode(self, numbers: Sequence[int]) -> str:
        """The text of some numbers; special tokens leave nothing, but an unknown one its sign."""


class Characters(Tokenizer):
    """Each character is a token.

    Args:
        vocabulary: ``UNKNOWN``, ``END``, then characters.
    """

    def __init__(self, vocabulary: list[str]) -> None:
        super().__init__(vocabulary, {"pad": 1, "unknown": 0, "end": 1})
        self.numbers = {character: number for number, character in enumerate(vocabulary)}

    @property
    def spec(self) -> TokenizerSpec:
        """The vocabulary."""
        return TokenizerSpec(kind="characters", content=json.dumps(self.vocabulary))

    @cached_property
    def characters(self) -> list[int]:
        """The tokens' lengths."""
        return [len(token) for token in self.vocabulary]

    def encode(self, text: str) -> list[int]:
        """A number for each character."""
        return [self.numbers.get(character, 0) for character in text]

    def decode(self, numbers: Sequence[int]) -> str:
        """A character for each number but that of ``END``."""
        return "".join(self.vocabulary[number] for number in numbers if number != self.end)


class Subwords(Tokenizer):
    """Frequent pieces of words, by byte-level BPE, WordPiece or whatever else a ``tokenizer.json`` says.

    Args:
        content: JSON of the library ``tokenizers``.

    Raises:
        ImportError: the library is not installed.
        ValueError: the content is no tokenizer, or one without a token that ends a text.
    """

    def __init__(self, content: str) -> None:
        self.require()
        from tokenizers import Tokenizer as Library

        try:
            self.tokens = Library.from_str(content)
        except Exception as error:  # the library raises nothing narrower
            raise ValueError(f"this is no tokenizer.json of the library tokenizers ({error}): give one") from error
        self.tokens.no_padding()
        self.tokens.no_truncation()
        known = {role: [self.tokens.token_to_id(name) for name in names] for role, names in NAMES.items()}
        special = {
            role: next(number for number in numbers if number is not None)
            for role, numbers in known.items()
            if any(number is not None for number in numbers)
        }
        if missing := {"end"} - special.keys():
            raise ValueError(f"this tokenizer has no token for {missing.pop()}, such as {', '.join(NAMES['end'])}")
        special = {"pad": special["end"], "unknown": special["end"]} | special  # bytes are never unknown
        super().__init__([self.tokens.id_to_token(n) or "" for n in range(self.tokens.get_vocab_size())], special)

    @staticmethod
    def require() -> None:
        """Raises ImportError unless the library is installed; the message says how to install it."""
        if find_spec("tokenizers") is None:
            raise ImportError(
                "subwords need the library tokenizers: pip install 'leyden[text]', or set data.tokenizer=characters"
            )

    @cached_property
    def spec(self) -> TokenizerSpec:
        """The library's own JSON; a piece ``${`` is escaped, because configs take it for a reference."""
        return TokenizerSpec(kind="subwords", content=self.tokens.to_str().replace("${", r"\u0024{"))

    @cached_property
    def characters(self) -> list[int]:
        """By the bytes that begin a character; of WordPiece, whose words had a space before, that space, too."""
        length = _piece_length if json.loads(self.spec["content"])["model"]["type"] == "WordPiece" else _byte_length
        special = dict.fromkeys(self.special, 0) | {self.unknown: 1, self.end: 1}
        return [special.get(number, length(token)) for number, token in enumerate(self.vocabulary)]

    def encode(self, text: str) -> list[int]:
        """The numbers of the text's pieces."""
        return self.tokens.encode(text, add_special_tokens=False).ids

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """The numbers of each text's pieces, on all cores."""
        return [found.ids for found in self.tokens.encode_batch(list(texts), add_special_tokens=False)]

    def decode(self, numbers: Sequence[int]) -> str:
        """The pieces joined; of byte-level BPE the very text that was encoded."""
        kept = [n for n in numbers if n not in self.special or (n == self.unknown and n != self.end)]
        return self.tokens.decode(kept, skip_special_tokens=False)


def build_tokenizer(spec: TokenizerSpec) -> Tokenizer:
    """The tokenizer that a spec describes.

    Raises:
        ImportError: it needs a library that is not installed.
        ValueError: there is no such kind, or the content is broken.
    """
    if spec["kind"] == "characters":
        return Characters(json.loads(spec["content"]))
    if spec["kind"] == "subwords":
        return Subwords(spec["content"])
    raise ValueError(f"tokenizer.kind={spec['kind']!r}: there are characters, subwords")


def _piece_length(piece: str) -> int:
    return len(piece) - 2 if piece.startswith("##") else len(piece) + 1


def _byte_length(token: str) -> int:
    """Characters that begin in a token of GPT-2's byte alphabet; other alphabets are counted sign by sign."""
    return sum(not 0x80 <= _bytes().get(sign, 0) < 0xC0 for sign in token)


@cache
def _bytes() -> dict[str, int]:
    """The byte behind each sign of GPT-2's alphabet: printable ones stand for themselves, others from 256 on."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(others)}
