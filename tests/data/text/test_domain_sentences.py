"""Two domains of texts as tokens: what is learnt from, what is read, and what never is."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from leyden.data.source.text.text_source import Text, TextSource
from leyden.data.text.domain_sentences import DomainSentences
from leyden.data.text.domain_texts import DomainTexts

pytest.importorskip("tokenizers")


class Made(TextSource):
    """Fifty texts of each class: a word of the class, one of the domain, and a number."""

    def __init__(self, domain: str, names: tuple[str, str] = ("bad", "good")) -> None:
        super().__init__(domain)
        self.words = names

    def read(self) -> Iterator[Text]:
        for number in range(50):
            for label in self.words:
                yield Text(f"{label} {self.name} item {label}{self.name} number{number}", label, Path("made"))


def data(target: TextSource | None = None, **options: object) -> DomainSentences:
    made = DomainSentences(Made("kettle"), target or Made("film"), vocabulary_size=300, **options)  # type: ignore[arg-type]
    made.prepare_data()
    return made


def words(texts: list[str]) -> set[str]:
    return {word for text in texts for word in text.split()}


def test_learns_from_the_source_and_tests_the_target() -> None:
    made = data()
    for stage, domain in (("train", "kettle"), ("val", "kettle"), ("test", "film")):
        texts, labels = made.examples(stage).columns  # type: ignore[arg-type]
        assert all(text.split()[1] == domain for text in texts)
        assert [made.source.class_names[label] for label in labels.tolist()] == [text.split()[0] for text in texts]
    assert made.spec["class_names"] == ["bad", "good"]


def test_test_texts_are_never_read() -> None:
    made = data()
    read = words(made.unlabelled())
    assert {"kettle", "film"} <= read
    tested = set(made.examples("test").columns.texts)
    assert not tested & set(made.unlabelled())
    assert "film" not in words(data(read="source").unlabelled())


def test_ceiling_learns_from_the_target() -> None:
    made = data(learn_from="target")
    assert all("film" in text for stage in ("train", "val", "test") for text in made.examples(stage).columns.texts)  # type: ignore[arg-type]
    assert made.examples("test").columns.texts == data().examples("test").columns.texts


def test_target_s_labels_are_the_source_s_by_name() -> None:
    made = data(Made("film", ("good", "bad")))
    texts, labels = made.examples("test").columns
    assert [made.source.class_names[label] for label in labels.tolist()] == [text.split()[0] for text in texts]


def test_draws_the_texts_that_rows_are_made_of() -> None:
    made = data(train_size=20, seed=3)
    rows = DomainTexts(Made("kettle"), Made("film"), train_size=20, seed=3)
    rows.prepare_data()
    assert made.examples("train").columns.texts == rows.examples("train").columns.texts
    assert len(made.unlabelled()) == 40
    assert torch.equal(made.examples("test").columns.labels, rows.examples("test").columns.labels)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="share 100 texts"):
        data(Made("kettle"))
    with pytest.raises(ValueError, match="has a class 'fine'"):
        data(Made("film", ("bad", "fine")))
    with pytest.raises(ValueError, match=r"data\.read='all'"):
        data(read="all")
    with pytest.raises(ValueError, match=r"data\.train_size=1"):
        data(train_size=1)
