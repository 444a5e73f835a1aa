"""Named columns: what a split holds, what a batch is and what one example is, all three the same NamedTuple.

A column of a split or a batch is a tensor whose first axis counts the examples, or a list with an entry for each; in
one example that axis is missing. Techniques read ``batch.images``, never ``batch[0]``. A new kind of data is a new
NamedTuple: nothing here and nothing in the loader knows the names.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

Columns = TypeVar("Columns", bound=NamedTuple)

Target = dict[str, Tensor]
"""The objects of one image, for detection. Here, and nowhere else, is said what it holds:

- "boxes": (n, 4) float32 xyxy, in pixels of the image as it is in the batch. Corners are continuous: (0, 0) is the
  upper left corner of the upper left pixel, (width, height) the lower right corner of the lower right one.
- "labels": (n,) int64, 0 .. classes - 1.

Where the source knows it, or a DataModule adds it:

- "difficult": (n,) bool; to be neither hit nor miss (VOC).
- "crowd": (n,) bool; a box around many objects: what lies on it is neither hit nor false alarm (COCO).
- "area": (n,) float32 square pixels of the object's outline, at the image's own size (COCO).
- "image_id": () int64, the image's number in its file (COCO).
- "scale": (2,) float32, pixels of the batch's image per pixel of the file's, in x and y; missing where both are equal.
- "proposals": (n, 4) float32 xyxy pixels, regions that may hold an object.
"""


class Images(NamedTuple):
    """Images without classes."""

    images: Tensor
    """(B, C, H, W) uint8."""


class LabelledImages(NamedTuple):
    """Images with their classes."""

    images: Tensor
    """(B, C, H, W) uint8."""
    labels: Tensor
    """(B,) int64, 0 .. classes - 1."""


class WholeImages(NamedTuple):
    """Images at their files' own sizes with their classes."""

    images: list[Tensor]
    """B of uint8 (C, H, W)."""
    labels: Tensor
    """(B,) int64, 0 .. classes - 1."""


class CaptionedImages(NamedTuple):
    """Images, each with a text that describes it."""

    images: Tensor
    """(B, C, H, W) uint8."""
    captions: list[str]
    """B strings."""
    labels: Tensor
    """(B,) int64, places in the source's ``class_names``, one for each description that says something else."""


class CaptionedTokens(NamedTuple):
    """Images, each with its caption as numbers."""

    images: Tensor
    """(B, C, H, W) uint8."""
    tokens: Tensor
    """(B, T) int64, places in a vocabulary; padding behind the end of the shorter ones."""
    lengths: Tensor
    """(B,) int64 tokens of each caption, 1 .. T."""
    labels: Tensor
    """(B,) int64, which description it is: equal where two captions say the same."""


class ImagePairs(NamedTuple):
    """Pairs of images, the same in two domains, whose channels may differ."""

    a: Tensor
    """(B, C, H, W) uint8, of domain A."""
    b: Tensor
    """(B, C', H, W) uint8, of domain B."""


class ColourImages(NamedTuple):
    """Colour images in CIE L*a*b*, whose colours are to be found again."""

    lightness: Tensor
    """(B, 1, H, W) float32 L, 0 to 100."""
    ab: Tensor
    """(B, 2, H, W) float32 a and b, within -110 to 110; what is asked for."""
    hinted: Tensor
    """(B, 1, H, W) bool, at which pixels a person says a and b."""


class HoledImages(NamedTuple):
    """Images, and which part of each is to be found again."""

    images: Tensor
    """(B, C, H, W) uint8, whole."""
    holes: Tensor
    """(B, 1, H, W) bool, true in the hole."""


class Scenes(NamedTuple):
    """Images with the objects on them."""

    images: Tensor
    """(B, C, H, W) uint8."""
    targets: list[Target]
    """One per image."""


class Rows(NamedTuple):
    """Rows of a table without classes."""

    rows: Tensor
    """(B, features) float32."""


class LabelledRows(NamedTuple):
    """Rows of a table with their classes."""

    rows: Tensor
    """(B, features) float32."""
    labels: Tensor
    """(B,) int64, 0 .. classes - 1."""


class IncompleteRows(NamedTuple):
    """Rows of a table some of whose cells are empty; features first, then labels of -1 and 1."""

    incomplete_rows: Tensor
    """(B, columns) float32, NaN where nothing is known."""
    targets: Tensor
    """(B, columns) float32, what was held out, NaN elsewhere."""
    places: Tensor
    """(B,) int64, the row's number among those of the fit; -1 where it was not among them."""


