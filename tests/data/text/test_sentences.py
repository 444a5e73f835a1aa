from pathlib import Path

import pytest
import torch
from toy_texts import ToyTexts

from leyden.data.source.text.line_files import LineFiles
from leyden.data.text.sentences import Sentences, draw_labelled, frame
from leyden.data.text.tokenizer_sources import train_tokenizer

pytest.importorskip("tokenizers")


def sentences(source: ToyTexts | None = None, **options: object) -> Sentences:
    data = Sentences(source or ToyTexts(), vocabulary_size=300, batch_size=8, **options)  # type: ignore[arg-type]
    data.prepare_data()
    return data


def test_texts_stand_between_cls_and_sep() -> None:
    data = sentences()
    own, texts = data.tokenizer, data.examples("test").columns.texts
    split = data.split("test")
    for i in (0, 5):
        tokens = split[i].tokens.tolist()
        assert (tokens[0], tokens[-1]) == (own.start, own.end)
        assert own.decode(tokens) == texts[i]
    assert data.spec["class_names"] == ["bad", "good"]


def test_without_a_start_there_is_an_end_alone() -> None:
    letters = train_tokenizer("characters", ["abc"])
    rows, cut = frame(letters.encode_all(["abc", "a"]), letters, 3)
    assert [letters.decode(row) for row in rows] == ["ab", "a"]
    assert rows[0][-1] == letters.end
    assert cut == [0]


def test_what_is_too_long_is_cut_and_counted() -> None:
    data = sentences(context=8)
    split = data.split("train")
    assert int(split.lengths.max()) == 8
    assert (split.values[split.starts[split.lengths == 8] + 7] == data.tokenizer.end).all()
    assert "text beyond data.context=8 tokens, cut" in str(data.source.tally)


def test_fewer_labels_are_among_more() -> None:
    texts = {count: set(sentences(labels=count).examples("train").columns.texts) for count in (10, 20, 72)}
    assert [len(found) for found in texts.values()] == [10, 20, 72]
    assert texts[10] < texts[20] < texts[72]
    other = sentences(labels=10, seed=1).examples("train").columns
    assert set(other.texts) != texts[10]
    assert torch.bincount(other.labels).tolist() == [5, 5]


@pytest.mark.parametrize(("count", "expected"), [(10, [8, 2]), (3, [2, 1]), (2, [1, 1]), (12, [10, 2])])
def test_labels_keep_the_classes_shares(count: int, expected: list[int]) -> None:
    labels = torch.tensor([0] * 10 + [1] * 2)
    drawn = draw_labelled(labels, count, None, 0, ["a", "b"])
    assert torch.bincount(labels[drawn]).tolist() == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": 1}, "data.labels=1: should be 2 or more"),
        ({"context": 2}, "data.context=2: should be 3 or more"),
        ({"labels_per_class": 0}, "data.labels_per_class=0: should be 1 or more"),
        ({"labels": 10, "labels_per_class": 5}, "data.labels=10 and data.labels_per_class=5: set one"),
    ],
)
def test_impossible_numbers(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sentences(**options)


def test_more_labels_than_texts() -> None:
    with pytest.raises(ValueError, match=r"data\.labels=100: there are 72 training texts of 2 classes"):
        sentences(labels=100).split("train")
    with pytest.raises(ValueError, match=r"data\.labels_per_class=40, but class 'bad' has 36 training texts"):
        sentences(labels_per_class=40).split("train")


def test_more_texts_without_those_that_are_tested() -> None:
    class Other(ToyTexts):
        def read(self):  # type: ignore[no-untyped-def]
            yield from ToyTexts(120).read()
            yield from (text._replace(text=f"other {text.text}") for text in ToyTexts(30).read())

    data = sentences(labels=10, more=Other(150, "more"))
    texts = data.unlabelled()
    held = {text for stage in ("val", "test") for text in data.source.split(stage).columns.texts}
    assert not held & set(texts)
    assert len(texts) > 72
    assert data.tokenizer.unknown not in data.split("train").values


def test_what_was_computed_takes_the_place_of_texts() -> None:
    data = sentences()
    texts = data.split("train")
    data.train_dataloader()
    features = type(texts)(texts.values[:, None].float(), texts.lengths, texts.labels)
    data.set_computed({"train": features})
    assert next(iter(data.train_dataloader())).tokens.ndim == 3
    data.set_computed({})
    assert next(iter(data.train_dataloader())).tokens.ndim == 2


def test_bytes_that_are_no_text_are_named_by_line(tmp_path: Path) -> None:
    (tmp_path / "spam.txt").write_bytes(b"one\n\xff two\n")
    (tmp_path / "ham.txt").write_bytes(b"three\n")
    with pytest.raises(ValueError, match=r"spam.txt:2: the byte 0xff is no utf-8"):
        Sentences(LineFiles(str(tmp_path))).prepare_data()


def test_one_class_or_empty_lines(tmp_path: Path) -> None:
    lines = "\n\n".join(f"text {number}" for number in range(12))
    (tmp_path / "spam.txt").write_text(lines)
    (tmp_path / "ham.txt").write_text("\n\n")
    with pytest.raises(ValueError, match=r"12 texts of the classes \['spam'\]: a classifier needs two classes"):
        Sentences(LineFiles(str(tmp_path))).prepare_data()
    (tmp_path / "ham.txt").write_text(lines.replace("text", "word"))
    data = Sentences(LineFiles(str(tmp_path)), vocabulary_size=300)
    data.prepare_data()
    assert str(data.source.tally).startswith("22 x empty text, left out")
