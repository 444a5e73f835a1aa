"""Published models in the layout of the library ``transformers``: a folder, or a name on the Hugging Face hub.

This is the one place from which something may be downloaded; what reads a folder has no use for a network.
"""

import re
from pathlib import Path
from typing import Any

HUB_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")
TEXT_FILES = ["*.json", "*.txt", "*.model"]
"""Configuration and tokenizers."""


def published_folder(word: str, key: str, weights: bool = True) -> Path:
    """The folder with ``config.json``, a tokenizer and weights that a word means.

    Args:
        word: a path, or a name on the hub such as ``distilgpt2`` or ``google/bert_uncased_L-2_H-128_A-2``, which is
            looked for in the hub's cache and, unless ``HF_HUB_OFFLINE`` is set, downloaded: safetensors, or where there
            are none pickles.
        key: the config key that gave the word, for messages.
        weights: False leaves the weights out, for those who want a tokenizer alone.

    Raises:
        FileNotFoundError: there is no such folder, and the hub has no such model or cannot be reached.
        ImportError: a name needs a library that is not installed.
    """
    path = Path(word).expanduser()
    if path.is_dir() or not HUB_NAME.fullmatch(word):
        if not (path / "config.json").is_file():
            have = ", ".join(sorted(file.name for file in path.glob("*"))[:6]) if path.is_dir() else ""
            there = f"has {have or 'nothing'}" if path.is_dir() else f"does not exist (looked from {Path.cwd()})"
            raise FileNotFoundError(f"{key}: {word} {there}; give a folder with config.json and model.safetensors")
        return path
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError
    except ImportError as error:
        raise ImportError(f"{key}={word} needs the library transformers: pip install 'leyden[text]'") from error

    def fetch(*patterns: str) -> Path:
        return Path(snapshot_download(word, allow_patterns=[*TEXT_FILES, *patterns]))

    try:
        folder = fetch(*(["*.safetensors"] if weights else []))
        if weights and not any(folder.glob("*.safetensors")):
            folder = fetch("pytorch_model*.bin")
    except (OSError, ValueError, HfHubHTTPError) as error:  # no network, no such name, offline and not in the cache
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise FileNotFoundError(
            f"{key}: no folder {word!r} here (looked from {Path.cwd()}), and none from the Hugging Face hub "
            f"({reason}): give the path of a folder with config.json, model.safetensors and tokenizer.json, or copy "
            f"models--{word.replace('/', '--')} from another computer's cache into this one's"
        ) from error
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(
            f"{key}: {word} on the Hugging Face hub is no model of transformers: it has no config.json"
        )
    return folder


def published_tokenizer(folder: Path, key: str) -> str:
    """The JSON of the library ``tokenizers`` for a folder's tokenizer, also where it has a vocabulary alone.

    Raises:
        ImportError: the library transformers is not installed, which reads other files than tokenizer.json.
        ValueError: there is none, or one that only slow Python code knows.
    """
    file = folder / "tokenizer.json"
    if file.is_file():
        return file.read_text(encoding="utf-8")
    try:
        from transformers import AutoTokenizer
    except ImportError as error:
        raise ImportError(
            f"{key}: {folder} has no tokenizer.json; to read its vocabulary: pip install 'leyden[text]'"
        ) from error
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(
            f"{key}: {folder} has no tokenizer that can be read ({error}): add its tokenizer.json"
        ) from error
    if not tokenizer.is_fast:
        raise ValueError(f"{key}: {folder} has no tokenizer.json, nor what one can be made of: add one")
    return str(tokenizer.backend_tokenizer.to_str())


def require_transformers(key: str) -> Any:
    """The library.

    Raises:
        ImportError: it is not installed; the message says how to install it.
    """
    try:
        import transformers
    except ImportError as error:
        raise ImportError(f"{key} needs the library transformers here: pip install 'leyden[text]'") from error
    return transformers
