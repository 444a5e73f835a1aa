"""First sentences of docstrings: whose they are, in which split, and how many."""

from pathlib import Path

import pytest

from leyden.data.source.text.library_docs import LibraryDocs
from leyden.data.splits import STAGES

PACKAGES = ["jinja2", "joblib"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("cache"))


def test_classes_are_packages_and_splits_share_no_file(cache: str) -> None:
    source = LibraryDocs(PACKAGES, per_package=None, cache=cache)
    source.prepare()
    assert source.class_names == PACKAGES
    stages: dict[tuple[str, Path], set[str]] = {}
    for text in source.read():
        assert f"{text.label}/" in text.file.as_posix()
        assert text.stage in STAGES
        stages.setdefault((text.label, text.file), set()).add(text.stage)
    assert all(len(found) == 1 for found in stages.values())
    assert {stage for found in stages.values() for stage in found} == set(STAGES)


def test_so_many_of_each_and_always_the_same(cache: str) -> None:
    few, again, more = (
        [(text.label, text.text) for text in LibraryDocs(PACKAGES, per_package=count, cache=cache).read()]
        for count in (20, 20, 30)
    )
    assert few == again
    assert [sum(label == package for label, _ in few) for package in PACKAGES] == [20, 20]
    assert set(few) < set(more)


def test_two_packages_and_ten_sentences() -> None:
    with pytest.raises(ValueError, match="two packages or more"):
        LibraryDocs(["jinja2", "jinja2"])
    with pytest.raises(ValueError, match="ten sentences of each"):
        LibraryDocs(PACKAGES, per_package=9)
    missing = LibraryDocs(["jinja2", "no_such_package"])
    with pytest.raises(ImportError, match="no_such_package"):
        missing.prepare()
