"""Texts as rows of TF-IDF: which n-grams, how rare they are, and the rows."""

from collections.abc import Sequence

import numpy as np
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from torch import Tensor

from leyden.data.specs import TfidfSpec


def fit_tfidf(
    texts: Sequence[str], ngrams: int = 2, max_features: int | None = 5000, min_count: int = 2, sublinear: bool = True
) -> tuple[list[str], TfidfSpec]:
    """The n-grams of some texts and what makes rows of them, by scikit-learn's ``TfidfVectorizer``.

    A feature is 1 + ln(count) (or the count) times idf = ln((1 + N) / (1 + texts with it)) + 1; rows have length 1.

    Args:
        texts: N; their labels are not looked at.
        ngrams: the most words of a feature; words have two letters or more, in lower case.
        max_features: so many n-grams, the most frequent; None: all.
        min_count: fewer texts have only what is left out.
        sublinear: 1 + ln(count) for the count.

    Returns:
        The n-grams in the order of the columns, and what ``tfidf_rows`` takes besides.

    Raises:
        ValueError: no n-gram is left.
    """
    try:
        fitted = TfidfVectorizer(
            ngram_range=(1, ngrams), max_features=max_features, min_df=min_count, sublinear_tf=sublinear
        ).fit(texts)
    except ValueError as error:
        raise ValueError(
            f"no word of {len(texts)} texts is in {min_count} of them ({error}): lower data.min_count, or look at the "
            "texts"
        ) from error
    names = [str(name) for name in fitted.get_feature_names_out()]
    return names, TfidfSpec(ngrams=ngrams, sublinear=sublinear, idf=fitted.idf_.tolist())


def tfidf_rows(texts: Sequence[str], feature_names: Sequence[str], spec: TfidfSpec) -> Tensor:
    """Rows (N, features) float32 of length 1; 0 where a text has none of the n-grams.

    Args:
        texts: N.
        feature_names: the n-grams.
        spec: of ``fit_tfidf``.
    """
    vectorizer = TfidfVectorizer(
        ngram_range=(1, spec["ngrams"]),
        sublinear_tf=spec["sublinear"],
        vocabulary={name: place for place, name in enumerate(feature_names)},
        dtype=np.float32,
    )
    vectorizer.idf_ = np.asarray(spec["idf"], np.float32)
    return torch.from_numpy(vectorizer.transform(texts).toarray())
