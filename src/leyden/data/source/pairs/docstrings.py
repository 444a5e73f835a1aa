"""Pairs of text and one-line summary out of the docstrings of installed packages: no download, nothing is imported."""

import ast
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from importlib.metadata import packages_distributions, version
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from leyden.core.files import write_file
from leyden.data.source.pairs.pair_source import Pair, PairSource
from leyden.data.source.text.text_source import words_of
from leyden.data.splits import STAGES, Stage

RULES = 2
"""Goes up whenever the same docstring would give another pair, so that files made by earlier rules are not read."""
HEADING = re.compile(
    r"""\.\.\s            # a directive or a comment
    | :[a-z]+[^:]*:\s     # a field, such as ":param x:"; a role has a backtick in place of the space
    | >>>\s               # a session
    | [A-Z][\w ]{2,30}::?\s*(\n|$)   # "Args:", "Examples::"
    | .*\n\s*[-=~^]{3,}\s*(\n|$)     # "Parameters" with a line below
    """,
    re.VERBOSE,
)
ROLE = re.compile(r":[\w:+-]+:`[~.]*([^`<]*?)(?:\s*<[^`>]*>)?`")
MARKS = re.compile(r"(?<!\w)[`*]+[~.]*(?=\w)|(?<=[^\s`*])[`*]+(?!\w)|``|::$")


Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


class Docstring(NamedTuple):
    """One as it stands in a file."""

    text: str
    line: int


class Docstrings(PairSource):
    """The first paragraph of a docstring is the summary of the paragraphs behind it, up to the first section.

    Modules, classes and functions of whole packages, their tests left out, are read by ``ast``; the splits share no
    package and, where two docstrings begin with the same words, no summary. Versions of packages differ in their
    docstrings: the log names them, and ``fingerprint`` says which pairs a run has seen.

    Args:
        train: packages, by the names that they are imported by.
        val: packages.
        test: packages.
        summary_words: fewest and most words of a first paragraph that counts as a summary.
        body_words: fewest and most words of what it sums up.
        max_per_package: so many pairs of a package, in the order of its files.
        cache: a folder in which the pairs are kept for later runs, under a key of versions and rules; null reads the
            packages each time, half a minute.

    Raises:
        ValueError: a package stands in two splits, or a number is out of range.
        ImportError: a package is not installed; all that are missing are named.
    """

    def __init__(
        self,
        train: Sequence[str] = ("torch", "scipy", "sklearn", "networkx"),
        val: Sequence[str] = ("matplotlib",),
        test: Sequence[str] = ("pandas", "numpy"),
        summary_words: Sequence[int] = (4, 25),
        body_words: Sequence[int] = (15, 400),
        max_per_package: int = 5000,
        cache: str | None = None,
    ) -> None:
        super().__init__("docstrings")
        self.packages: dict[Stage, list[str]] = {"train": list(train), "val": list(val), "test": list(test)}
        named = [package for packages in self.packages.values() for package in packages]
        if twice := sorted({package for package in named if named.count(package) > 1}):
            raise ValueError(f"data.source: the package {twice[0]!r} stands in two splits, which should share nothing")
        for key, (least, most) in {"summary_words": summary_words, "body_words": body_words}.items():
            if not 1 <= least <= most:
                raise ValueError(f"data.source.{key}=[{least}, {most}]: fewest and most words, from 1")
        if max_per_package < 1:
            raise ValueError(f"data.source.max_per_package={max_per_package} counts from 1")
        self.limits = tuple(summary_words), tuple(body_words)
        self.max_per_package = max_per_package
        self.cache = None if cache is None else Path(cache).expanduser()

    @property
    def versions(self) -> Mapping[str, str]:
        """The version of each package.

        Raises:
            ImportError: some are not installed.
        """
        named = [package for stage in STAGES for package in self.packages[stage]]
        if missing := [package for package in named if find_spec(package) is None]:
            raise ImportError(
                f"data/source=docstrings reads installed packages, and there is no {', '.join(missing)}: pip install "
                "them, or leave them out of data.source.train, val and test"
            )
        distributions = packages_distributions()
        return {package: version(distributions[package][0]) for package in named}

    def about(self) -> str:
        """Packages with their versions."""
        return ", ".join(f"{package} {number}" for package, number in self.versions.items())

    def read(self) -> Iterator[Pair]:
        """Every pair, package by package, from the cache if it has them."""
        key = repr((RULES, self.limits, self.max_per_package, self.packages, dict(self.versions)))
        file = None if self.cache is None else self.cache / f"docstrings_{sha256(key.encode()).hexdigest()[:16]}.jsonl"
        if file is not None and file.is_file():
            for line in file.read_text(encoding="utf-8").splitlines():
                text, summary, path, number, stage = json.loads(line)
                yield Pair(text, summary, Path(path), number, stage)
            return
        pairs = [pair for stage in STAGES for package in self.packages[stage] for pair in self._pairs(package, stage)]
        if file is not None:
            rows = (json.dumps([p.text, p.summary, str(p.file), p.line, p.stage]) for p in pairs)
            write_file(file, "".join(f"{row}\n" for row in rows))
        yield from pairs

    def _pairs(self, package: str, stage: Stage) -> Iterator[Pair]:
        (least, most), (shortest, longest) = self.limits
        seen: set[str] = set()
        for file in _files(package):
            for docstring in docstrings_of(file):
                text, summary = split_docstring(docstring.text)
                key = words_of(summary)
                fits = least <= len(summary.split()) <= most and shortest <= len(text.split()) <= longest
                if fits and key not in seen:
                    seen.add(key)
                    yield Pair(text, summary, file, docstring.line, stage)
                    if len(seen) == self.max_per_package:
                        return


def _files(package: str) -> list[Path]:
    spec = find_spec(package)
    assert spec is not None  # ``versions`` has asked
    places = [Path(place) for place in spec.submodule_search_locations or []]
    if not places:  # a module of one file
        return [Path(spec.origin or "")]
    files = [(place, file) for place in places for file in place.rglob("*.py")]
    return sorted(file for place, file in files if "tests" not in file.relative_to(place).parts)


@lru_cache(20_000)
def docstrings_of(file: Path) -> tuple[Docstring, ...]:
    """Of a Python file's module, classes and functions, in their order; none of a file that is no Python."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return ()
    found = [Docstring(text, node.body[0].lineno) for node in _defined(tree) if (text := ast.get_docstring(node))]
    return tuple(sorted(found, key=lambda docstring: docstring.line))


def _defined(node: ast.AST) -> Iterator[Documented]:
    """A node and all below that can have a docstring; expressions, most of a tree, hold none."""
    if isinstance(node, Documented):
        yield node
    for field in ("body", "orelse", "finalbody", "handlers", "cases"):
        for child in node.__dict__.get(field, ()) if not isinstance(node, ast.expr) else ():
            yield from _defined(child)


def split_docstring(docstring: str) -> tuple[str, str]:
    """The text and the summary of a docstring, each in one line and without the marks of reStructuredText.

    Both are empty where the first paragraph is a heading.
    """
    first, *others = re.split(r"\n\s*\n", docstring.strip())
    if HEADING.match(first):
        return "", ""
    body = []
    for paragraph in others:
        if HEADING.match(paragraph.strip()):
            break
        if not paragraph[0].isspace():  # what is indented is code
            body.append(plain(paragraph))
    return " ".join(body), plain(first)


def plain(markup: str) -> str:
    """One line of text without roles, backticks and asterisks around words: ``:class:`~a.B` `` is ``a.B``."""
    return " ".join(MARKS.sub("", ROLE.sub(r"\1", markup)).split())
