"""README and docs/ are followed to the letter: commands, notebook examples, links."""

import re
import runpy
import shlex
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml
from commands import read_json
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, IntervalSweep, Override

from leyden.bench.commands.advise import OWN
from leyden.bench.config.groups import options
from leyden.bench.config.overrides import without_default_lab
from leyden.bench.config.validate import compose_and_check
from leyden.cli import main

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
COMPOSES = {"run", "sweep", "check", "check-data", "advise", "find-lr", "verify"}
"""Verbs that take overrides."""
PRINTS = {"list", "show"}
"""Verbs that are quick enough to be typed here."""


def code(page: str, language: str) -> list[str]:
    """The blocks of code in a language."""
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


def commands(page: str) -> Iterator[list[str]]:
    """The arguments of each ``leyden`` command in a page, in blocks and inside of lines."""
    text = (ROOT / page).read_text()
    inline = [
        span.replace("\n", " ") for span in re.findall(r"`(leyden [^`]+)`", re.sub(r"```.*?```", "", text, flags=re.S))
    ]
    for line in [*"".join(code(page, "bash")).splitlines(), *inline]:
        words = shlex.split(line, comments=True)
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):  # an environment variable
            words.pop(0)
        if len(words) > 1 and words[0] == "leyden":
            yield words[1:]


def first(override: Override) -> str:
    """An override with the first of the values that a sweep would try."""
    key, value = str(override.input_line).partition("=")[0], override.value()
    if isinstance(value, Glob):
        return f"{key}={next(name for name in options('experiment') if fnmatch(name, value.include[0]))}"
    if isinstance(value, IntervalSweep):
        return f"{key}={value.start}"
    return f"{key}={next(override.sweep_string_iterator())}" if override.is_sweep_override() else override.input_line


@pytest.mark.parametrize("page", NAMES)
def test_commands_compose(page: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for verb, *words in commands(page):
        if any(re.search("oops|searchpath|my_lab|softmax_regression", word) for word in words) and verb != "new":
            continue  # a mistake on purpose; a lab or technique outside, which have their own tests below
        if verb in COMPOSES:
            given = [re.sub(r"FOLDER|FILE|\.\.\.$", str(tmp_path), w) for w in words if "=" in w or w[0] == "~"]
            if verb == "advise" and given:
                given = [f"experiment={OWN}", *given]
            if verb == "check-data":
                given = without_default_lab(given)
            compose_and_check([first(one) for one in OverridesParser.create().parse_overrides(given)])
        if verb in PRINTS:
            assert main([verb, *words]) == 0
        elif verb not in ("run", "sweep"):
            with pytest.raises(SystemExit):
                main([verb, "--help"])
            known = capsys.readouterr().out
            assert all(word in known for word in words if word.startswith("--")), (verb, words)


@pytest.mark.parametrize("page", NAMES)
def test_links_lead_somewhere(page: str) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", (ROOT / page).read_text())
    for link in links:
        if not link.startswith(("http", "#")):
            assert ((ROOT / page).parent / link.partition("#")[0]).is_file(), link


def test_the_site_has_every_page() -> None:
    def pages(node: Any) -> Iterator[str]:
        if isinstance(node, str):
            yield node
        for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else []:
            yield from pages(child)

    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    assert {f"docs/{page}" for page in pages(nav)} == {name for name in NAMES if name.startswith("docs/")}


def test_the_readme_is_one_page() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


@pytest.mark.parametrize("example", code("docs/notebook.md", "python"))
def test_notebook_example_runs(example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = example.replace("lightning.Trainer(", "lightning.Trainer(fast_dev_run=True, ")
    assert short != example
    monkeypatch.chdir(tmp_path)
    exec(short, {"__name__": "__main__"})  # in a process that has run other things before, like any notebook


def test_each_family_has_a_notebook_example() -> None:
    for family in ("transfer", "gan", "detection", "text"):
        assert f"from leyden.{family}." in "".join(code("docs/notebook.md", "python"))


def shown(page: str) -> dict[str, str]:
    """The files of a user's folder that a page shows."""
    return dict(re.findall(r"`(mylab/\S+)`\n```\w+\n(.*?)```", (ROOT / page).read_text(), re.DOTALL))


def test_adding_a_technique_works_as_written(
    tmp_path: Path, leyden: Callable, records: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = "docs/add_a_technique.md"
    [words] = [words for words in commands(page) if words[:2] == ["new", "technique"] and "mylab" in words]
    assert leyden(*words).returncode == 0
    assert shown(page) == {str(file.relative_to(tmp_path)): file.read_text() for file in files_below(tmp_path)}

    own = {"LEYDEN_SEARCHPATH": str(tmp_path / "mylab"), "LEYDEN_ALLOW": "softmax_regression"}
    done = leyden("run", "experiment=softmax_regression_digits", **own)
    assert done.returncode == 0, done.stderr
    assert re.search(r"at least .* yes\n", done.stdout)
    assert " NO\n" not in done.stdout
    [folder] = records()
    assert read_json(folder / "metrics.json")["test/accuracy"] > 0.91
    done = leyden("predict", "softmax_regression_digits", **own)
    assert done.returncode == 0, done.stderr
    assert len(read_json(folder / "predictions" / "predictions.json")) == 16

    monkeypatch.syspath_prepend(tmp_path / "mylab")
    tests = runpy.run_path(str(tmp_path / "mylab" / "test_softmax_regression.py"))
    assert [test() for name, test in tests.items() if name.startswith("test_")] == [None, None]


def test_the_lab_of_the_page_is_the_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new", "lab", "my_lab", "--folder", "mylab"]) == 0
    assert shown("docs/configuration.md") == {
        str(file.relative_to(tmp_path)): file.read_text() for file in files_below(tmp_path)
    }


def files_below(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file()]
