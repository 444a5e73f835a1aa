"""Short names of records, in process."""

import os
from pathlib import Path

import pytest

from leyden.cli import main
from leyden.cli.records import records, resolve

FOLDERS = [
    "tour_gan/2026-11-28_10-00-00_0",
    "tour_gan/2026-11-29_10-00-00_0",
    "sweeps/mine/0_tour_gan",
    "sweeps/mine/1_tour_detection",
    "sweeps/mine/11_tour_detection",
    "tour_transfer/2026-11-29_11-00-00_0",
    "controls/tour_transfer/2026-11-29_12-00-00_0",
]
"""From old to new."""


@pytest.fixture(autouse=True)
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(FOLDERS):
        folder = tmp_path / "outputs" / name
        folder.mkdir(parents=True)
        for file in ("config.yaml", "status.json", "overrides.yaml"):
            (folder / file).touch()
            os.utime(folder / file, (number, number))
    (tmp_path / "outputs" / "sweeps" / "mine" / "multirun.yaml").touch()
    return tmp_path / "outputs"


def test_newest_first() -> None:
    assert [str(record.folder.relative_to("outputs")) for record in records()] == FOLDERS[::-1]


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("last", 5),
        ("tour_gan", 2),
        ("tour_transfer", 5),
        ("tour_detection", 4),
        ("mine/1", 3),
        ("1_tour", 3),
        ("11", 4),
        ("2026-11-28", 0),
        ("tour_gan/2026-11-29", 1),
    ],
)
def test_a_short_name_means_one_record(name: str, folder: int, capsys: pytest.CaptureFixture[str]) -> None:
    found = resolve(Path(name))
    assert found == Path("outputs") / FOLDERS[folder]
    assert capsys.readouterr().err == f"{name} is {found}\n"


def test_sweeps_where_they_are_meant(outputs: Path) -> None:
    for name in ("mine", "tour_detection", "mine/0"):
        assert resolve(Path(name), whole_sweeps=True) == Path("outputs/sweeps/mine")
    assert resolve(Path("last"), whole_sweeps=True) == Path("outputs") / FOLDERS[5]


def test_a_path_is_taken_as_it_is(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert resolve(outputs / FOLDERS[0]) == outputs / FOLDERS[0]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("verb", ["predict", "evaluate", "export", "reproduce", "resume", "compare", "verify"])
def test_no_such_record_lists_the_newest(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "nowhere"]) == 1
    newest = "".join(f"\n  outputs/{name}" for name in FOLDERS[:-6:-1])
    assert capsys.readouterr().err == f"error: there is no record nowhere; the newest:{newest}\n"


def test_what_is_not_one_record(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="2026-11-29_1 could be each of these, type more of it\n  outputs/controls"):
        resolve(Path("2026-11-29_1"))
    monkeypatch.setenv("LEYDEN_OUTPUTS", "elsewhere")
    with pytest.raises(ValueError, match="there is no record last, and none below elsewhere; leyden run leaves them"):
        resolve(Path("last"))
