"""What a classifier of texts must beat: counted words and a linear model."""

from collections.abc import Sequence

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from torch import Tensor

C = 10.0
"""Inverse strength of the logistic regression's penalty."""


def tfidf_accuracy(texts: Sequence[str], labels: Tensor, test_texts: Sequence[str], test_labels: Tensor) -> float:
    """Accuracy on test texts of logistic regression on TF-IDF of words and pairs of words of the training texts.

    Of words that two training texts have or more, with 1 + ln(count), as ``leyden.data.text.tfidf`` has them; rows stay
    sparse here, so that no n-gram need be left out.

    Args:
        texts: N labelled training texts.
        labels: (N,) their classes.
        test_texts: M.
        test_labels: (M,) their classes.
    """
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), min_df=2 if len(texts) > 50 else 1, sublinear_tf=True)
    model = make_pipeline(vectorizer, LogisticRegression(C=C, max_iter=1000))
    model.fit(list(texts), labels.numpy())
    return float(model.score(list(test_texts), test_labels.numpy()))
