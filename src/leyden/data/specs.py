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


class CaptionSpec(PixelSpec):
    """Images with captions."""

    tokenizer: "TokenizerSpec"
    context: int
    """Tokens of a caption at most."""
    class_names: list[str]
    """A caption for each description that says something else, in the order of the labels."""
    unseen: list[int]
    """Places in ``class_names`` of those that no training image has."""
    factors: dict[str, list[str]]
    """What descriptions are made of, where the source knows: words by factor, one of each in a caption."""


class ImagePairSpec(TypedDict):
    """Pairs of images of two domains."""

    channels_a: int
    """Of domain A: 1 for grey, 3 for RGB."""
    channels_b: int
    """Of domain B."""
    image_size: int
    """Side of the square training images in pixels."""


class ColourSpec(TypedDict):
    """Colour images whose colours are to be found."""

    image_size: int
    """Side of the square training images in pixels."""
    hints: int
    """Pixels whose colour is given, at most; 0: the lightness is all there is."""


class HoleSpec(PixelSpec):
    """Images with holes."""

    hole_size: float
    """Greatest height and width of a hole in training, fraction of the image's side."""


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


ColumnKind = Literal["continuous", "whole", "category", "boolean", "date", "constant"]
"""Numbers, whole numbers, words of a list, one of two words, days, and what is the same in each row."""
NUMBERS = ("continuous", "whole", "date")
WORDS = ("category", "boolean")


class ColumnSpec(TypedDict):
    """A column of a table whose columns differ in kind; for its cells see ``leyden.data.columns.MixedRows``."""

    name: str
    kind: ColumnKind
    categories: list[str]
    """The words of a category, a boolean or a constant, in the order of their numbers; "" is an empty cell."""
    date_format: str
    """How dates are written, as ``strftime`` has it; "" for other columns."""


class FittedColumnSpec(ColumnSpec):
    """A column with what the training rows say of it; see ``leyden.data.mixed.encoding``."""

    low: float
    """Least value of numbers and dates."""
    high: float
    """Greatest value."""
    decimals: int
    """Digits behind the point of a continuous column."""
    missing: float
    """Share of empty cells among numbers and dates; of words an empty cell is a category."""
    counts: list[int]
    """Rows of each category."""
    means: list[float]
    """Of the modes of numbers and dates."""
    stds: list[float]
    weights: list[float]
    """Of the modes; their sum is 1."""


class MixedTableSpec(TypedDict):
    """What a model must know of a table whose columns differ in kind."""

    columns: list[FittedColumnSpec]
    """In the order of the file."""
    label: str | None
    """Name of the column with the classes."""


class VolumeSpec(TypedDict):
    """Shapes as volumes, with silhouettes."""

    class_names: list[str]
    """In the order of the labels."""
    views: list[int | str]
    """Of the silhouettes: degrees around the vertical axis (0: front, 90: side), or "top"."""
    volume_size: int
    """Voxels along a side."""
    image_size: int
    """Side of the silhouettes in pixels, a multiple of ``volume_size``."""


class BarSpec(TypedDict):
    """Bars of songs in four voices; see ``leyden.data.source.music.columns.Bars``."""

    class_names: list[str]
    """Of the chords, in the order of their numbers."""
    steps: int
    """Sixteenths of a bar."""
    lowest: int
    """The lowest MIDI pitch."""
    pitches: int
    """How many semitones there are from it on."""
    chord_counts: list[list[int]]
    """Bars of training of each chord (columns) behind one of each chord (rows); the last row: at a song's begin."""