class MixedRows(NamedTuple):
    """Rows of a table whose columns differ in kind, as numbers."""

    values: Tensor
    """(B, columns) float64: numbers as they are, categories by their places, dates as days since 1970; NaN: empty."""


class EncodedRows(NamedTuple):
    """Training rows of such a table, encoded, and others that have what is asked of a generator (CTGAN)."""

    rows: Tensor
    """(B, width) float32, each row of the table as often as any other."""
    conditions: Tensor
    """(B, categories) float32 one-hot over the categories of all columns; what a generated row is to have."""
    asked: Tensor
    """(B,) int64, which of the columns with categories the condition is about."""
    matching: Tensor
    """(B, width) float32, rows that have what ``conditions`` asks."""


class Texts(NamedTuple):
    """Whole texts."""

    texts: list[str]
    """B strings."""


class LabelledTexts(NamedTuple):
    """Whole texts with their classes."""

    texts: list[str]
    """B strings."""
    labels: Tensor
    """(B,) int64, 0 .. classes - 1."""


class Tokens(NamedTuple):
    """Pieces of texts as numbers."""

    tokens: Tensor
    """(B, T) int64, places in a vocabulary."""


class LabelledTokens(NamedTuple):
    """Whole texts as numbers, with their classes."""

    tokens: Tensor
    """(B, T) int64, places in a vocabulary; padding behind the end of the shorter ones."""
    lengths: Tensor
    """(B,) int64 tokens of each text, 1 .. T."""
    labels: Tensor
    """(B,) int64, 0 .. classes - 1."""


class Volumes(NamedTuple):
    """Shapes as volumes, with their silhouettes and their classes."""

    silhouettes: Tensor
    """(B, V, S, S) uint8, 0 or 1, from V views."""
    volumes: Tensor
    """(B, D, D, D) uint8, 0 or 1: depth away from the viewer of the front view, height downwards, width."""
    views: Tensor
    """(B, V) int64, places in the source's ``view_names``."""
    labels: Tensor
    """(B,) int64, 0 .. classes - 1."""


IGNORED = -100
"""The target where nothing is asked; what torch's cross-entropy passes over."""


class MaskedTokens(NamedTuple):
    """Texts with hidden tokens, for masked language models."""

    tokens: Tensor
    """(B, T) int64, what is read; padding behind the shorter texts."""
    targets: Tensor
    """(B, T) int64, the tokens that are asked for, ``IGNORED`` elsewhere."""
    real: Tensor
    """(B, T) bool, false where there is padding."""
    segments: Tensor
    """(B, T) int64, 1 in the second of two texts, else 0."""
    follows: Tensor
    """(B,) int64: 0, the second text follows the first; 1, it is of another; ``IGNORED``, there is one alone."""


class TextPairs(NamedTuple):
    """Whole texts, each with a summary."""

    texts: list[str]
    """B strings."""
    summaries: list[str]
    """B strings."""


class TokenPairs(NamedTuple):
    """Texts and their summaries as numbers, both padded behind their ends."""

    tokens: Tensor
    """(B, S) int64, places in a vocabulary."""
    lengths: Tensor
    """(B,) int64, tokens of each text."""
    summaries: Tensor
    """(B, T) int64, places in the same vocabulary; an end behind the last token of each."""
    summary_lengths: Tensor
    """(B,) int64, tokens of each summary, its end included."""
    places: Tensor
    """(B,) int64, the pair's number in its split, where it is written whole."""


def collate(examples: Sequence[Columns]) -> Columns:
    """One batch of several examples: tensors are stacked, numbers become a tensor, everything else a list."""
    first = examples[0]
    return first._make(stack(list(values)) for values in zip(*examples, strict=True))


def stack(values: list[Any]) -> Any:
    """One column of the values of several examples: a tensor (B, ...) of tensors or numbers, a list of all else."""
    if isinstance(values[0], Tensor):
        return torch.stack(values)
    return torch.tensor(values) if isinstance(values[0], int | float) else values


def tensors(columns: Any) -> Iterator[Tensor]:
    """The columns that are tensors, also those of NamedTuples inside; lists are not looked into."""
    for column in columns:
        if isinstance(column, Tensor):
            yield column
        elif isinstance(column, tuple):
            yield from tensors(column)


def to_device(columns: Columns, device: torch.device) -> Columns:
    """The same columns with all tensors, also those inside lists and dicts, on ``device``."""
    from lightning.fabric.utilities import move_data_to_device  # here: reports read images, and do without Lightning

    return move_data_to_device(columns, device)


def device_of(columns: Any) -> torch.device:
    """Where the first column that is a tensor lies; the CPU if none is."""
    return next((column.device for column in tensors(columns)), torch.device("cpu"))
