"""A run of our own CLIP as a network for any images and texts."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from leyden.data.specs import TokenizerSpec
from leyden.data.text.tokenizer_sources import train_tokenizer
from leyden.multimodal.checkpoint.matcher import Matcher, MatcherSpec, escaped
from leyden.multimodal.clip.clip import CLIP
from leyden.training.records import technique_of


class OwnMatcher(Matcher):
    """The technique ``multimodal/clip``, trained or not.

    Args:
        clip: the technique.
    """

    def __init__(self, clip: CLIP) -> None:
        super().__init__()
        self.clip = clip
        self.name = "multimodal/clip"
        self.spec = MatcherSpec(kind="leyden", content=escaped(json.dumps(dict(clip.hparams))))

    @classmethod
    def of_record(cls, path: Path, key: str) -> "OwnMatcher":
        """The network of an earlier run (of several: the newest).

        Raises:
            FileNotFoundError: there is no record.
            NotAllowedError: the record names code that is not allowed.
            ValueError: it is one of another technique.
        """
        technique: Any = technique_of(path, key)
        if not isinstance(technique, CLIP):
            raise ValueError(
                f"{key}: {path} is a run of {type(technique).__name__}, which knows nothing of images and text "
                "together: give one of multimodal/clip"
            )
        return cls(technique)

    @classmethod
    def of_content(cls, content: str) -> "OwnMatcher":
        """The network of a spec, with random weights."""
        return cls(CLIP(**json.loads(content)))

    @classmethod
    def untrained(cls, channels: int, texts: Sequence[str]) -> "OwnMatcher":
        """A small network with random weights, which knows nothing: a floor."""
        spec: TokenizerSpec = train_tokenizer("characters", texts).spec
        context = max(len(text) for text in texts) + 1
        return cls(
            CLIP(
                channels, 32, spec, max(context, 3), ["one", "other"], [], {}, widths=[8, 16], strides=[2, 2], width=32
            )
        )

    def embed_images(self, images: Sequence[Tensor]) -> Tensor:
        """See ``Matcher``."""
        return self.clip.embed_images(images)

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """See ``Matcher``."""
        return self.clip.embed_texts(texts)

    @property
    def scale(self) -> Tensor:
        """See ``Matcher``."""
        return self.clip.scale
