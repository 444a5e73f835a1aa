import codecs
import shlex
from pathlib import Path

import pytest

from leyden.bench.config.compose import ConfigError, compose
from leyden.bench.config.overrides import in_quotes, wrong_overrides
from leyden.bench.config.validate import compose_and_check
from leyden.cli import main

ODD = [
    "/x/archive (1)", "/x/epoch=3-step=12.ckpt", "/x/{a}", "/x/[1]", "/x/été", "/x/日本", "/x/a#b", "/x/it's", "~/x",
    "/x/a&b;c", 'C:\\a (1)', 'say "x"', "/x/${", "(1)", "/x/a`b", "/x/a\nb", "/x/a,b (1)", "😀", "a!b<c>",
    "/x/100% (1)", "/x/a: (b)", "/x/\\", "/x/(\\",
]  # fmt: skip


@pytest.mark.parametrize("value", ODD)
def test_value_in_quotes_is_read_as_typed(value: str) -> None:
    words = ["data/source=image_folder", in_quotes(f"data.source.root={value}")]
    assert compose(words).config["data"]["source"]["root"] == value


@pytest.mark.parametrize("value", [value for value in ODD if value != "/x/\\"])
def test_unreadable_value_is_told_with_quotes(value: str) -> None:
    text = f"data.source.root={value}"
    with pytest.raises(ConfigError) as caught:
        compose_and_check(["data/source=image_folder", text])
    [mistake] = caught.value.mistakes
    assert mistake.endswith(f"put quotes inside: {shlex.quote(in_quotes(text))}")


def test_searchpath_gets_quotes_inside_its_list() -> None:
    assert in_quotes("hydra.searchpath=[file:///x/a (1)]") == 'hydra.searchpath=["file:///x/a (1)"]'


def test_searchpath_without_quotes_hides_no_lab(tmp_path: Path) -> None:
    (tmp_path / "a (1)" / "experiment").mkdir(parents=True)
    (tmp_path / "a (1)" / "experiment" / "mine.yaml").write_text(LAB)
    with pytest.raises(ConfigError) as caught:
        compose_and_check([f"hydra.searchpath=[file://{tmp_path}/a (1)]", "experiment=mine"])
    assert len(caught.value.mistakes) == 1


def test_commas_are_several_values_or_quoted() -> None:
    with pytest.raises(ConfigError) as caught:
        compose_and_check(["data/source=image_folder", "data.source.root=/x/a,b"])
    assert "`leyden sweep` tries each; for one value put quotes inside: 'data.source.root=\"/x/a,b\"'" in str(
        caught.value
    )


@pytest.mark.parametrize("verb", ["run", "sweep", "check", "check-data", "advise", "find-lr", "verify"])
def test_each_verb_prints_the_whole_command(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "seed=1", "model.weights=a b (1).pt"]) == 1
    fixed = shlex.join(["leyden", verb, "seed=1", 'model.weights="a b (1).pt"'])
    assert capsys.readouterr().err.endswith(f"the whole command: {fixed}\n")


def test_a_word_that_is_no_override() -> None:
    assert "is no KEY=VALUE, +KEY=VALUE or ~KEY" in wrong_overrides(["folder"])["folder"]


LAB = "# @package _global_\nseed: 7\nlab:\n  title: Café\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (codecs.BOM_UTF8 + LAB.encode(), "mine.yaml is in UTF-8 with a byte-order mark: save it as UTF-8 without"),
        (LAB.encode("utf-16"), "mine.yaml is in UTF-16: save it as UTF-8"),
        (LAB.encode("latin-1"), "mine.yaml, line 4: byte 0xe9 is no UTF-8: save the file as UTF-8"),
        (LAB.replace("  title", "\ttitle").encode(), "mine.yaml, line 4: is no YAML"),
        (b"# @package _global_\nseed: 7\nlab: {}\nseed: 8\n", "line 4: the key 'seed' stands twice: leave one of them"),
        (b"# @package _global_\nlab:\n  minutes: 1\n  minutes: 2\n", "line 4: the key 'minutes' stands twice"),
        (b"seed: [1\n", "mine.yaml, line 2: is no YAML"),
    ],
)
def test_own_lab_that_is_no_plain_yaml(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        compose_and_check([f"hydra.searchpath=[file://{tmp_path}]", "experiment=mine"])
    assert message in str(caught.value)


def test_own_lab_with_windows_lines_is_read(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_bytes(LAB.replace("\n", "\r\n").encode())
    words = [f"hydra.searchpath=[file://{tmp_path}]", "experiment=mine"]
    assert compose_and_check(words).config["lab"]["title"] == "Café"


@pytest.mark.parametrize("lab", ["gan_print_handwriting", "transfer_dann"])
def test_second_source_is_chosen_at_its_place(lab: str, tmp_path: Path) -> None:
    words = [f"experiment={lab}", "data/source@data.target=image_files", f"data.target.root={tmp_path}"]
    composed = compose_and_check(words)
    assert composed.config["data"]["target"]["_target_"].endswith("ImageFiles")
    assert composed.choices["data/source@data.target"] == "image_files"


@pytest.mark.parametrize(
    ("word", "message"),
    [
        (
            "data/source@data.targt=fonts",
            "has no such place; data/source=NAME chooses from it, or data/source@data.tar",
        ),
        ("data/source@data.target=font", "no such option; did you mean fonts"),
        ("+data/source@data.second=fonts", "data/source=NAME chooses from it"),
        ("~data/source@data.target", "needs target"),
        ("data/source@data.target=null", "give it another value"),
        ("data/source@data.target=interval(0,1)", "an interval chooses no name; there are: "),
        ("model=interval(0,1)", "an interval chooses no name; there are: "),
    ],
)
def test_wrong_second_source_is_told(word: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        compose_and_check(["experiment=gan_print_handwriting", word])
