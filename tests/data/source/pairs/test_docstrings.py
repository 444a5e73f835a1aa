"""Pairs out of docstrings: what is a summary, what is left out, which packages."""

import sys
from pathlib import Path

import pytest

from leyden.data.source.pairs.docstrings import Docstrings, docstrings_of, plain, split_docstring

BODY = "It does this, then that, and of all things that it could do it does no more than these few."
OTHER = "Where the first does this and that, the second does the other thing, and nothing more than this."
CODE = f'''"""One module for all its tests.

{BODY}
"""

if True:
    class A:
        """Hold the `values` of :class:`~a.B` and **more**.

        {BODY}

            indented code

        A second paragraph.

        Parameters
        ----------
        x : that is left out
        """

        async def f(self):
            """Return what was asked for.

            Args:
                x: nothing else is here
            """

        def g(self):
            """Short.

            {BODY}
            """

    def h():
        """One module, for all its TESTS!

        {BODY}
        """
'''


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    another = CODE.replace("One module", "Any package").replace(BODY, OTHER)
    for name, code in {"pair_a": CODE, "pair_b": another, "pair_c": ""}.items():
        (tmp_path / name / "tests").mkdir(parents=True)
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('imported')\n" if name == "pair_a" else "")
        (tmp_path / name / "code.py").write_text(code)
        (tmp_path / name / "broken.py").write_text("def f(:\n")
        (tmp_path / name / "tests" / "more.py").write_text(f'"""Not a summary, only tests.\n\n{BODY}\n"""\n')
        info = tmp_path / f"{name}-1.{len(code)}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.{len(code)}\n")
        (info / "top_level.txt").write_text(f"{name}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def source(cache: Path | None = None, least: int = 3, words: int = 5) -> Docstrings:
    place = None if cache is None else str(cache)
    return Docstrings(["pair_a"], ["pair_b"], ["pair_c", "numpy"], [least, 25], [words, 60], 12, place)


def test_first_paragraph_sums_up_the_rest(packages: Path) -> None:
    found = source()._pairs("pair_a", "train")
    assert [(pair.summary, pair.text, pair.line) for pair in found] == [
        ("One module for all its tests.", BODY, 1),
        ("Hold the values of a.B and more.", f"{BODY} A second paragraph.", 8),
    ]  # without a body, short, or with the words of the first: none of these


def test_nothing_is_imported(packages: Path) -> None:
    splits, issues = source().inspect()
    assert "pair_a" not in sys.modules
    assert splits["train"].columns.summaries == ["One module for all its tests."]
    assert [issue.kind for issue in issues] == ["same summary"]  # of "Hold the values", that in training goes
    assert splits["val"].columns.summaries == ["Any package for all its tests.", "Hold the values of a.B and more."]
    assert len(splits["test"]) == 12


def test_pairs_are_kept_for_later_runs(packages: Path, tmp_path: Path) -> None:
    first = source(tmp_path / "cache")
    first.prepare()
    files = list((tmp_path / "cache").glob("docstrings_*.jsonl"))
    assert len(files) == 1
    (packages / "pair_a" / "code.py").unlink()  # is not read again
    again = source(tmp_path / "cache")
    again.prepare()
    assert again.fingerprint == first.fingerprint
    assert len(again.split("train")) == 1
    with pytest.raises(ValueError, match="no pair is of the split train"):  # other limits are looked for anew
        source(tmp_path / "cache", words=6).prepare()


def test_versions_are_logged(packages: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        found = source()
        found.prepare()
    assert f"fingerprint {found.fingerprint}, of pair_a 1.{len(CODE)}, pair_b 1." in caplog.text


def test_missing_packages_are_all_named() -> None:
    with pytest.raises(ImportError, match="there is no leyden_none, leyden_nil: pip install"):
        Docstrings(["leyden_none"], ["numpy"], ["leyden_nil"]).prepare()


def test_values_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="'numpy' stands in two splits"):
        Docstrings(["numpy"], ["torch"], ["numpy"])
    with pytest.raises(ValueError, match=r"body_words=\[9, 3\]"):
        Docstrings(body_words=[9, 3])
    with pytest.raises(ValueError, match="max_per_package=0"):
        Docstrings(max_per_package=0)


def test_marks_of_restructured_text_are_taken_off() -> None:
    assert plain("A ``b`` of :class:`~c.D` and\n  :func:`e <f.g>`, *h* and **i**::") == "A b of c.D and e, h and i"
    assert plain("x_1 * y of **kwargs and `N`-d") == "x_1 * y of kwargs and N-d"


@pytest.mark.parametrize(
    "heading", ["Args:", "Examples::", "Parameters\n----------", ".. math::", ":param x: y", ">>> f()"]
)
def test_the_body_ends_at_a_heading(heading: str) -> None:
    assert split_docstring(f"Do it.\n\nThis is how.\n\n{heading}\n\nNot this.") == ("This is how.", "Do it.")


def test_a_heading_is_no_summary() -> None:
    assert split_docstring("DataFrame\n---------\n\nThis is how.") == ("", "")


def test_real_docstrings_of_a_package() -> None:
    import numpy

    found = docstrings_of(Path(numpy.__file__).parent / "lib" / "_function_base_impl.py")
    assert any(
        docstring.text.startswith("Compute the weighted average along the specified axis.") for docstring in found
    )
