"""Networks of images and text by a word: an earlier run, a folder, a name on the hub, open_clip's."""

import logging
from collections.abc import Sequence
from pathlib import Path

from leyden.data.text.published import published_folder
from leyden.multimodal.checkpoint.library import LibraryMatcher
from leyden.multimodal.checkpoint.matcher import Matcher, MatcherSpec
from leyden.multimodal.checkpoint.open_clip_net import CONFIG, PREFIX, OpenClipMatcher
from leyden.multimodal.checkpoint.own import OwnMatcher

log = logging.getLogger(__name__)


def matcher_of(word: str, channels: int, texts: Sequence[str], key: str = "model.checkpoint") -> Matcher:
    """The network that a word of the config means, with its weights.

    Args:
        word: ``none``, a small one with random weights; the folder of a run of multimodal/clip (of several: the
            newest), or a checkpoint in one; a folder with a CLIP in the layout of the library transformers, or with
            ``open_clip_config.json``; ``open_clip:ViT-B-32/laion2b_s34b_b79k`` or ``open_clip:ViT-B-32/PATH``; or a
            name on the Hugging Face hub, such as ``openai/clip-vit-base-patch32``.
        channels: of the images that ``none`` takes.
        texts: that ``none`` can read.
        key: the config key that gave the word, for messages.

    Raises:
        FileNotFoundError: there is nothing at the word; the message says how to get it.
        ImportError: a library is missing; the message names it.
        NotAllowedError: a record names code that is not allowed.
        ValueError: it is something else than a network of images and text.
    """
    if word == "none":
        return OwnMatcher.untrained(channels, texts)
    if word.startswith(PREFIX):
        return _told(OpenClipMatcher.of_word(word.removeprefix(PREFIX), key), word)
    path = Path(word).expanduser()
    if (path / CONFIG).is_file():
        return _told(OpenClipMatcher.of_folder(path, key), word)
    if path.suffix == ".ckpt" or (path.is_dir() and not (path / "config.json").is_file()):
        return _told(OwnMatcher.of_record(path, key), word)
    return _told(LibraryMatcher.of_folder(published_folder(word, key), key), word)


def build_matcher(spec: MatcherSpec) -> Matcher:
    """The network of a spec, with random weights."""
    if spec["kind"] == "leyden":
        return OwnMatcher.of_content(spec["content"])
    return (LibraryMatcher if spec["kind"] == "transformers" else OpenClipMatcher)(spec["content"])


def _told(matcher: Matcher, word: str) -> Matcher:
    count = sum(p.numel() for p in matcher.parameters())
    log.info("images and text: %s (%s), %d parameters", word, matcher.name, count)
    return matcher
