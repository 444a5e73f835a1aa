from leyden.data.source.builtin.python_topics import PythonTopics
from leyden.data.splits import STAGES


def test_splits_are_english_about_python() -> None:
    train, val, test = ("".join(PythonTopics().split(stage).columns.texts) for stage in STAGES)
    assert len(train) > 200_000
    assert len(val) > 20_000
    assert len(test) > 20_000
    assert all(text.count(" the ") > 100 for text in (train, val, test))


def test_no_paragraph_is_in_two_splits() -> None:
    train, val, test = (
        {" ".join(part.split()) for text in PythonTopics().split(stage).columns.texts for part in text.split("\n\n")}
        for stage in STAGES
    )
    assert not train & val
    assert not (train | val) & test


def test_same_texts_each_time() -> None:
    assert PythonTopics().split("val").columns == PythonTopics().split("val").columns
