"""Arguments in any order, the version, verbs that are not there; what ``LEYDEN_SEARCHPATH`` adds."""

import os
import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from leyden.bench.config.compose import compose
from leyden.bench.config.groups import options
from leyden.cli import app, main
from leyden.cli.examples import EXAMPLES
from leyden.cli.help import GROUPS, overview
from leyden.cli.parser import parse
from leyden.cli.searchpath import added_to
from leyden.cli.verbs import VERBS


def test_options_and_overrides_in_any_order() -> None:
    words = ["experiment=tour_transfer", "seed=1"]
    for typed in (
        ["--steps", "40", *words],
        [*words, "--steps", "40"],
        [words[0], "--steps", "40", words[1]],
    ):
        parsed = parse("find-lr", typed)
        assert parsed["overrides"] == words
        assert parsed["steps"] == 40
    parsed = parse("compare", ["--metric", "a", "one", "--metric", "b", "two"])
    assert parsed["folders"] == [Path("one"), Path("two")]
    assert parsed["metrics"] == ["a", "b"]
    assert parse("predict", ["--count", "3", "one", "--seed", "1"])["record"] == Path("one")


@pytest.mark.parametrize("verb", sorted({*VERBS} - {"run", "sweep"}))
def test_help_has_examples_that_parse(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main([verb, "--help"])
    shown = [line.strip() for line in capsys.readouterr().out.partition("examples:\n")[2].splitlines()]
    assert shown == EXAMPLES[verb]
    for line in shown:
        program, typed, *words = shlex.split(line.removeprefix('eval "$(').removesuffix(')"'))
        assert (program, typed) == ("leyden", verb)
        assert parse(verb, words)


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--version"], ["run", "--version"]):
        assert main(words) == 0
        assert capsys.readouterr().out == f"leyden {version('leyden')}\n"
    for words in ([], ["--help"], ["help"]):
        assert main(words) == 0
        assert capsys.readouterr().out == f"{overview()}\n"
    assert all(f"\n  {verb} " in overview() for verb in VERBS)


def test_help_of_run_has_user_groups_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "experiment=gan_dcgan", "--help"]) == 0
    text = capsys.readouterr().out
    assert len(text.splitlines()) < 60
    assert all(f"  {group}=..." in text for group in GROUPS)
    assert not {"_common", "_adversarial", "_target_"} & {*text.split()}
    assert f"gan/... ({len([name for name in options('model') if name.startswith('gan/')])})" in text
    assert "; by name: leyden list labs\n" in text


def test_help_of_sweep_has_its_keys(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "-h"]) == 0
    text = capsys.readouterr().out
    for key in compose().config["sweep"]:
        assert f"  sweep.{key} " in text
    assert {"range(0,8)", "interval(1e-4,1e-2)"} <= {word.strip("'").partition("=")[2] for word in text.split()}


def test_wrong_verb(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["compre"])
    assert end.value.code == 2
    assert capsys.readouterr().err == "error: no verb 'compre'; did you mean compare? (leyden --help)\n"


def test_searchpath_of_the_environment_composes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one (1)", "two"):
        (tmp_path / name / "experiment").mkdir(parents=True)
        (tmp_path / name / "experiment" / f"lab_{name[:3]}.yaml").write_text("# @package _global_\nseed: 7\n")
    monkeypatch.setenv("LEYDEN_SEARCHPATH", str(tmp_path / "one (1)"))
    typed = [f"hydra.searchpath=[file://{tmp_path / 'two'}]"]
    for lab in ("lab_one", "lab_two"):
        assert compose(added_to([*typed, f"experiment={lab}"])).config["seed"] == 7
    monkeypatch.setenv("LEYDEN_SEARCHPATH", str(tmp_path / "three"))
    with pytest.raises(ValueError, match=r"LEYDEN_SEARCHPATH: no folder .*three; name folders"):
        added_to([])


@pytest.mark.parametrize("verb", ["run", "sweep", "check", "find-lr", "check-data", "advise", "verify"])
def test_every_verb_knows_the_searchpath(verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called = []
    monkeypatch.setattr(app, "_call", lambda function, arguments: called.append(arguments) or 0)
    monkeypatch.setattr("sys.path", [*sys.path])
    monkeypatch.setenv("PYTHONPATH", "here")
    monkeypatch.setenv("LEYDEN_SEARCHPATH", str(tmp_path))
    assert main([verb, "seed=1"]) == 0
    given = called[0].get("overrides") or called[0]["words"]
    assert [text for text in given if not text.startswith("-")] == [f"hydra.searchpath=[file://{tmp_path}]", "seed=1"]
    assert sys.path[-1] == str(tmp_path)
    assert os.environ["PYTHONPATH"] == f"here{os.pathsep}{tmp_path}"


@pytest.mark.parametrize("words", [["run", "--help"], ["list"]])
def test_reader_that_has_enough_is_no_error(words: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "leyden", *words], stdout=writer, stderr=subprocess.PIPE, text=True
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")
