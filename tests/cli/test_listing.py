"""``leyden list``, in process."""

from pathlib import Path

import pytest

from leyden.bench.config.groups import options
from leyden.cli import main
from leyden.cli.listing import KINDS, chosen, line

LAB = "# @package _global_\nlab:\n  title: {title}\n  minutes: 0.3\n"


def own(folder: Path) -> Path:
    (folder / "conf" / "experiment").mkdir(parents=True)
    (folder / "conf" / "experiment" / "own_lab.yaml").write_text(LAB.format(title="My own"))
    return folder


def test_every_option_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    listed = capsys.readouterr().out
    for group in KINDS.values():
        for option in options(group):
            assert f"\n{option} " in listed


def test_a_family_and_a_kind_narrow_it() -> None:
    assert set(chosen(["gan"])["labs"]) >= {"gan_dcgan", "tour_gan"}
    assert not any("ssd" in name for names in chosen(["gan"]).values() for name in names)
    assert [*chosen(["models", "sources"])] == ["models", "sources"]
    found = chosen(["models", "text"])
    assert [*found] == ["models"]
    assert "text/gpt" in found["models"]
    others = [name for name in found["models"] if not name.startswith("text/")]
    assert others == ["gan/text_to_image"]  # a part of a name begins with the word, too
    assert [*chosen(["data/source"])] == ["sources"]


def test_a_wrong_word_is_answered(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "gun"]) == 1
    assert capsys.readouterr().err == "error: nothing to list for 'gun'; did you mean gan?\n"


def test_a_sweep_says_jobs_and_time(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "labs", "transfer_shots", "gan_vanilla"]) == 0
    listed = capsys.readouterr().out
    assert "(60 jobs, 18 min)" in listed
    assert "(1.2 min)" in listed


@pytest.mark.parametrize("how", ["override", "environment"])
def test_own_labs_are_listed(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = own(tmp_path / "my (lab)")
    if how == "environment":
        monkeypatch.setenv("LEYDEN_SEARCHPATH", str(folder))
        assert main(["list", "own"]) == 0
    else:
        assert main(["list", f'hydra.searchpath=["file://{folder}/conf"]', "own"]) == 0
    assert "own_lab     My own (0.3 min)" in capsys.readouterr().out


def test_a_lab_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_bytes(LAB.format(title="Café").encode("latin-1"))
    assert "line 3: byte 0xe9 is no UTF-8" in line(tmp_path / "mine.yaml")
