"""Rows and texts to predict for, and what is said of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from leyden.data.text.tfidf import tfidf_rows


def stacked_rows(
    inputs: Sequence[Tensor | str], feature_names: Sequence[str], tfidf: Mapping[str, Any] | None
) -> Tensor:
    """Rows (N, D) of rows (D,), or of texts where the training had texts.

    Args:
        inputs: N.
        feature_names: D, of the columns.
        tfidf: how texts become rows, a ``TfidfSpec``; None: there are no texts.

    Raises:
        ValueError: a text where rows were trained on, or a row with another number of features.
    """
    rows = []
    for place, row in enumerate(inputs):
        if isinstance(row, str):
            if tfidf is None:
                raise ValueError(f"input {place} is a text, and the training had rows: give rows of its features")
            row = tfidf_rows([row], feature_names, tfidf)[0]  # type: ignore[arg-type]
        if row.shape != (len(feature_names),):
            raise ValueError(
                f"input {place} has {row.numel()} features, the rows of the training {len(feature_names)}: "
                f"{', '.join(feature_names[:5])}, ..."
            )
        rows.append(row)
    return torch.stack(rows)


def with_texts(rows: list[dict[str, Any]], inputs: Sequence[Tensor | str]) -> list[dict[str, Any]]:
    """Rows of predictions, of texts with the "text" that each is about."""
    return [{**row, "text": given} if isinstance(given, str) else row for row, given in zip(rows, inputs, strict=True)]
