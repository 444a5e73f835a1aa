from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from leyden.data.mixed.kinds import ColumnReader, Found


def read(*cells: str | float, name: str = "a", label: bool = False, most: int = 4, **kinds: str) -> Found:
    reader = ColumnReader(Path("t.csv"), kinds, most)  # type: ignore[arg-type]
    return reader.read(pd.Series(list(cells), name=name, dtype=object), label)


def told(found: Found) -> list[tuple[str, str]]:
    return [(issue.kind, issue.effect) for issue in found.issues]


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1.5", "2", "-3e2"], "continuous"),
        (["1", "3", "-7"], "whole"),
        (["1", "0", "0"], "boolean"),
        (["Yes", "no", "no"], "boolean"),
        (["red", "blue", "red"], "category"),
        (["01067", "20095", "01067"], "category"),
        (["2021-03-04", "2020-01-01", "2021-03-04"], "date"),
        (["31.12.2020", "01.02.2021", "01.02.2021"], "date"),
        (["x", "x", "x"], "constant"),
    ],
)
def test_kind_is_found_from_the_cells(cells: list[str], kind: str) -> None:
    spec = read(*cells).spec
    assert spec is not None
    assert spec["kind"] == kind


def test_dates_are_days_since_1970() -> None:
    found = read("1970-01-02", "1969-12-31", "1971-01-01")
    np.testing.assert_array_equal(found.values, [1, -1, 365])
    assert found.spec is not None
    assert found.spec["date_format"] == "%Y-%m-%d"
    half = read("1970-01-02 12:00:00", "1970-01-01 06:00:00", "1970-01-01 06:00:00")
    np.testing.assert_allclose(half.values, [1.5, 0.25, 0.25])


def test_numbers_among_words_order_by_size() -> None:
    found = read("10", "9", "b", "a", label=True)
    assert found.spec is not None
    assert found.spec["categories"] == ["9", "10", "a", "b"]
    np.testing.assert_array_equal(found.values, [1, 0, 3, 2])


def test_an_empty_word_is_a_category_of_its_own() -> None:
    found = read("b", np.nan, "a", "a")
    assert found.spec is not None
    assert found.spec["categories"] == ["a", "b", ""]
    np.testing.assert_array_equal(found.values, [1, 2, 0, 0])
    assert told(found) == [("missing values", "note")]


def test_words_and_infinity_among_numbers_are_empty() -> None:
    found = read(*["1.5", "2"] * 10, "?", "inf")
    assert np.isnan(found.values).sum() == 2
    assert told(found) == [("words among numbers", "warning"), ("infinite numbers", "warning")]


def test_rarest_categories_become_other() -> None:
    found = read(*"aaaabbbccdefgg")
    assert found.spec is not None
    assert found.spec["categories"] == ["a", "b", "c", "other"]
    assert np.bincount(found.values.astype(int)).tolist() == [4, 3, 2, 5]
    assert told(found) == [("many categories", "warning")]


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ([str(i) for i in range(7, 12)], "row numbers"),
        (list("abcdefgh"), "identifiers or free text"),
        ([np.nan, np.nan], "empty column"),
    ],
)
def test_what_teaches_nothing_is_left_out_and_told(cells: list[str | float], kind: str) -> None:
    found = read(*cells)
    assert found.spec is None
    assert told(found) == [(kind, "left out")]


def test_kinds_override_what_was_found() -> None:
    assert read("1", "2", "4", a="continuous").spec["kind"] == "continuous"  # type: ignore[index]
    assert read("1", "2", "4", a="category").spec["categories"] == ["1", "2", "4"]  # type: ignore[index]
    assert read("7", "8", "9", a="whole").spec["kind"] == "whole"  # type: ignore[index]
    assert read("1", "2", a="ignore").spec is None


@pytest.mark.parametrize(("kind", "cell"), [("continuous", "x"), ("date", "soon"), ("whole", "1.5")])
def test_kinds_that_do_not_fit_are_refused(kind: str, cell: str) -> None:
    with pytest.raises(ValueError, match=f"'a' is {kind}, but there is '?{cell}'?"):
        read(cell, "y" if kind != "whole" else "2", a=kind)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="a is 'number'; there are: category, continuous"):
        read("1", "2", a="number")
