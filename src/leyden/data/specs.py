"""What a model must know of its data: TypedDicts whose keys are the names of constructor arguments.

A model is built as ``Model(**options, **data.spec)``, so what the data knows is never typed twice.
"""

from typing import Literal, TypedDict


class PixelSpec(TypedDict):
    """What every technique on images must know."""

    channels: int
    """1 for grey, 3 for RGB."""
    image_size: int
    """Side of the square training images in pixels."""


class ImageSpec(PixelSpec):
    """Images whose classes, or whose objects' classes, have names."""

    class_names: list[str]
    """In the order of the labels; empty if the images have no classes."""


class ImagePairSpec(TypedDict):
    """Pairs of images of two domains."""

    channels_a: int
    """Of domain A: 1 for grey, 3 for RGB."""
    channels_b: int
    """Of domain B."""
    image_size: int
    """Side of the square training images in pixels."""


class TableSpec(TypedDict):
    """Rows of a table."""

    class_names: list[str]
    """In the order of the labels; empty if the rows have no classes."""
    feature_names: list[str]
    """One per column of ``rows``, in that order."""


class TokenizerSpec(TypedDict):
    """How texts become numbers and numbers texts; see ``leyden.data.text.tokenizer``."""

    kind: Literal["characters", "subwords"]
    content: str
    """Of characters a JSON list, the token of each number; of subwords the JSON of the library ``tokenizers``."""


class TextSpec(TypedDict):
    """Text as numbers."""

    tokenizer: TokenizerSpec
    context: int
    """Tokens of an example, at most."""


class MaskedTextSpec(TextSpec):
    """Texts with hidden tokens."""

    next_sentence: bool
    """Whether an example is two texts, of which the second may follow the first."""


class LabelledTextSpec(TextSpec):
    """Texts with classes."""

    class_names: list[str]
    """In the order of the labels."""


class PairSpec(TextSpec):
    """Texts with summaries; one tokenizer serves both."""

    summary_context: int
    """Tokens of a summary, its end included, at most."""


class TfidfSpec(TypedDict):
    """How texts become rows of a table whose ``feature_names`` are n-grams; see ``leyden.data.text.tfidf``."""

    ngrams: int
    """The most words of a feature."""
    sublinear: bool
    """Whether 1 + ln(count) stands for the count."""
    idf: list[float]
    """One per feature."""
